//! The resolver fails for all names: then it fails for the controls' names, too.

use super::{Situation, Weighed, lost, percent, stands};

pub(super) fn weigh(seen: &Situation) -> Weighed {
    if !seen.is_dns() {
        return None;
    }
    if seen.is_proven() {
        return lost("the forged answers are not the resolver's");
    }
    if seen.near_established {
        return lost(format!(
            "of other names, the same resolver answered {} falsely in the same windows",
            percent(seen.near_share)
        ));
    }
    stands("too few other names were asked of this resolver to tell")
}

#[cfg(test)]
mod tests {
    use super::super::{Situation, blocked_by, standing};
    use crate::attribute::{method::Method, verdict::Standing};

    #[test]
    fn other_names_through_the_same_resolver_decide() {
        let alone = blocked_by(Method::DnsLie);
        assert_eq!(standing(super::weigh(&alone)), Standing::Stands);
        let others = Situation { near_established: true, ..alone };
        assert_eq!(standing(super::weigh(&others)), Standing::Lost);
        assert_eq!(super::weigh(&blocked_by(Method::SniDrop)), None);
    }
}
