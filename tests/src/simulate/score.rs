//! What is demanded of the attributor, and how well it does.

use std::{collections::BTreeMap, fmt::Write as _};

use probe_user::attribute::{Method, Verdict, verdict::Onset};

use super::run::{Record, Scenario};

/// Least share of the decided runs in which the method is named correctly.
pub const CORRECT: f64 = 0.99;

/// Least share of the decided runs whose onset is within [`WINDOWS`].
pub const ONSET: f64 = 0.95;

/// Windows that an onset may be off.
pub const WINDOWS: u64 = 2;

/// Runs of one method.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// In all.
    pub runs: u64,
    /// With an accusation of the target, or with its health where it is blocked.
    pub decided: u64,
    /// Every accusation names the method.
    pub correct: u64,
    /// Onset within the windows.
    pub onset: u64,
    /// The interval has the onset in it.
    pub covered: u64,
    /// The end was to be seen, and was seen within the windows.
    pub ends: u64,
    /// Likewise, correct.
    pub ends_right: u64,
    /// Flows needed.
    needed: Vec<u64>,
}

/// All runs.
#[derive(Clone, Debug, Default)]
pub struct Score {
    /// By method.
    pub methods: BTreeMap<Method, Line>,
    /// By innocent world: runs, and how often it was called what.
    pub innocent: BTreeMap<String, BTreeMap<Method, u64>>,
    /// Runs in which somebody was accused wrongly, with what was said.
    pub wrong: Vec<(u64, String)>,
    /// Runs whose method was missed or named wrongly, or whose onset is off.
    pub missed: Vec<(u64, String)>,
}

impl Score {
    /// Adds a run.
    pub fn add(&mut self, record: &Record) {
        for verdict in record.verdicts.iter().filter(|verdict| verdict.method.accuses()) {
            if !record.is_true(verdict)
                && record.method().is_none_or(|_| verdict.unit.service != "blocked")
            {
                let said = format!(
                    "{} called {} ({}, {:?}); it was {}",
                    verdict.unit.service,
                    verdict.method,
                    verdict.unit.network,
                    verdict.unit.protocol,
                    name(record)
                );
                self.wrong.push((record.number, said));
            }
        }
        match &record.scenario {
            Scenario::Censored(_) => self.censored(record),
            Scenario::Innocent(_) | Scenario::ControlBlocked(_) => {
                let counts = self.innocent.entry(name(record)).or_default();
                let said: Vec<Method> = record
                    .verdicts
                    .iter()
                    .filter(|verdict| verdict.unit.service == "blocked")
                    .map(|verdict| verdict.method)
                    .collect();
                let accused = said.iter().copied().find(|method| method.accuses());
                let worst = accused.or_else(|| {
                    [Method::Outage, Method::None].into_iter().find(|one| said.contains(one))
                });
                *counts.entry(worst.unwrap_or(Method::Inconclusive)).or_default() += 1;
            }
        }
    }

    fn censored(&mut self, record: &Record) {
        let Some(method) = record.method() else { return };
        let line = self.methods.entry(method).or_default();
        line.runs += 1;
        let named = |verdict: &&Verdict| verdict.method == method;
        let wrong = |verdict: &&Verdict| !record.is_true(verdict);
        // Of several places, the one that knows best when it began.
        let best = record.accusations().filter(named).min_by_key(|verdict| width(verdict));
        let Some(verdict) = best.or_else(|| record.accusations().find(wrong)) else { return };
        line.decided += 1;
        let all_true = record.accusations().all(|verdict| record.is_true(verdict));
        if all_true && record.accusations().any(|verdict| named(&verdict)) {
            line.correct += 1;
        } else {
            let said: Vec<_> = record
                .accusations()
                .map(|verdict| format!("{} {}", verdict.method, verdict.unit.network))
                .collect();
            self.missed
                .push((record.number, format!("{} called {}", name(record), said.join(", "))));
        }
        let error = record.onset_error(verdict);
        line.onset += u64::from(error <= WINDOWS);
        if error > WINDOWS {
            let clients = record.clients;
            let said = format!("{}: onset off by {error} windows, {clients} clients", name(record));
            self.missed.push((record.number, said));
        }
        line.covered += u64::from(record.is_covered(verdict));
        if let Some(end) = verdict.end {
            line.ends += 1;
            line.ends_right += u64::from(record.end_error(&end) <= WINDOWS);
        }
        line.needed.extend(record.needed);
    }

    /// Sums over methods: decided, correct, onset.
    fn totals(&self) -> Line {
        let mut total = Line::default();
        for line in self.methods.values() {
            total.runs += line.runs;
            total.decided += line.decided;
            total.correct += line.correct;
            total.onset += line.onset;
            total.covered += line.covered;
            total.ends += line.ends;
            total.ends_right += line.ends_right;
            total.needed.extend(&line.needed);
        }
        total
    }

    /// What is demanded and not reached, a line each.
    pub fn missed_figures(&self) -> Vec<String> {
        let mut missed = self.shares_below(|count, of, least| (count as f64) < least * of as f64);
        for (method, line) in self.methods.iter().filter(|(_, line)| line.runs >= 10) {
            if line.decided * 2 < line.runs {
                missed
                    .push(format!("{method}: only {} of {} runs decided", line.decided, line.runs));
            }
        }
        missed
    }

    /// What is demanded and clearly not reached, of runs that are too few for a share to be exact: if
    /// just the demanded share of all possible runs were right, as many mistakes as there are, or more,
    /// would be made with a probability of at most `doubt`. Wrong accusations are none, of however few.
    pub fn refuted_figures(&self, doubt: f64) -> Vec<String> {
        self.shares_below(|count, of, least| at_least(of - count, of, 1.0 - least) <= doubt)
    }

