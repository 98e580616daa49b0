//! Suites side by side. Most of them wait more than they compute, for timers that are those of the product: two do in one's time.

use std::{
    collections::VecDeque,
    process::Command,
    sync::{Mutex, PoisonError},
    thread,
};

use crate::suites::{self, Outcome, Show};

/// Suites at once, where there are as many processors. More would have to wait for these, and what is to come within a
/// time would come late.
const LANES: usize = 2;

/// Suites that have the machine to themselves: they fill every processor there is, or have two of them do one thing in step.
const ALONE: &[&str] = &["tests: faults", "tests: kernel", "tests: soak", "tests: survival"];

/// Suites that take longest, the longest first. They begin before all others, so that no lane ends long after the other.
const LONGEST: &[&str] = &["tests: kernels", "tests: demo", "tests: inpath", "tests: resolvers"];

/// A suite that is to run.
#[derive(Debug)]
pub(crate) struct Job {
    /// For people: package and target.
    pub(crate) name: String,
    pub(crate) command: Command,
}

/// Runs all suites: first side by side, then those that have to be alone. Returns what they said in the order of `jobs`.
///
/// # Errors
///
/// If one cannot be run; the others are run all the same. A suite that fails is an outcome.
pub(crate) fn run(jobs: Vec<Job>) -> anyhow::Result<Vec<Outcome>> {
    let (alone, mut together): (Vec<_>, Vec<_>) =
        jobs.into_iter().enumerate().partition(|(_, job)| ALONE.contains(&job.name.as_str()));
    together.sort_by_key(|(place, job)| {
        (LONGEST.iter().position(|name| *name == job.name).unwrap_or(LONGEST.len()), *place)
    });
    let lanes = thread::available_parallelism().map_or(1, |processors| processors.get().min(LANES));
    let waiting = Mutex::new(VecDeque::from(together));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let show = if lanes > 1 { Show::AtItsEnd } else { Show::AsItComes };
    let lane = || {
        let mut outcomes = Vec::new();
        while let Some((place, mut job)) = next() {
            outcomes.push((place, suites::run(&job.name, &mut job.command, show)));
        }
        outcomes
    };
    let mut outcomes = thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        let join = |lane: thread::ScopedJoinHandle<'_, Vec<_>>| {
            lane.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        lanes.into_iter().flat_map(join).collect::<Vec<_>>()
    });
    for (place, mut job) in alone {
        outcomes.push((place, suites::run(&job.name, &mut job.command, Show::AsItComes)));
    }
    outcomes.sort_by_key(|(place, _)| *place);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::steps;

    fn job(name: &str, script: &str) -> Job {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Job { name: name.to_owned(), command }
    }

    #[test]
    fn the_suites_that_are_named_are_there() {
        let folder = steps::root().join("tests/tests");
        for name in ALONE.iter().chain(LONGEST) {
            let suite = name.strip_prefix("tests: ").expect("suites of that package only");
            let file = folder.join(format!("{suite}.rs"));
            assert!(file.exists() || folder.join(suite).join("main.rs").exists(), "{name}");
        }
        let all: HashSet<_> = ALONE.iter().chain(LONGEST).collect();
        assert_eq!(all.len(), ALONE.len() + LONGEST.len(), "each of them once");
    }

    #[test]
    fn every_suite_runs_once_whatever_becomes_of_the_others() {
        let said = "echo 'test result: ok. 1 passed; 0 failed'";
        let names = ["tests: soak", "a", "tests: demo", "b"];
        let mut jobs: Vec<Job> = names.iter().map(|name| job(name, said)).collect();
        jobs.push(job("c", "exit 3"));
        let outcomes = run(jobs).expect("all can be run");
        let ran: Vec<&str> = outcomes.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(ran, ["tests: soak", "a", "tests: demo", "b", "c"]);
        assert_eq!(outcomes.iter().map(|one| one.counts.passed).sum::<usize>(), 4);
        let bad: Vec<&str> =
            outcomes.iter().filter(|one| !one.is_good()).map(|one| one.name.as_str()).collect();
        assert_eq!(bad, ["c"]);
    }

    #[test]
    fn a_suite_that_has_to_be_alone_waits_for_the_others() {
        let over = std::env::temp_dir().join(format!("forgewatch-lanes-{}", std::process::id()));
        let jobs = vec![
            job("tests: kernel", &format!("rm {}", over.display())),
            job("a", &format!("sleep 0.3; touch {}", over.display())),
        ];
        let outcomes = run(jobs).expect("both can be run");
        assert!(outcomes.iter().all(Outcome::is_good), "{outcomes:?}");
    }
}
