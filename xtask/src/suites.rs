//! One test suite: run it, show what it prints, count what it says.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;

use crate::steps;

/// What a test that cannot do its work prints before it returns, followed by the reason.
const SKIPPED: &str = "skipped: ";

/// What a suite has said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Passed, having done what they are for.
    pub(crate) passed: usize,
    /// Failed.
    pub(crate) failed: usize,
    /// Names of tests that did not run, or returned at once, with the reason. A test of several
    /// parts may name several reasons; it counts once.
    pub(crate) skipped: BTreeMap<String, Vec<String>>,
}

impl Counts {
    /// Whether no test was there to run.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A suite that has run.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// For people: package and target.
    pub(crate) name: String,
    pub(crate) counts: Counts,
    pub(crate) status: ExitStatus,
    pub(crate) elapsed: Duration,
}

impl Outcome {
    /// Whether nothing failed, neither a test nor the suite as a whole.
    pub(crate) fn is_good(&self) -> bool {
        self.status.success() && self.counts.failed == 0
    }
}

/// When the lines of a suite are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    /// Each at once.
    AsItComes,
    /// All of them when it has ended, so that they stand together though another suite runs beside it.
    AtItsEnd,
}

/// Runs a suite. `command` must be one that prints as Rust's test harness does with
/// `--show-output`; its lines are shown, but for the output of tests that passed.
///
/// # Errors
///
/// If it cannot be run. A suite that fails is an outcome.
pub(crate) fn run(name: &str, command: &mut Command, show: Show) -> anyhow::Result<Outcome> {
    steps::say(&format!("suite {name}"));
    let start = Instant::now();
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.with_context(|| format!("cannot start {}", steps::shown(command)))?;
    let mut reader = Reader::default();
    let mut kept = String::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.with_context(|| format!("cannot read what {name} prints"))?;
            let line = String::from_utf8_lossy(&line);
            match (reader.read(&line), show) {
                (false, _) => {}
                (true, Show::AsItComes) => eprintln!("{line}"),
                (true, Show::AtItsEnd) => kept = kept + &line + "\n",
            }
        }
    }
    let status = child.wait().with_context(|| format!("cannot wait for {name}"))?;
    let elapsed = start.elapsed();
    if show == Show::AtItsEnd {
        // In one call, which no other suite's lines can come into.
        eprint!("xtask: suite {name}, after {}:\n{kept}", steps::seconds(elapsed));
    }
    Ok(Outcome { name: name.to_owned(), counts: reader.finish(), status, elapsed })
}

/// Reads the output of Rust's test harness.
#[derive(Debug, Default)]
struct Reader {
    passed: usize,
    failed: usize,
    skipped: BTreeMap<String, Vec<String>>,
    /// Tests that passed without doing their work.
    idle: usize,
    /// In the part that repeats what passed tests have printed.
    in_successes: bool,
    /// The test whose output is being repeated.
    current: String,
}

impl Reader {
    /// Reads a line; returns whether it is worth showing.
    fn read(&mut self, line: &str) -> bool {
        if let Some(totals) = line.strip_prefix("test result: ") {
            self.in_successes = false;
            self.read_totals(totals);
            return true;
        }
        match line {
            "successes:" => self.in_successes = true,
            "failures:" => self.in_successes = false,
            _ => {}
        }
        if self.in_successes {
            self.read_success(line);
            return false;
        }
        if let Some((name, reason)) = ignored(line) {
            self.skipped.entry(name.to_owned()).or_default().push(reason.to_owned());
        }
        true
    }

    /// `ok. 3 passed; 0 failed; 1 ignored; ...`; a run of documentation tests has several.
    fn read_totals(&mut self, totals: &str) {
        for part in totals.split([';', '.']) {
            let Some((number, what)) = part.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<usize>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                _ => {}
            }
        }
    }

    /// `---- NAME stdout ----`, then what it printed.
    fn read_success(&mut self, line: &str) {
        let heading = line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" ----"));
        if let Some(heading) = heading {
            self.current = heading.strip_suffix(" stdout").unwrap_or(heading).to_owned();
        } else if let Some(reason) = line.strip_prefix(SKIPPED) {
            let reasons = self.skipped.entry(self.current.clone()).or_default();
            if reasons.is_empty() {
                self.idle += 1;
            }
            if !reasons.iter().any(|known| known == reason) {
                reasons.push(reason.to_owned());
            }
        }
    }

    fn finish(self) -> Counts {
        let passed = self.passed.saturating_sub(self.idle);
        Counts { passed, failed: self.failed, skipped: self.skipped }
    }
}

/// `test NAME ... ignored` or `test NAME ... ignored, REASON`.
fn ignored(line: &str) -> Option<(&str, &str)> {
    let (name, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ignored")?;
    Some((name, outcome.strip_prefix(", ").unwrap_or("ignored in the source, without a reason")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 4 tests
test a::works ... ok
test needs_captures ... ok
test slow ... ignored, takes an hour
test breaks ... FAILED

successes:

---- needs_captures stdout ----
skipped: FORGEWATCH_CORPUS names no directory

---- a::works stdout ----
measured 5

successes:
    a::works
    needs_captures

failures:

---- breaks stdout ----
assertion failed

failures:
    breaks

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

    /// Reads a whole output, and returns what would have been shown.
    fn read(output: &str) -> (Counts, Vec<&str>) {
        let mut reader = Reader::default();
        let shown = output.lines().filter(|line| reader.read(line)).collect();
        (reader.finish(), shown)
    }

    #[test]
    fn a_test_that_did_not_do_its_work_has_not_passed() {
        let (counts, _) = read(OUTPUT);
        assert_eq!((counts.passed, counts.failed), (1, 1));
        let reasons: Vec<_> = counts.skipped.into_iter().collect();
        let expected =
            [("needs_captures", "FORGEWATCH_CORPUS names no directory"), ("slow", "takes an hour")];
        let expected =
            expected.map(|(name, reason)| (name.to_owned(), vec![reason.to_owned()])).to_vec();
        assert_eq!(reasons, expected);
    }

    #[test]
    fn failures_are_shown_and_the_chatter_of_successes_is_not() {
        let (_, shown) = read(OUTPUT);
        assert!(shown.contains(&"assertion failed"));
        assert!(!shown.contains(&"measured 5"));
        assert!(shown.last().is_some_and(|line| line.starts_with("test result: FAILED")));
    }

    #[test]
    fn several_runs_add_up() {
        let run = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out\n";
        let (counts, _) = read(&run.repeat(3));
        assert_eq!(counts, Counts { passed: 6, ..Counts::default() });
    }
}