    /// Wrong accusations, and the demanded shares of which `is_below` says, by how many are right, of
    /// how many, and the least share that is demanded, that they are not reached.
    fn shares_below(&self, is_below: impl Fn(u64, u64, f64) -> bool) -> Vec<String> {
        let total = self.totals();
        let mut missed = Vec::new();
        for (what, count, least) in [
            ("method named correctly", total.correct, CORRECT),
            ("onset within two windows", total.onset, ONSET),
        ] {
            if is_below(count, total.decided, least) {
                missed.push(format!(
                    "{what}: {count} of {}, and at least {:.0} % are demanded",
                    total.decided,
                    least * 100.0
                ));
            }
        }
        if !self.wrong.is_empty() {
            missed.push(format!("{} wrong accusations, and none is demanded", self.wrong.len()));
        }
        missed
    }

    /// The table.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let row = |text: &mut String, name: &str, line: &Line| {
            let median = line.median().map_or("-".into(), |median| median.to_string());
            let ends = format!("{}/{}", line.ends_right, line.ends);
            let _ = writeln!(
                text,
                "{name:<16} {:>5} {:>8} {:>8} {:>6} {:>9} {:>8} {ends:>9} {median:>13}",
                line.runs,
                line.decided,
                line.correct,
                line.decided - line.correct,
                line.onset,
                line.covered,
            );
        };
        let _ = writeln!(
            text,
            "{:<16} {:>5} {:>8} {:>8} {:>6} {:>9} {:>8} {:>9} {:>13}",
            "method",
            "runs",
            "decided",
            "correct",
            "wrong",
            "onset ±2",
            "covered",
            "end ±2",
            "median flows"
        );
        for (method, line) in &self.methods {
            row(&mut text, method.as_str(), line);
        }
        row(&mut text, "in total", &self.totals());
        let _ = writeln!(
            text,
            "\n{:<20} {:>6} {:>8} {:>13} {:>8}",
            "innocent world", "none", "outage", "inconclusive", "accused"
        );
        for (world, counts) in &self.innocent {
            let of = |method| counts.get(&method).copied().unwrap_or_default();
            let accused: u64 =
                counts.iter().filter(|(method, _)| method.accuses()).map(|(_, count)| count).sum();
            let _ = writeln!(
                text,
                "{world:<20} {:>6} {:>8} {:>13} {accused:>8}",
                of(Method::None),
                of(Method::Outage),
                of(Method::Inconclusive)
            );
        }
        text
    }
}

impl Line {
    fn median(&self) -> Option<u64> {
        let mut needed = self.needed.clone();
        needed.sort_unstable();
        needed.get(needed.len() / 2).copied()
    }
}

/// How exactly a verdict knows when it began.
const fn width(verdict: &Verdict) -> u64 {
    match verdict.onset {
        Some(Onset::Between(interval)) => interval.to - interval.from,
        Some(Onset::Before(_)) => u64::MAX - 1,
        None => u64::MAX,
    }
}

/// The probability of `least` or more of `n` independent events of probability `share`.
fn at_least(least: u64, n: u64, share: f64) -> f64 {
    let mut exactly = (1.0 - share).powf(n as f64);
    let mut fewer = 0.0;
    for count in 0..least {
        fewer += exactly;
        exactly *= (n - count) as f64 / (count + 1) as f64 * share / (1.0 - share);
    }
    1.0 - fewer
}

/// What a run was, in short.
pub fn name(record: &Record) -> String {
    match &record.scenario {
        Scenario::Censored(censor) => {
            format!("{} of {:.0} % ({:?})", censor.method, censor.touched() * 100.0, censor.touches)
        }
        Scenario::ControlBlocked(_) => "ControlBlocked".into(),
        Scenario::Innocent(innocence) => format!("{:?}", innocence.world),
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Method, Score, at_least};

    #[test]
    fn tails_of_the_binomial_distribution() {
        let is = |got: f64, expected: f64| assert!((got - expected).abs() < 1e-9, "{got}");
        is(at_least(0, 9, 0.3), 1.0);
        is(at_least(9, 9, 0.3), 0.3f64.powi(9));
        is(at_least(2, 3, 0.5), 0.5);
        is(at_least(1, 20, 0.05), 1.0 - 0.95f64.powi(20));
    }

    fn score(correct: u64, onset: u64, decided: u64) -> Score {
        let line = Line { decided, correct, onset, ..Line::default() };
        Score { methods: [(Method::SniDrop, line)].into(), ..Score::default() }
    }

    #[test]
    fn few_runs_refute_a_share_only_if_they_miss_it_by_far() {
        // Two of 23 are more than one in twenty, and no rarity where one in twenty is wrong.
        assert_eq!(score(23, 21, 23).missed_figures().len(), 1);
        assert!(score(23, 21, 23).refuted_figures(1e-3).is_empty());
        assert_eq!(score(23, 17, 23).refuted_figures(1e-3).len(), 1);
        assert_eq!(score(19, 23, 23).refuted_figures(1e-3).len(), 1);
        assert!(score(0, 0, 0).refuted_figures(1e-3).is_empty());
    }

    #[test]
    fn a_wrong_accusation_is_too_many_of_however_few() {
        let wrong = Score { wrong: vec![(3, String::new())], ..score(23, 23, 23) };
        assert_eq!(wrong.refuted_figures(1e-3).len(), 1);
    }
}
