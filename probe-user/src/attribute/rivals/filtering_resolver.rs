//! The resolver filters at the wish of those who chose it: advertisements, trackers, what children should
//! not see. That is not the network's doing. It is excluded where answers lead to a censor's page, where
//! resolvers of several operators lie alike, or where most clients ask the one that lies.

use super::{Situation, Weighed, lost, percent, stands};
use crate::attribute::method::Method;

/// Part of the false answers that must lead to a page or sink of a known censor.
const LISTED: f64 = 0.5;

/// Part of all clients that must ask the resolvers that lie: whoever filters by choice is fewer.
const MOST: f64 = 0.5;

pub(super) fn weigh(seen: &Situation) -> Weighed {
    if !seen.method_is(&[Method::DnsLie]) {
        return None;
    }
    if seen.local {
        return stands("the resolver stands on the clients' own side");
    }
    if seen.listed as f64 >= LISTED * seen.flows as f64 && seen.flows > 0 {
        return lost(format!(
            "{} of {} false answers lead to pages or sinks of known censors",
            seen.listed, seen.flows
        ));
    }
    if seen.liars >= 2 {
        return lost(format!("resolvers in {} networks give false answers", seen.liars));
    }
    if seen.liars_part >= MOST {
        return lost(format!("{} of the clients ask it", percent(seen.liars_part)));
    }
    stands(format!(
        "one resolver's answers are false, and {} of the clients ask it",
        percent(seen.liars_part)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{Situation, blocked_by, standing};
    use crate::attribute::{method::Method, verdict::Standing};

    #[test]
    fn a_filter_by_choice_is_not_accused() {
        let chosen = Situation { liars: 1, liars_part: 0.1, ..blocked_by(Method::DnsLie) };
        assert_eq!(standing(super::weigh(&chosen)), Standing::Stands);
        let most = Situation { liars_part: 0.8, ..chosen.clone() };
        assert_eq!(standing(super::weigh(&most)), Standing::Lost);
        let several = Situation { liars: 3, ..chosen.clone() };
        assert_eq!(standing(super::weigh(&several)), Standing::Lost);
        let listed = Situation { listed: 300, ..chosen.clone() };
        assert_eq!(standing(super::weigh(&listed)), Standing::Lost);
        let at_home = Situation { local: true, liars: 3, listed: 400, ..chosen };
        assert_eq!(standing(super::weigh(&at_home)), Standing::Stands);
    }
}
