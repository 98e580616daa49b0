//! The thread that writes: gathers for a second, writes one transaction, and when it cannot, says so
//! once, keeps what it has room for, and tries again.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use nix::time::{ClockId, clock_gettime};

use super::{
    BATCH, BATCH_MAX, CLOCK_JUMP, EXPIRE, RETRY, RETRY_MAX, WAITING_MAX, WELL,
    error::LedgerError,
    keep::{Keep, Now},
    row::NoticeKind,
    store::{Ledger, RunStart},
    write::Entry,
};
use crate::{
    again::{Backoff, last_words},
    report::rfc3339,
    source::clock,
};

/// The clocks that a run goes by.
pub trait Clocks: Send + Sync {
    /// The system's clock, nanoseconds since 1970-01-01 UTC.
    fn wall(&self) -> u64;
    /// A clock that does not jump, in nanoseconds.
    fn steady(&self) -> u64;
    /// Whether the system's clock is known to be synchronised.
    fn synchronised(&self) -> bool;
}

/// The clocks of this machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClocks;

impl Clocks for SystemClocks {
    fn wall(&self) -> u64 {
        super::wall()
    }

    fn steady(&self) -> u64 {
        // Unlike the one that packets are stamped by, it goes on while the machine sleeps.
        clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |time| {
            time.tv_sec().cast_unsigned() * 1_000_000_000 + time.tv_nsec().cast_unsigned()
        })
    }

    fn synchronised(&self) -> bool {
        clock::synchronised() == Some(true)
    }
}

/// A number that both threads see.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What both threads count.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Entries written.
    pub(super) recorded: Count,
    /// Entries for which the queue had no room.
    pub(super) refused: Count,
    /// Entries given up because nothing could be written.
    pub(super) unrecorded: Count,
    /// Rows let go.
    pub(super) expired: Count,
    /// Findings whose packets took the place of others.
    pub(super) evidence_replaced: Count,
    /// 1 while nothing can be written.
    pub(super) trouble: Count,
    /// How often the thread panicked and went on anew.
    pub(super) restarts: Count,
    /// Packets that were too long, too many, or had the client's address in them.
    pub(super) evidence_refused: Count,
    /// 1 once the run comes to its end: one that merely breaks off has none.
    pub(super) ending: Count,
    /// Why something could not be written the last time.
    pub(super) reason: Mutex<String>,
}

impl Counts {
    fn note(&self, error: &LedgerError) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = error.reason();
    }
}

/// Why nothing can be written at the moment.
struct Trouble {
    since: u64,
    reason: String,
    next_try: Instant,
    /// Entries given up before it began.
    unrecorded: u64,
}

/// Writes for as long as there is somebody to hand over: after a panic with a new scribe, who waits longer each
/// time before it touches the ledger. What the one before had in its hands is counted as not recorded.
pub(super) fn keep_writing(first: Scribe, entries: &Receiver<Entry>) {
    let (dir, start, keep) = (first.dir.clone(), first.start.clone(), Arc::clone(&first.keep));
    let (clocks, counts) = (Arc::clone(&first.clocks), Arc::clone(&first.counts));
    let mut scribe = first;
    let mut began = Instant::now();
    let mut again = Backoff::new(RETRY, RETRY_MAX, began);
    // Nothing that a panic can leave half done is seen again: the ledger is opened anew.
    while let Err(panic) = catch_unwind(AssertUnwindSafe(|| scribe.work(entries))) {
        counts.restarts.add(1);
        let reason = format!("the thread that writes panicked: {}", last_words(&*panic));
        let (keep, clocks, counts) = (Arc::clone(&keep), Arc::clone(&clocks), Arc::clone(&counts));
        scribe = Scribe::new(&dir, start.clone(), None, keep, clocks, counts);
        let now = Instant::now();
        if now.duration_since(began) >= WELL {
            again.forget();
        }
        began = now;
        scribe.stumble_for(&LedgerError::Failed { path: dir.clone(), reason }, again.put_off(now));
    }
}

