//! From the first packet to the verdict.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use probe_user::ledger::{LedgerError, Reader, row::Window};
use serde::Serialize;

use super::{
    check::{Check, End, Look},
    figures::{ADDRESS, Figures},
    flood::flood,
    score::Score,
    speaker::speak,
};
use crate::{
    bench::{memory, watched::Watched},
    lab::{injector, road},
};

/// From the last packet to the last finding: a case is closed 2.5 s after its last evidence.
const SETTLED: Duration = Duration::from_secs(4);

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How long.
    pub lasting: Duration,
    /// Packets in a second, at most; none: as many as this machine makes.
    pub rate: Option<f64>,
    /// Forged connections in a second, and as many forged answers.
    pub forged: f64,
    /// From one row to the next.
    pub every: Duration,
}

/// How things stood at one time.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Seconds since the beginning.
    pub at: f64,
    /// Packets that the agent has seen.
    pub packets: u64,
    /// Packets in a second, since the row before.
    pub rate: f64,
    /// Events that were judged.
    pub events: u64,
    /// Forged conversations so far.
    pub forged: u64,
    /// Those that were found.
    pub found: u64,
    /// Findings that accuse somebody else.
    pub wrong: u64,
    /// What the agent takes besides the maps, in MiB.
    pub memory: f64,
    /// Octets of the ledger, its log included.
    pub ledger: u64,
    /// Losses so far, by counter.
    pub lost: Vec<(String, u64)>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Told {
    /// By the minute.
    pub rows: Vec<Row>,
    /// Memory, as it went.
    pub memory: Vec<Look>,
    /// What had to hold.
    pub checks: Vec<Check>,
    /// The first wrong accusations.
    pub examples: Vec<String>,
    /// Losses, by counter.
    pub lost: Vec<(String, u64)>,
}

impl Told {
    /// Whether all holds that has to.
    pub fn is_good(&self) -> bool {
        self.checks.iter().all(|check| check.holds)
    }
}

/// Soaks by `plan`; `tell` is shown each row as it comes.
///
/// # Errors
///
/// If network or agent cannot be made, or the agent does not last.
pub fn run(plan: &Plan, mut tell: impl FnMut(&Row)) -> anyhow::Result<Told> {
    let state = tempfile::tempdir().context("a directory for the ledger")?;
    let score = Arc::new(Score::default());
    let heard = Arc::clone(&score);
    let directory = state.path().to_str().context("a directory whose name is not text")?;
    let more = ["--state", directory, "--metrics", ADDRESS];
    let watched = Watched::apart(&more, move |line| heard.told(line))?;
    let before = road::received(&watched.road().router, road::IN)?;
    let (over, passed) = (AtomicBool::new(false), AtomicU64::new(0));
    let looker = Looker { watched: &watched, score: &score, state: state.path(), plan };
    let (spoken, (rows, looks)) = thread::scope(|scope| {
        let beside = scope.spawn(|| flood(&watched, plan.rate, &passed, &over));
        let speaker = scope.spawn(|| {
            let open = || injector::open(road::GEN);
            let (mut device, _) = watched.road().source.enter(open)??;
            speak(&mut *device, plan.forged, &score, &over)
        });
        let seen = looker.look(&mut tell, || beside.is_finished() || speaker.is_finished());
        over.store(true, Ordering::Relaxed);
        joined(beside).context("the traffic beside")?;
        let spoken = joined(speaker).context("the conversations")?;
        thread::sleep(SETTLED);
        Ok::<_, anyhow::Error>((spoken, seen?))
    })?;
    let received = road::received(&watched.road().router, road::IN)? - before;
    let report = watched.agent.stop()?;
    anyhow::ensure!(report.status.success(), "the agent ended with {}", report.status);
    let (figures, counts) = (Figures::of(&report.summary), score.now());
    let end = End {
        figures: &figures,
        counts: &counts,
        received,
        sent: passed.load(Ordering::Relaxed) + spoken,
        recorded: recorded(state.path())?,
        memory: &looks,
    };
    let (checks, lost) = (end.checks(), losses(&figures));
    Ok(Told { rows, checks, examples: counts.examples, lost, memory: looks })
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Who looks at the agent while it works.
struct Looker<'a> {
    watched: &'a Watched,
    score: &'a Score,
    state: &'a Path,
    plan: &'a Plan,
}

impl Looker<'_> {
    /// Looks until the time is over, or something else `ended`.
    fn look(
        &self,
        tell: &mut impl FnMut(&Row),
        ended: impl Fn() -> bool,
    ) -> anyhow::Result<(Vec<Row>, Vec<Look>)> {
        let pid = self.watched.agent.process.pid().as_raw();
        let (start, mut rows, mut looks) = (Instant::now(), Vec::<Row>::new(), Vec::new());
        // Ten looks at the memory to a row.
        let every = self.plan.every / 10;
        let mut next = every;
        while start.elapsed() < self.plan.lasting && !ended() {
            thread::sleep(next.saturating_sub(start.elapsed()));
            next += every;
            let at = start.elapsed().as_secs_f64();
            let mib = memory::resident(pid)? / memory::MIB;
            looks.push(Look { at, mib });
            if looks.len().is_multiple_of(10) {
                let row = self.row(at, mib, rows.last())?;
                tell(&row);
                rows.push(row);
            }
        }
        Ok((rows, looks))
    }

    fn row(&self, at: f64, memory: f64, before: Option<&Row>) -> anyhow::Result<Row> {
        let figures = Figures::ask(&self.watched.road().router)?;
        let counts = self.score.now();
        let packets = figures.get("packets");
        let (last, then) = before.map_or((0, 0.0), |row| (row.packets, row.at));
        Ok(Row {
            at,
            packets,
            rate: packets.saturating_sub(last) as f64 / (at - then),
            events: figures.get("events_received"),
            forged: counts.due(),
            found: counts.found.len() as u64,
            wrong: counts.wrong,
            memory,
            ledger: octets(self.state),
            lost: losses(&figures),
        })
    }
}

fn losses(figures: &Figures) -> Vec<(String, u64)> {
    let lost = figures.lost.iter().filter(|(_, count)| **count > 0);
    lost.map(|(name, count)| (name.clone(), *count)).collect()
}

/// Octets of all files in a directory.
fn octets(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

/// Findings in the ledger that say that somebody interfered.
fn recorded(state: &Path) -> anyhow::Result<u64> {
    let mut count = 0;
    Reader::open(state)?.findings::<LedgerError>(&Window::ALL, |row| {
        count += u64::from(row.verdict == probe_user::report::finding::Verdict::Injected);
        Ok(())
    })?;
    Ok(count)
}
