//! Where the device stands, over many flows.

use super::{
    signs::{Histogram, Signs},
    verdict::{Distance, Spans},
};
use crate::report::finding::Position;

/// Part of the flows that tell which must agree on the side.
const AGREE: f64 = 0.9;

/// Part of the flows that lie outside of the range on either side.
const TAIL: f64 = 0.05;

/// Hops that an estimate may be off.
const SLACK: u8 = 1;

/// The distance that affected flows tell of, if they do.
pub(super) fn of(signs: &Signs) -> Option<Distance> {
    let n = signs.hops.total();
    let [upstream, downstream, _] = signs.positions;
    let told = upstream + downstream;
    if n == 0 && told == 0 {
        return None;
    }
    let hops = spans(&signs.hops);
    let agrees = |count: u64| told > 0 && count as f64 >= AGREE * told as f64;
    let position = match (agrees(upstream), agrees(downstream)) {
        (true, _) => Position::Upstream,
        (_, true) => Position::Downstream,
        _ => Position::Unknown,
    };
    Some(Distance {
        n,
        hops,
        server_hops: spans(&signs.server_hops),
        agreement: hops.map_or(0.0, |hops| signs.hops.near(hops.median)),
        position,
    })
}

fn spans(hops: &Histogram) -> Option<Spans> {
    let (low, high) = (hops.quantile(TAIL)?, hops.quantile(1.0 - TAIL)?);
    Some(Spans {
        median: hops.quantile(0.5)?,
        range: [low.saturating_sub(SLACK), high.saturating_add(SLACK)],
    })
}

#[cfg(test)]
mod tests {
    use super::{Signs, of};
    use crate::report::finding::Position;

    #[test]
    fn most_flows_decide_and_the_range_says_how_sure() {
        let mut signs = Signs::default();
        assert_eq!(of(&signs), None);
        for flow in 0..100u8 {
            signs.hops.add(Some(if flow < 97 { 5 } else { flow / 4 }));
            signs.server_hops.add(Some(12));
        }
        signs.positions = [96, 4, 30];
        let distance = of(&signs).expect("a distance");
        let hops = distance.hops.expect("hops");
        assert_eq!((hops.median, hops.range, distance.position), (5, [4, 6], Position::Upstream));
        signs.positions = [50, 50, 0];
        assert_eq!(of(&signs).expect("a distance").position, Position::Unknown);
    }
}
