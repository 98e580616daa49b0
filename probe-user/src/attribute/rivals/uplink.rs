//! The observer's own connection to the Internet is down or loses packets: then controls fail, too.

use super::{Situation, Weighed, lost, percent, stands};

pub(super) fn weigh(seen: &Situation) -> Weighed {
    let figures = format!(
        "{} of the service's flows and {} of the controls' failed this way in the same windows",
        percent(seen.share),
        percent(seen.any_share)
    );
    if seen.any_established {
        lost(figures)
    } else if seen.near_established {
        lost("the nearest controls were served over the same uplink")
    } else {
        stands(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Situation, blocked_by, standing};
    use crate::attribute::{method::Method, verdict::Standing};

    #[test]
    fn controls_that_are_served_exclude_it() {
        let served = blocked_by(Method::SniDrop);
        assert_eq!(standing(super::weigh(&served)), Standing::Lost);
        let down = Situation { any_established: false, any_share: 0.9, ..served };
        assert_eq!(standing(super::weigh(&down)), Standing::Stands);
    }
}
