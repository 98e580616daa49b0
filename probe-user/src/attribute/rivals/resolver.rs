//! The resolver fails for all names: then it fails for the controls' names, too.

use super::{Situation, Weighed, lost, percent, stands};

pub(super) fn weigh(of: &Situation) -> Weighed {
    if !of.is_dns() {
        return None;
    }
    if of.is_proven() {
        return lost("the forged answers are not the resolver's");
    }
    if of.near_established {
        return lost(format!(
            "of other names, the same resolver answered {} falsely in the same windows",
            percent(of.near_share)
        ));
    }
    stands("too few other names were asked of this resolver to tell")
}

#[cfg(test)]
mod tests {
    use super::super::{Situation, of, standing};
    use crate::attribute::{method::Method, verdict::Standing};

    #[test]
    fn other_names_through_the_same_resolver_decide() {
        let alone = of(Method::DnsLie);
        assert_eq!(standing(super::weigh(&alone)), Standing::Stands);
        let others = Situation { near_established: true, ..alone };
        assert_eq!(standing(super::weigh(&others)), Standing::Lost);
        assert_eq!(super::weigh(&of(Method::SniDrop)), None);
    }
}
