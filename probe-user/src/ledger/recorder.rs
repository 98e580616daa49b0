//! What the agent has of the ledger: it hands over and goes on.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, SyncSender, TrySendError},
    },
    thread::JoinHandle,
};

use super::{
    HOUR_NANOS, QUEUE_MAX, TOLD_MAX,
    crowds::Crowds,
    error::LedgerError,
    keep::Keep,
    row::{Hour, NoticeKind},
    scribe::{Clocks, Counts, Scribe, keep_writing},
    scrub,
    store::{Ledger, RunStart},
    write::Entry,
};
use crate::{
    attribute::{Cell, Verdict},
    report::{
        Finding, Summary,
        summary::{Counters, StageCounts, Stages},
    },
    targets::TargetSet,
};

/// How a recorder works.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// How much is kept.
    pub keep: Keep,
    /// Wait for the disk rather than leave something out: for replays, whose packets can wait.
    pub patient: bool,
}

/// What was counted since the beginning of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets.
    pub packets: u64,
    /// TCP connections.
    pub tcp_flows: u64,
    /// How TCP connections ended.
    pub stages: Stages,
}

impl From<&Summary> for Totals {
    fn from(summary: &Summary) -> Self {
        Self { packets: summary.packets, tcp_flows: summary.tcp_flows, stages: summary.stages }
    }
}

/// What is the same of a finding that is told again: its time, client and server.
type Same = (u64, SocketAddr, SocketAddr);

/// Records a run.
pub struct Recorder {
    queue: Option<SyncSender<Entry>>,
    thread: Option<JoinHandle<()>>,
    counts: Arc<Counts>,
    keep: Arc<Mutex<Keep>>,
    targets: Arc<TargetSet>,
    crowds: Crowds,
    /// Number of each finding that can still be told again, by what is the same then. In memory only.
    told: BTreeMap<Same, u64>,
    /// These in the order in which they came: that of their times is another one where the clock was set back.
    order: VecDeque<(Same, u64)>,
    number: u64,
    /// What was counted up to the last record of it.
    before: Totals,
    patient: bool,
}

