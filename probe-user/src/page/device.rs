//! Where a device stands, to scale.

use crate::attribute::verdict::{Distance, Spans};

use super::numbers::spans;

/// A line from the observer to beyond the server; all in percent of its length.
#[derive(Debug)]
pub(super) struct Scale {
    pub(super) device: Point,
    pub(super) server: Option<Point>,
    pub(super) ticks: Vec<(String, u8)>,
}

/// A place with its range.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) at: String,
    pub(super) from: String,
    pub(super) width: String,
    pub(super) label: String,
}

/// The scale, if the distance is known.
pub(super) fn scale(distance: &Distance) -> Option<Scale> {
    let device = distance.hops?;
    let server = distance.server_hops;
    let farthest = server.map_or(0, |server| server.range[1]).max(device.range[1]).max(4);
    let length = f64::from(farthest) + 1.0;
    let percent = |hops: f64| format!("{:.1}", hops / length * 100.0);
    let point = |place: Spans| Point {
        at: percent(place.median.into()),
        from: percent(f64::from(place.range[0]) - 0.4),
        width: percent(f64::from(place.range[1]) - f64::from(place.range[0]) + 0.8),
        label: spans(place),
    };
    let step = farthest.div_ceil(8).max(1);
    Some(Scale {
        device: point(device),
        server: server.map(point),
        ticks: (0..=farthest).step_by(step.into()).map(|hop| (percent(hop.into()), hop)).collect(),
    })
}
