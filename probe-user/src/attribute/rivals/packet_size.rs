//! Large packets do not pass: a black hole of path MTU discovery swallows a first message that fills a
//! segment, which those with post-quantum keys do, and nothing else.

use super::{Situation, Weighed, lost, percent, stands, won};
use crate::attribute::method::Method;

/// Flows with a small first message that can show something.
const SMALL_MIN: u64 = 10;

/// Clients with a large first message, served at the nearest controls, that can.
const LARGE_MIN: u64 = 5;

pub(super) fn weigh(seen: &Situation) -> Weighed {
    if !seen.method_is(&[Method::SniDrop, Method::QuicDrop]) {
        return None;
    }
    let part = |count: u64, all: u64| count as f64 / all.max(1) as f64;
    let small = part(seen.small, seen.all_small);
    let large = part(seen.flows - seen.small, seen.all - seen.all_small);
    if seen.all_small >= SMALL_MIN && small * 2.0 >= large {
        return lost(format!("{} of flows with a small first message fail, too", percent(small)));
    }
    if seen.near_established && seen.near_large >= LARGE_MIN {
        return lost("large first messages with other names are answered at the same address");
    }
    if seen.all_small >= SMALL_MIN && small * 10.0 <= large {
        return won(format!(
            "{} of flows with a large first message fail, and {} of those with a small one",
            percent(large),
            percent(small)
        ));
    }
    stands("all first messages are large, here and at the nearest controls too few")
}

#[cfg(test)]
mod tests {
    use super::super::{Situation, blocked_by, standing};
    use crate::attribute::{method::Method, verdict::Standing};

    #[test]
    fn small_messages_that_fail_and_large_ones_that_pass_exclude_it() {
        let large_only = blocked_by(Method::SniDrop);
        assert_eq!(standing(super::weigh(&large_only)), Standing::Stands);
        let small_too = Situation { small: 90, all_small: 100, ..large_only.clone() };
        assert_eq!(standing(super::weigh(&small_too)), Standing::Lost);
        let passes = Situation { near_established: true, near_large: 20, ..large_only.clone() };
        assert_eq!(standing(super::weigh(&passes)), Standing::Lost);
        let black_hole = Situation { all_small: 100, small: 0, ..large_only };
        assert_eq!(standing(super::weigh(&black_hole)), Standing::Won);
    }
}
