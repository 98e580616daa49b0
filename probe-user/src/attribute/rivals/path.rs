//! The path to the servers' network is down or loses packets: then whoever else is behind it suffers,
//! too, and nobody forges or falsifies anything.

use super::{Situation, Weighed, lost, percent, stands, won};
use crate::attribute::method::Method;

/// Client-windows of the nearest controls that can show a path to be down.
const NEAR_MIN: f64 = 10.0;

pub(super) fn weigh(seen: &Situation) -> Weighed {
    let why = match seen.method {
        Some(Method::DnsInjection | Method::DnsLie | Method::HttpBlockpage) => {
            "an answer came; a path that fails brings none".into()
        }
        Some(Method::IcmpReject) => {
            "a device says that it prohibits the packets; a path that fails says unreachable".into()
        }
        _ if seen.is_proven() => {
            format!(
                "packets of {} clients or more were made by somebody on the way",
                seen.proven.least
            )
        }
        _ if seen.near_established => format!(
            "at the same place {} of the controls' flows failed this way in the same windows",
            percent(seen.near_share)
        ),
        _ if seen.near_n >= NEAR_MIN && seen.near_share * 2.0 >= seen.share => {
            let figure = percent(seen.near_share);
            return won(format!(
                "at the same place {figure} of the controls' flows failed as well"
            ));
        }
        _ => {
            let figure = seen.near_n;
            return stands(format!(
                "the nearest controls had {figure:.0} client-windows: too few to tell"
            ));
        }
    };
    lost(why)
}

#[cfg(test)]
mod tests {
    use super::super::{Situation, blocked_by, standing};
    use crate::attribute::{method::Method, sketch::Range, verdict::Standing};

    #[test]
    fn neighbours_decide() {
        let alone = blocked_by(Method::SniDrop);
        assert_eq!(standing(super::weigh(&alone)), Standing::Stands);
        let healthy = Situation { near_established: true, near_n: 90.0, ..alone.clone() };
        assert_eq!(standing(super::weigh(&healthy)), Standing::Lost);
        let down = Situation { near_share: 0.8, near_n: 90.0, ..alone };
        assert_eq!(standing(super::weigh(&down)), Standing::Won);
    }

    #[test]
    fn a_path_forges_nothing() {
        let proven =
            Situation { proven: Range { least: 9, most: 9 }, ..blocked_by(Method::SniReset) };
        assert_eq!(standing(super::weigh(&proven)), Standing::Lost);
        let few = Situation { proven: Range { least: 2, most: 2 }, ..blocked_by(Method::SniReset) };
        assert_eq!(standing(super::weigh(&few)), Standing::Stands);
        assert_eq!(standing(super::weigh(&blocked_by(Method::DnsLie))), Standing::Lost);
    }
}
