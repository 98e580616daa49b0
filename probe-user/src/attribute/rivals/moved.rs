//! The service has moved: answers lead to a network where it has not been seen before, and it is served
//! there.

use super::{Situation, Weighed, lost, stands, won};
use crate::attribute::method::Method;

/// Part of the false answers that must lead to strange networks for this to be a question.
const STRANGE: f64 = 0.2;

/// Clients that must have been served there for it to be the answer.
const SERVED: u64 = 3;

pub(super) fn weigh(seen: &Situation) -> Weighed {
    if !seen.method_is(&[Method::DnsLie]) {
        return None;
    }
    if (seen.elsewhere as f64) < STRANGE * seen.flows as f64 {
        return lost("the answers lead nowhere, or to a censor's page");
    }
    if seen.served_there >= SERVED {
        return won(format!("{} clients were served where the answers lead", seen.served_there));
    }
    if seen.listed * 2 > seen.flows {
        return lost("most answers lead to a censor's page");
    }
    stands("nobody was seen to be served where the answers lead, nor refused")
}

#[cfg(test)]
mod tests {
    use super::super::{Situation, blocked_by, standing};
    use crate::attribute::{method::Method, verdict::Standing};

    #[test]
    fn served_elsewhere_has_moved() {
        let strange = Situation { elsewhere: 400, ..blocked_by(Method::DnsLie) };
        assert_eq!(standing(super::weigh(&strange)), Standing::Stands);
        let served = Situation { served_there: 12, ..strange };
        assert_eq!(standing(super::weigh(&served)), Standing::Won);
        assert_eq!(standing(super::weigh(&blocked_by(Method::DnsLie))), Standing::Lost);
    }
}