impl Recorder {
    /// Opens the ledger in `dir` and begins a run. If the disk is full or does not answer, the run goes
    /// on all the same, and so do attempts to record it. A ledger that was cut short is looked through by the thread
    /// that writes, while packets are looked at already; whoever is patient waits for it.
    ///
    /// # Errors
    /// When the ledger cannot be used and waiting would not help: see [`LedgerError::may_pass`].
    pub fn start(
        dir: &Path,
        start: RunStart,
        options: Options,
        clocks: Box<dyn Clocks>,
    ) -> Result<Self, LedgerError> {
        let opened = Ledger::take(dir).and_then(|mut ledger| {
            if options.patient || !ledger.is_unseen() {
                ledger.look_through()?;
                ledger.begin(&start)?;
            }
            Ok(ledger)
        });
        let (ledger, trouble) = match opened {
            Ok(ledger) => (Some(ledger), None),
            Err(error) if error.may_pass() => (None, Some(error)),
            Err(error) => return Err(error),
        };
        let fail = |reason: String| LedgerError::Failed { path: dir.to_owned(), reason };
        let crowds = Crowds::new().map_err(|error| fail(error.to_string()))?;
        let targets = Arc::clone(&start.targets);
        let (queue, entries) = mpsc::sync_channel(QUEUE_MAX);
        let counts = Arc::new(Counts::default());
        let keep = Arc::new(Mutex::new(options.keep));
        let clocks = Arc::from(clocks);
        let mut scribe =
            Scribe::new(dir, start, ledger, Arc::clone(&keep), clocks, Arc::clone(&counts));
        if let Some(error) = trouble {
            scribe.stumble(&error);
        }
        let thread = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || keep_writing(scribe, &entries))
            .map_err(|error| fail(format!("cannot start the thread that writes: {error}")))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            counts,
            keep,
            targets,
            crowds,
            told: BTreeMap::new(),
            order: VecDeque::new(),
            number: 0,
            before: Totals::default(),
            patient: options.patient,
        })
    }

    /// Keeps so much from now on.
    pub fn keep(&self, keep: Keep) {
        *self.keep.lock().unwrap_or_else(PoisonError::into_inner) = keep;
    }

    /// Other targets are watched from now on.
    pub fn watch(&mut self, targets: &Arc<TargetSet>) {
        self.targets = Arc::clone(targets);
        self.hand_over(Entry::Targets(Arc::clone(targets)));
        let ids: Vec<_> = targets.services().iter().map(|service| service.id.as_str()).collect();
        let words = format!("the targets were read anew: {} ({})", ids.join(", "), targets.hash());
        self.hand_over(Entry::Notice(NoticeKind::Targets, words));
    }

    /// Records a finding and the packets that show it. One that is told again takes its earlier place.
    pub fn finding(&mut self, finding: &Finding) {
        let flow = (finding.time, finding.client, finding.server);
        let before = finding.revises.and_then(|_| self.told.get(&flow).copied());
        let number = before.unwrap_or_else(|| {
            self.number += 1;
            if self.order.len() >= TOLD_MAX
                && let Some((oldest, number)) = self.order.pop_front()
                && self.told.get(&oldest) == Some(&number)
            {
                self.told.remove(&oldest);
            }
            self.told.insert(flow, self.number);
            self.order.push_back((flow, self.number));
            self.number
        });
        let row = scrub::row(finding, number, &self.targets);
        let (evidence, refused) = scrub::evidence(finding, &row);
        self.counts.evidence_refused.add(refused);
        let service = row.service.clone().unwrap_or_default();
        let crowds =
            self.crowds.note(finding.client.ip(), row.time, &service, row.protocol, row.verdict);
        self.hand_over(Entry::Finding(Box::new(row), evidence));
        for crowd in crowds {
            self.hand_over(Entry::Crowd(crowd));
        }
    }

    /// Records a window of a unit.
    pub fn cell(&mut self, cell: Cell) {
        self.hand_over(Entry::Cell(Box::new(cell)));
    }

    /// Records a verdict.
    pub fn verdict(&mut self, verdict: Verdict) {
        self.hand_over(Entry::Verdict(Box::new(verdict)));
    }

    /// Records what passed up to `time` (nanoseconds since 1970-01-01 UTC): what is new since it was
    /// last told is added to the hour of `time`, also if that was told of before. What the queue has no room for
    /// is told the next time.
    pub fn traffic(&mut self, time: u64, totals: Totals) {
        let (now, before) = (totals.stages, self.before.stages);
        let news = Hour {
            hour: time - time % HOUR_NANOS,
            packets: totals.packets.saturating_sub(self.before.packets),
            tcp_flows: totals.tcp_flows.saturating_sub(self.before.tcp_flows),
            from_server: since(now.from_server, before.from_server),
            from_client: since(now.from_client, before.from_client),
            silent: since(now.silent, before.silent),
        };
        if self.hand_over(Entry::Hour(Box::new(news))) {
            self.before = totals;
        }
    }

    /// Records the summary as it is now, so that a run that is cut short has one.
    pub fn summary(&mut self, summary: &Summary) {
        if let Ok(value) = serde_json::to_value(summary) {
            self.hand_over(Entry::Summary(value));
        }
    }

    /// Whether nothing can be written at the moment.
    pub fn is_in_trouble(&self) -> bool {
        self.counts.trouble.get() > 0
    }

    /// How often the thread that writes panicked and went on anew.
    pub fn restarts(&self) -> u64 {
        self.counts.restarts.get()
    }

    /// What was not recorded, by name.
    pub fn losses(&self) -> Counters {
        let counts = &self.counts;
        [("ledger_refused", counts.refused.get()), ("ledger_unrecorded", counts.unrecorded.get())]
            .map(|(name, count)| (name.to_owned(), count))
            .into()
    }

    /// What was recorded, and what is no loss, by name.
    pub fn counters(&self) -> Counters {
        let counts = &self.counts;
        [
            ("ledger_recorded", counts.recorded.get()),
            ("ledger_expired", counts.expired.get()),
            ("ledger_crowds_evicted", self.crowds.forgotten()),
            ("ledger_evidence_replaced", counts.evidence_replaced.get()),
            ("ledger_evidence_refused", counts.evidence_refused.get()),
        ]
        .map(|(name, count)| (name.to_owned(), count))
        .into()
    }

    /// Records what passed up to `time` and the summary, writes what is left, ends the run, and adds to
    /// the summary what became of all this. Returns what was not recorded, if anything.
    pub fn close(mut self, time: u64, total: &mut Summary) -> Option<Unrecorded> {
        self.traffic(time, Totals::from(&*total));
        self.summary(total);
        self.stop();
        total.lost.extend(self.losses());
        total.counters.extend(self.counters());
        let entries = self.losses().values().sum();
        let reason = self.counts.reason.lock().unwrap_or_else(PoisonError::into_inner);
        (entries > 0).then(|| Unrecorded { entries, reason: reason.clone() })
    }

    /// Writes all that was handed over so far, ends the run, and keeps the counts.
    pub fn stop(&mut self) {
        self.counts.ending.set(1);
        self.join();
    }

    fn join(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // It catches its own panics.
            let _ = thread.join();
        }
    }

    /// Says whether it was taken.
    fn hand_over(&mut self, entry: Entry) -> bool {
        let Some(queue) = &self.queue else { return false };
        let refused = if self.patient {
            queue.send(entry).is_err()
        } else {
            matches!(
                queue.try_send(entry),
                Err(TrySendError::Full(_) | TrySendError::Disconnected(_))
            )
        };
        if refused {
            self.counts.refused.add(1);
        }
        !refused
    }
}

impl Drop for Recorder {
    /// What was handed over is written; but the run did not come to its end, and has none.
    fn drop(&mut self) {
        self.join();
    }
}

/// That not everything was recorded, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unrecorded {
    /// Entries that were given up.
    pub entries: u64,
    /// What the system said last.
    pub reason: String,
}

impl fmt::Display for Unrecorded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} entries were not recorded", self.entries)?;
        if self.reason.is_empty() { Ok(()) } else { write!(formatter, " ({})", self.reason) }
    }
}

/// What `now` has that `before` had not.
const fn since(now: StageCounts, before: StageCounts) -> StageCounts {
    StageCounts {
        post_syn: now.post_syn.saturating_sub(before.post_syn),
        post_ack: now.post_ack.saturating_sub(before.post_ack),
        post_psh: now.post_psh.saturating_sub(before.post_psh),
        later_in_flow: now.later_in_flow.saturating_sub(before.later_in_flow),
        no_match: now.no_match.saturating_sub(before.no_match),
    }
}
