//! Who blocks how, since when, and what else happens in that week: the truth.

use std::{fs, path::Path};

use anyhow::Context as _;
use probe_user::attribute::Method;
use serde::{Deserialize, Serialize};

use crate::corpus::{rng::Rng, script::SECOND};

/// An hour, in nanoseconds.
pub const HOUR: u64 = 3_600 * SECOND;

/// A day, in nanoseconds.
pub const DAY: u64 = 24 * HOUR;

/// The beginning of the week, 2016-11-14T00:00:00Z, in nanoseconds since the Unix epoch.
pub const WEEK: u64 = 1_479_081_600 * SECOND;

/// The first of the days of which more is seen than of the others: from the day before the order to the
/// day after it.
pub const DENSE: std::ops::Range<u64> = 2 * DAY..5 * DAY;

/// Everything that is to be found out. Times are nanoseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// What it all follows from.
    pub seed: u64,
    /// Beginning and end of the week.
    pub from: u64,
    /// See above.
    pub to: u64,
    /// The providers, by the numbers of their observers.
    pub providers: Vec<Provider>,
}

/// A provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// What it does: a method, or `none`.
    pub method: Method,
    /// Since when.
    pub onset: Option<u64>,
    /// Until when; nothing: to the end of the week and beyond.
    pub end: Option<u64>,
    /// Hops from the observer to the device, if there is one on the way.
    pub hops: Option<u8>,
    /// What happens there besides, and is nobody's censorship.
    pub decoys: Vec<Decoy>,
}

/// What looks like blocking for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoy {
    /// What it is.
    pub what: Mishap,
    /// From when.
    pub from: u64,
    /// Until when.
    pub to: u64,
}

/// What goes wrong without anybody's will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mishap {
    /// The service's servers are down, for all the world.
    ServiceDown,
    /// The provider's resolvers fail, for all names.
    ResolversFail,
    /// The provider's uplink is congested: everything is slow.
    Congestion,
    /// The provider's uplink is down.
    UplinkDown,
}

/// A plan of the week, before it is drawn.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Method and distance of each provider's device; the onset in hours after the week's beginning.
    pub providers: Vec<(Method, Option<f64>, Option<u8>)>,
    /// What happens besides, with the provider that it happens to, or to all: hours from and to.
    pub mishaps: Vec<(Mishap, Option<usize>, f64, f64)>,
}

impl Plan {
    /// The week of the order: it is given on Thursday, 17 November.
    pub fn week() -> Self {
        let day = |day: f64, hour: f64| (day - 14.0) * 24.0 + hour;
        Self {
            providers: vec![
                (Method::DnsInjection, Some(day(17.0, 6.2)), Some(4)),
                (Method::DnsLie, Some(day(17.0, 9.75)), None),
                (Method::IpDrop, Some(day(17.0, 12.4)), None),
                (Method::SniReset, Some(day(17.0, 15.1)), Some(6)),
                (Method::HttpBlockpage, Some(day(18.0, 7.5)), Some(3)),
                (Method::None, None, None),
            ],
            mishaps: vec![
                (Mishap::ServiceDown, None, day(16.0, 9.0), day(16.0, 10.5)),
                (Mishap::UplinkDown, Some(3), day(16.0, 17.0), day(16.0, 17.5)),
                (Mishap::ResolversFail, Some(5), day(17.0, 16.0), day(17.0, 17.0)),
                (Mishap::Congestion, Some(5), day(18.0, 15.0), day(18.0, 17.0)),
            ],
        }
    }

    /// The truth of `seed`: onsets lie within a quarter of an hour after those of the plan.
    pub fn draw(&self, seed: u64) -> Truth {
        let time = |hours: f64| WEEK + (hours * HOUR as f64) as u64;
        let provider =
            |(at, &(method, onset, hops)): (usize, &(Method, Option<f64>, Option<u8>))| {
                let mut rng = Rng::part(seed ^ 0x2016, at as u64);
                let mine =
                    self.mishaps.iter().filter(|mishap| mishap.1.is_none_or(|one| one == at));
                Provider {
                    name: name(at),
                    method,
                    onset: onset.map(|hours| time(hours) + rng.below(HOUR / 4)),
                    end: None,
                    hops,
                    decoys: mine
                        .map(|&(what, _, from, to)| Decoy { what, from: time(from), to: time(to) })
                        .collect(),
                }
            };
        let providers = self.providers.iter().enumerate().map(provider).collect();
        Truth { seed, from: WEEK, to: WEEK + 7 * DAY, providers }
    }
}

/// What a provider is called.
fn name(at: usize) -> String {
    format!("provider {} (AS{})", char::from(b'A' + at as u8), 64_496 + at)
}

impl Provider {
    /// Whether it blocks at `time`.
    pub fn blocks(&self, time: u64) -> bool {
        self.onset.is_some_and(|onset| onset <= time) && self.end.is_none_or(|end| time < end)
    }

    /// Whether something goes wrong at `time`.
    pub fn suffers(&self, what: Mishap, time: u64) -> bool {
        self.decoys.iter().any(|one| one.what == what && (one.from..one.to).contains(&time))
    }
}

impl Truth {
    /// Writes it.
    ///
    /// # Errors
    /// If there is no room.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        fs::write(path, serde_json::to_string_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Reads it.
    ///
    /// # Errors
    /// If it is not there or is no such thing.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no truth", path.display()))
    }
}
