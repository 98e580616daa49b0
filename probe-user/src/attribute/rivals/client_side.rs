//! One or a few clients have trouble of their own: a filter on the machine, a broken line, a company's
//! firewall. However often they try, they stay few.

use super::{CLIENTS_MIN, Situation, Weighed, lost, stands};

pub(super) fn weigh(seen: &Situation) -> Weighed {
    let figures = format!(
        "the failures rest on {:.0} clients; {} or more had one",
        seen.carriers, seen.affected.least
    );
    if seen.carriers >= CLIENTS_MIN { lost(figures) } else { stands(figures) }
}

#[cfg(test)]
mod tests {
    use super::super::{Situation, blocked_by, standing};
    use crate::attribute::{method::Method, verdict::Standing};

    #[test]
    fn few_clients_prove_nothing_however_often_they_try() {
        let many = blocked_by(Method::SniReset);
        assert_eq!(standing(super::weigh(&many)), Standing::Lost);
        let few = Situation { carriers: 5.2, flows: 100_000, ..many };
        assert_eq!(standing(super::weigh(&few)), Standing::Stands);
    }
}
