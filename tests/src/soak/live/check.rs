//! What has to hold at the end.

use serde::Serialize;

use super::{figures::Figures, score::Counts, talk::Kind};

/// What the agent may take besides the maps, in MiB.
pub const BUDGET: f64 = 64.0;

/// By how much its memory may have grown after the warm-up, in MiB: the line through all that was
/// measured then, from its beginning to its end.
pub const GROWTH: f64 = 1.0;

/// The part of a run that its memory has to warm up: what the judge keeps fills up to its bounds, which takes half an
/// hour at the rates of [`super::talk`].
const WARM_UP: f64 = 1.0 / 3.0;

/// Runs shorter than this, in seconds, say nothing about growth.
const LONG: f64 = 600.0;

/// Losses that explain why something forged was not found: events that were not told.
const EXCUSES: [&str; 4] =
    ["events_ring_full", "events_rate_limited", "events_unread", "internal_errors"];

/// What was pushed out by others while it was under way, by what is forged of it. Of these there are some at
/// all times, most of them nobody's prey, so that they explain few of what was not found.
const CUT_SHORT: [(Kind, &str); 2] =
    [(Kind::Reset, "flows_cut_short"), (Kind::Answer, "dns_evicted")];

/// How many of what is forged that may explain, at most: one in ten thousand of a kind.
const CUT_SHORT_MAX: f64 = 1e-4;

/// How many of those missing are named.
const SHOWN: usize = 20;

/// One thing that has to hold.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What.
    pub what: &'static str,
    /// Whether it does.
    pub holds: bool,
    /// By which figures.
    pub by: String,
}

/// A look at the agent's memory.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Look {
    /// Seconds since the beginning.
    pub at: f64,
    /// What it takes besides the maps, in MiB.
    pub mib: f64,
}

/// What was counted at the end.
#[derive(Debug)]
pub struct End<'a> {
    /// Of the agent.
    pub figures: &'a Figures,
    /// Of conversations.
    pub counts: &'a Counts,
    /// Packets that the interface has received.
    pub received: u64,
    /// Packets that were sent to it.
    pub sent: u64,
    /// Findings in the ledger that accuse somebody.
    pub recorded: u64,
    /// Memory, as it went.
    pub memory: &'a [Look],
}

impl End<'_> {
    /// All that has to hold.
    pub fn checks(&self) -> Vec<Check> {
        let Self { figures, counts, .. } = self;
        let mut checks = vec![
            self.found(),
            Check {
                what: "nobody else is accused",
                holds: counts.wrong == 0,
                by: format!("{} of others accused, {} suspected", counts.wrong, counts.suspected),
            },
            Check {
                what: "every packet received is in one outcome",
                holds: figures.get("packets") == self.received
                    && figures.outcomes() == self.received,
                by: format!(
                    "{} sent, {} received, {} seen, {} in outcomes",
                    self.sent,
                    self.received,
                    figures.get("packets"),
                    figures.outcomes()
                ),
            },
            self.judged(),
            self.recorded(),
        ];
        checks.extend(self.memory());
        checks
    }

    fn found(&self) -> Check {
        let missing = self.counts.missing().count() as u64;
        let which: Vec<_> = self.counts.missing().take(SHOWN).collect();
        let excuses: Vec<(&str, u64)> = EXCUSES
            .into_iter()
            .map(|name| (name, self.figures.get(name)))
            .filter(|(_, count)| *count > 0)
            .collect();
        let forged = self.counts.due();
        let lost: u64 = excuses.iter().map(|(_, count)| count).sum();
        let cut_short: u64 = CUT_SHORT.into_iter().map(|of| self.cut_short(of)).sum();
        Check {
            what: "all that is forged is found, or lost by a counter",
            holds: forged > 0 && missing <= lost + cut_short,
            by: format!(
                "{forged} forged, {missing} not found {which:?}, lost: {excuses:?}, {cut_short} of them \
                 perhaps pushed out meanwhile; {} said too late",
                self.counts.late
            ),
        }
    }

    /// How many of a kind are missing that a counter of what was pushed out may explain.
    fn cut_short(&self, (kind, counter): (Kind, &str)) -> u64 {
        let of_kind = |(one, _): &&(Kind, u64)| *one == kind;
        let missing = self.counts.missing().filter(of_kind).count() as u64;
        let forged = self.counts.forged.iter().filter(of_kind).count();
        missing.min(self.figures.get(counter)).min((forged as f64 * CUT_SHORT_MAX) as u64)
    }

    fn judged(&self) -> Check {
        let [emitted, received, unread] = ["events_emitted", "events_received", "events_unread"]
            .map(|name| self.figures.get(name));
        Check {
            what: "every event told is judged",
            holds: emitted > 0 && emitted == received && unread == 0,
            by: format!("{emitted} told, {received} judged"),
        }
    }

    fn recorded(&self) -> Check {
        let lost = ["ledger_refused", "ledger_unrecorded", "ledger_expired"];
        let lost: u64 = lost.map(|name| self.figures.get(name)).into_iter().sum();
        let found = self.counts.found.len() as u64;
        Check {
            what: "all that is found is in the ledger",
            holds: self.recorded + lost >= found,
            by: format!("{found} found, {} recorded, {lost} lost", self.recorded),
        }
    }

    fn memory(&self) -> Vec<Check> {
        let most = self.memory.iter().map(|look| look.mib).fold(0.0, f64::max);
        let mut checks = vec![Check {
            what: "memory within its budget",
            holds: most > 0.0 && most <= BUDGET,
            by: format!("{most:.1} MiB at most, of {BUDGET:.0}"),
        }];
        if let Some(grown) = growth(self.memory) {
            checks.push(Check {
                what: "memory flat after the warm-up",
                holds: grown <= GROWTH,
                by: format!("{grown:+.2} MiB by the line through it, at most {GROWTH:+.2}"),
            });
        }
        checks
    }
}

