//! When something began, by more than what is seen of it at one place.

use std::collections::BTreeMap;

use super::{
    change::Curve,
    track::Track,
    unit::Unit,
    verdict::{Interval, Onset},
    window::Key,
};

/// When what is established in a lane of a unit began, by all that is seen of the service there and
/// elsewhere. Who blocks a service begins everywhere at once, unless what is seen speaks against it.
pub(super) fn common(
    units: &BTreeMap<Key, Unit>,
    key: Key,
    track: &Track,
    length: u64,
) -> Option<Onset> {
    let own = track.curve.interval(length)?;
    if key.residue && track.curve.is_open() {
        return of_trigger(units, key, own);
    }
    let overlaps = |other: &Track| {
        let other = other.curve.interval(length);
        other.is_some_and(|other| other.from <= own.to && own.from <= other.to)
    };
    let of = |key: Key| (key.vantage, key.service, key.residue);
    let curves: Vec<_> = units
        .iter()
        .filter(|(other, _)| of(**other) == of(key))
        .filter_map(|(_, unit)| unit.tracks.get(&track.lane))
        .filter(|track| overlaps(track))
        .map(|track| &track.curve)
        .collect();
    Curve::together(&curves).onset(length)
}

/// The onset of what lingers, where no flow shows that it began later than what it lingers after.
fn of_trigger(units: &BTreeMap<Key, Unit>, key: Key, own: Interval) -> Option<Onset> {
    let place = |key: Key| (key.vantage, key.service, key.network);
    let triggers = units
        .iter()
        .filter(|(other, _)| !other.residue && place(**other) == place(key))
        .flat_map(|(_, unit)| unit.tracks.values())
        .filter_map(|track| track.common_onset.or(track.onset));
    triggers
        .filter_map(|onset| match onset {
            Onset::Between(began) if began.likely <= own.to => {
                Some(Interval { to: own.to.max(began.to), ..began })
            }
            _ => None,
        })
        .min_by_key(|began| began.to - began.from)
        .map(Onset::Between)
}