pub(super) struct Scribe {
    dir: PathBuf,
    start: RunStart,
    ledger: Option<Ledger>,
    /// How much is kept; the other thread may change it.
    keep: Arc<Mutex<Keep>>,
    clocks: Arc<dyn Clocks>,
    counts: Arc<Counts>,
    waiting: VecDeque<Entry>,
    trouble: Option<Trouble>,
    /// System's clock less the steady one, as last seen.
    apart: i128,
    /// Steady clock when the run began.
    began: u64,
    expired: Option<Instant>,
}

impl Drop for Scribe {
    /// What waits is not recorded: at the end, and also when it panicked.
    fn drop(&mut self) {
        self.counts.unrecorded.add(self.waiting.len() as u64);
    }
}

impl Scribe {
    pub(super) fn new(
        dir: &Path,
        start: RunStart,
        ledger: Option<Ledger>,
        keep: Arc<Mutex<Keep>>,
        clocks: Arc<dyn Clocks>,
        counts: Arc<Counts>,
    ) -> Self {
        let (wall, steady) = (clocks.wall(), clocks.steady());
        Self {
            dir: dir.to_owned(),
            start,
            ledger,
            keep,
            counts,
            waiting: VecDeque::new(),
            trouble: None,
            apart: i128::from(wall) - i128::from(steady),
            began: steady,
            clocks,
            expired: None,
        }
    }

    /// Works until there is nobody left to hand over.
    pub(super) fn work(mut self, entries: &Receiver<Entry>) {
        self.prepare();
        let mut more = true;
        while more {
            more = self.gather(entries);
            self.watch_clock();
            let due = |trouble: &Trouble| Instant::now() >= trouble.next_try;
            // At the end whatever there is is tried once more.
            if !more || self.trouble.as_ref().is_none_or(due) {
                self.write();
            }
            self.expire();
        }
        let now = self.clocks.wall();
        if self.counts.ending.get() > 0
            && self.trouble.is_none()
            && let Some(ledger) = &mut self.ledger
            && let Err(error) = ledger.end(now)
        {
            self.stumble(&error);
        }
    }

    /// Looks a ledger through that needs it, and begins the run in it. What is handed over meanwhile waits in
    /// the queue.
    fn prepare(&mut self) {
        let Some(mut ledger) = self.ledger.take_if(|ledger| ledger.is_unseen()) else { return };
        let begun = ledger.look_through().and_then(|()| ledger.begin(&self.start));
        match begun {
            Ok(_) => self.ledger = Some(ledger),
            Err(error) => self.stumble(&error),
        }
    }