/// By how much memory grew after the warm-up, in MiB; `None` of a run that was too short.
pub fn growth(memory: &[Look]) -> Option<f64> {
    let end = memory.last()?.at;
    if end < LONG {
        return None;
    }
    let rest: Vec<Look> = memory.iter().copied().filter(|look| look.at >= end * WARM_UP).collect();
    let mean = |of: fn(&Look) -> f64| rest.iter().map(of).sum::<f64>() / rest.len() as f64;
    let (at, mib) = (mean(|look| look.at), mean(|look| look.mib));
    let across: f64 = rest.iter().map(|look| (look.at - at) * (look.mib - mib)).sum();
    let along: f64 = rest.iter().map(|look| (look.at - at).powi(2)).sum();
    Some(across / along * (end - rest.first()?.at))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Check, Counts, End, Figures, Kind, Look, growth};

    fn looks(of: impl Fn(f64) -> f64) -> Vec<Look> {
        (0..=3_600).map(|at| Look { at: f64::from(at), mib: of(f64::from(at)) }).collect()
    }

    #[test]
    fn growth_is_told_from_going_up_and_down() {
        let up_and_down = looks(|at| 40.0 + (at / 300.0).fract() * 3.0);
        assert!(growth(&up_and_down).expect("long enough").abs() < 0.5);
        let warms_up = looks(|at| 40.0 + at.min(600.0) / 60.0);
        assert!(growth(&warms_up).expect("long enough").abs() < 0.01);
        let leaks = looks(|at| 40.0 + at / 1_800.0);
        assert!((growth(&leaks).expect("long enough") - 4.0 / 3.0).abs() < 0.01);
        assert_eq!(growth(&looks(|_| 1.0)[..100]), None);
    }

    fn checks(change: impl FnOnce(&mut Figures, &mut Counts)) -> Vec<Check> {
        let mut figures = Figures::default();
        for (name, count) in
            [("packets", 9), ("tcp_segments", 9), ("events_emitted", 4), ("events_received", 4)]
        {
            figures.seen.insert(name.into(), count);
        }
        let forged = BTreeSet::from([(Kind::Reset, 0), (Kind::Reset, 1)]);
        let mut counts = Counts { found: forged.clone(), forged, ..Counts::default() };
        change(&mut figures, &mut counts);
        let (figures, counts) = (&figures, &counts);
        let memory = [Look { at: 0.0, mib: 20.0 }];
        End { figures, counts, received: 9, sent: 9, recorded: 2, memory: &memory }.checks()
    }

    fn failed(change: impl FnOnce(&mut Figures, &mut Counts)) -> Vec<&'static str> {
        checks(change).into_iter().filter(|check| !check.holds).map(|check| check.what).collect()
    }

    #[test]
    fn each_check_can_fail() {
        assert!(failed(|_, _| {}).is_empty());
        let found = "all that is forged is found, or lost by a counter";
        assert_eq!(failed(|_, counts| counts.found = [(Kind::Reset, 0)].into()), [found]);
        let lost = |figures: &mut Figures, counts: &mut Counts| {
            counts.found.pop_last();
            figures.lost.insert("events_ring_full".into(), 1);
        };
        assert!(failed(lost).is_empty());
        let cut_short = |forged: u64| {
            failed(move |figures, counts| {
                counts.forged = (0..forged).map(|number| (Kind::Reset, number)).collect();
                counts.found = counts.forged.iter().copied().skip(1).collect();
                figures.lost.insert("flows_cut_short".into(), 1_000);
                figures.lost.insert("dns_evicted".into(), 1_000);
            })
        };
        // Only the recording is not asked for as much here.
        assert!(cut_short(9_000).contains(&found) && !cut_short(10_000).contains(&found));
        assert_eq!(failed(|_, counts| counts.wrong = 1), ["nobody else is accused"]);
        let more = |figures: &mut Figures, _: &mut Counts| {
            figures.seen.insert("not_ip".into(), 1);
        };
        assert_eq!(failed(more), ["every packet received is in one outcome"]);
        let unread = |figures: &mut Figures, _: &mut Counts| {
            figures.seen.insert("events_received".into(), 3);
        };
        assert_eq!(failed(unread), ["every event told is judged"]);
        let forgotten = |_: &mut Figures, counts: &mut Counts| {
            counts.found.insert((Kind::Answer, 0));
        };
        assert_eq!(failed(forgotten), ["all that is found is in the ledger"]);
    }
}
