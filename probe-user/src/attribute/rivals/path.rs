//! The path to the servers' network is down or loses packets: then whoever else is behind it suffers,
//! too, and nobody forges or falsifies anything.

use super::{Situation, Weighed, lost, percent, stands, won};
use crate::attribute::method::Method;

/// Client-windows of the nearest controls that can show a path to be down.
const NEAR_MIN: f64 = 10.0;

pub(super) fn weigh(of: &Situation) -> Weighed {
    if of.is_dns() || of.method_is(&[Method::HttpBlockpage]) {
        return lost("an answer came; a path that fails brings none");
    }
    if of.method_is(&[Method::IcmpReject]) {
        return lost(
            "a device says that it prohibits the packets; a path that fails says unreachable",
        );
    }
    if of.is_proven() {
        return lost(format!(
            "packets of {} clients or more were made by somebody on the way",
            of.proven.least
        ));
    }
    if of.near_established {
        return lost(format!(
            "at the same place {} of the controls' flows failed this way in the same windows",
            percent(of.near_share)
        ));
    }
    if of.near_n >= NEAR_MIN && of.near_share * 2.0 >= of.share {
        return won(format!(
            "at the same place {} of the controls' flows failed as well",
            percent(of.near_share)
        ));
    }
    stands(format!("the nearest controls had {:.0} client-windows: too few to tell", of.near_n))
}

#[cfg(test)]
mod tests {
    use super::super::{Situation, of, standing};
    use crate::attribute::{method::Method, sketch::Range, verdict::Standing};

    #[test]
    fn neighbours_decide() {
        let alone = of(Method::SniDrop);
        assert_eq!(standing(super::weigh(&alone)), Standing::Stands);
        let healthy = Situation { near_established: true, near_n: 90.0, ..alone.clone() };
        assert_eq!(standing(super::weigh(&healthy)), Standing::Lost);
        let down = Situation { near_share: 0.8, near_n: 90.0, ..alone };
        assert_eq!(standing(super::weigh(&down)), Standing::Won);
    }

    #[test]
    fn a_path_forges_nothing() {
        let proven = Situation { proven: Range { least: 9, most: 9 }, ..of(Method::SniReset) };
        assert_eq!(standing(super::weigh(&proven)), Standing::Lost);
        let few = Situation { proven: Range { least: 2, most: 2 }, ..of(Method::SniReset) };
        assert_eq!(standing(super::weigh(&few)), Standing::Stands);
        assert_eq!(standing(super::weigh(&of(Method::DnsLie))), Standing::Lost);
    }
}
