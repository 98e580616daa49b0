//! The observer sees one direction only: what it takes for silence passes it by. Silence of a flow that
//! was seen in one direction is not counted; but where most flows are, the rest is no fair sample.

use super::{Situation, Weighed, lost, percent, stands};
use crate::attribute::method::Method;

/// Part of the flows that may be seen in one direction.
const ONE_WAY: f64 = 0.5;

pub(super) fn weigh(seen: &Situation) -> Weighed {
    if !seen.method.is_some_and(Method::leaves_no_packet) {
        return None;
    }
    let part = seen.one_way as f64 / seen.all.max(1) as f64;
    let figures = format!("{} of the flows were seen in one direction", percent(part));
    if part < ONE_WAY { lost(figures) } else { stands(figures) }
}

#[cfg(test)]
mod tests {
    use super::super::{Situation, blocked_by, standing};
    use crate::attribute::{method::Method, verdict::Standing};

    #[test]
    fn one_direction_is_not_enough_for_silence() {
        let both = blocked_by(Method::SniDrop);
        assert_eq!(standing(super::weigh(&both)), Standing::Lost);
        let blind = Situation { one_way: 400, ..both };
        assert_eq!(standing(super::weigh(&blind)), Standing::Stands);
        assert_eq!(super::weigh(&blocked_by(Method::SniReset)), None);
    }
}