    /// Takes entries for a second, or as many as a transaction has. Says whether there can be more.
    fn gather(&mut self, entries: &Receiver<Entry>) -> bool {
        let end = Instant::now() + BATCH;
        for _ in 0..BATCH_MAX {
            let left = end.saturating_duration_since(Instant::now());
            match entries.recv_timeout(left) {
                Ok(entry) if self.waiting.len() < WAITING_MAX => self.waiting.push_back(entry),
                Ok(_) => self.counts.unrecorded.add(1),
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }

    /// Writes what is waiting, if it can be written.
    fn write(&mut self) {
        if self.waiting.is_empty() && self.trouble.is_none() {
            return;
        }
        let mut written = self.try_to_write();
        if written.is_ok() && self.get_up() {
            written = self.try_to_write();
        }
        if let Err(error) = written {
            self.stumble(&error);
        }
    }

    fn try_to_write(&mut self) -> Result<(), LedgerError> {
        let ledger = match &mut self.ledger {
            Some(ledger) => ledger,
            missing => {
                let mut ledger = Ledger::open(&self.dir)?;
                ledger.begin(&self.start)?;
                missing.insert(ledger)
            }
        };
        loop {
            let count = self.waiting.len().min(BATCH_MAX);
            let batch = &self.waiting.make_contiguous()[..count];
            let now = self.clocks.wall();
            match ledger.write(batch, now) {
                Ok(written) => {
                    self.counts.evidence_replaced.add(written.evidence_replaced);
                    self.counts.recorded.add(count as u64);
                    self.waiting.drain(..count);
                }
                Err(LedgerError::Row { .. }) => {
                    one_by_one(ledger, &mut self.waiting, &self.counts, count, now)?;
                }
                Err(error) => return Err(error),
            }
            if self.waiting.is_empty() {
                return Ok(());
            }
        }
    }

    /// Says once that nothing can be written. A damage does not pass by itself, and to find it again takes all of
    /// the ledger: that is not tried so soon.
    pub(super) fn stumble(&mut self, error: &LedgerError) {
        let damaged = matches!(error, LedgerError::Damaged { .. });
        self.stumble_for(error, if damaged { RETRY_MAX } else { RETRY });
    }

    fn stumble_for(&mut self, error: &LedgerError, wait: Duration) {
        let next_try = Instant::now() + wait;
        self.counts.note(error);
        if let Some(trouble) = &mut self.trouble {
            trouble.next_try = next_try;
            return;
        }
        self.counts.trouble.set(1);
        tracing::warn!("{error}; detection goes on, and what is not recorded is counted");
        self.trouble = Some(Trouble {
            since: self.clocks.wall(),
            reason: error.reason(),
            next_try,
            unrecorded: self.counts.unrecorded.get(),
        });
    }

    /// Says that it can be written again, here and in the ledger.
    fn get_up(&mut self) -> bool {
        let Some(trouble) = self.trouble.take() else { return false };
        self.counts.trouble.set(0);
        let unrecorded = self.counts.unrecorded.get() - trouble.unrecorded;
        let words = format!(
            "nothing could be written from {} to {} ({}): {unrecorded} entries were not recorded",
            rfc3339(trouble.since),
            rfc3339(self.clocks.wall()),
            trouble.reason,
        );
        tracing::warn!("recording again; {words}");
        self.waiting.push_back(Entry::Notice(NoticeKind::Unrecorded, words));
        true
    }

    /// Notes that the system's clock has jumped.
    fn watch_clock(&mut self) {
        let (wall, steady) = (self.clocks.wall(), self.clocks.steady());
        let apart = i128::from(wall) - i128::from(steady);
        let jump = apart - self.apart;
        self.apart = apart;
        if jump.unsigned_abs() <= u128::from(CLOCK_JUMP) {
            return;
        }
        let words = format!(
            "the system's clock jumped {} by {:.3} s, to {}: times before and after do not compare, and \
             the order of what is recorded is that of its numbers",
            if jump < 0 { "back" } else { "ahead" },
            jump.unsigned_abs() as f64 / 1e9,
            rfc3339(wall),
        );
        tracing::warn!("{words}");
        self.waiting.push_back(Entry::Notice(NoticeKind::Clock, words));
    }

    /// Lets go of what is too old once in a while, and of what is too much at once.
    fn expire(&mut self) {
        let Some(ledger) = &mut self.ledger else { return };
        if self.trouble.is_some() {
            return;
        }
        let keep = *self.keep.lock().unwrap_or_else(PoisonError::into_inner);
        let due = self.expired.is_none_or(|last| last.elapsed() >= EXPIRE);
        if !due && !ledger.is_full(&keep) {
            return;
        }
        self.expired = Some(Instant::now());
        let now = Now {
            wall: self.clocks.wall(),
            lasted: self.clocks.steady().saturating_sub(self.began),
            synchronised: self.clocks.synchronised(),
        };
        // The run shows that it lives also when nothing is found.
        let expired = ledger.write(&[], now.wall).and_then(|_| ledger.expire(&keep, now));
        match expired {
            Ok(expired) => self.counts.expired.add(expired.by_age + expired.by_octets),
            Err(error) => self.stumble(&error),
        }
    }
}

/// Writes the first `many` that wait, of which there is one that the schema does not take, without it.
fn one_by_one(
    ledger: &mut Ledger,
    waiting: &mut VecDeque<Entry>,
    counts: &Counts,
    many: usize,
    now: u64,
) -> Result<(), LedgerError> {
    for _ in 0..many {
        let Some(entry) = waiting.front() else { return Ok(()) };
        match ledger.write(std::slice::from_ref(entry), now) {
            Ok(written) => {
                counts.evidence_replaced.add(written.evidence_replaced);
                counts.recorded.add(1);
            }
            Err(error @ LedgerError::Row { .. }) => {
                tracing::warn!("{error}");
                counts.note(&error);
                counts.unrecorded.add(1);
            }
            Err(error) => return Err(error),
        }
        waiting.pop_front();
    }
    Ok(())
}
