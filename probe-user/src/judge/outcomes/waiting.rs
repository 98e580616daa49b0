//! What has ended waits here until it is settled, and takes along what was found of it.

use std::{
    collections::{BTreeMap, HashSet},
    hash::BuildHasher as _,
    net::SocketAddr,
};

use foldhash::fast::RandomState;
use probe_common::wire::Address;

use super::super::{QUIET, Telling, arrivals::LED, bounded::Bounded};
use crate::{
    attribute::outcome::{Ending, FalseAnswer, Outcome, Trace},
    report::{
        Finding,
        finding::{self, Verdict},
    },
};

/// How long after its end something is settled live, in nanoseconds: cases are closed by then, and what
/// a doubtful DNS answer led to is known but for a few.
const SETTLED: u64 = 35_000_000_000;

/// The same in a capture, where doubtful answers are told once, at the end of their time.
pub(in crate::judge) const SETTLED_LATE: u64 = LED + 2 * QUIET;

/// Endings that wait to be settled: half a minute of 1,800 a second, of watched services alone. The
/// oldest is told with what is known by then.
const PENDING_MAX: usize = 16_384;

/// Outcomes that wait to be taken.
const READY_MAX: usize = 65_536;

/// Findings kept until the ending that they are about is settled.
const NOTED_MAX: usize = 16_384;

/// By how much the clock may have been set in between, in nanoseconds.
const STEP: u64 = 1_000_000_000;

/// How long after what was proven of a connection something else may be found of it, in nanoseconds.
const AFTERMATH: u64 = 120_000_000_000;

/// Detectors whose findings are about a page.
const PAGES: [&str; 2] = ["HTTP_BLOCKPAGE", "FIN_STEAL"];

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    client: (Address, u16),
    server: (Address, u16),
    /// Of DNS, what stands for the name; 0 otherwise.
    name: u64,
}

impl Subject {
    pub(super) fn new(client: SocketAddr, server: SocketAddr, name: u64) -> Self {
        let [client, server] = [client, server].map(|end| (Address::from(end.ip()), end.port()));
        Self { client, server, name }
    }
}

/// What was found, and when.
#[derive(Clone, Copy, Debug)]
struct Noted {
    time: u64,
    trace: Trace,
    ending: Option<Ending>,
}

impl Noted {
    /// Whether it stands although something else was found later: of a connection that was proven to be
    /// interfered with, what is left afterwards is often found to be suspicious as well.
    fn outweighs(&self, later: &Self) -> bool {
        let same = later.time.saturating_sub(self.time) < AFTERMATH;
        let accuses =
            |noted: &Self| !matches!(noted.trace.verdict, Verdict::Suspect | Verdict::Dropped);
        same && accuses(self) && !accuses(later)
    }
}

/// Something that has ended.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) outcome: Outcome,
    pub(super) subject: Subject,
    /// When it began, nanoseconds since the Unix epoch.
    pub(super) began: u64,
    /// What it would be called if its answer was false.
    pub(super) answer: Option<FalseAnswer>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Waiting {
    /// By the time at which they are settled.
    pending: BTreeMap<(u64, u64), Box<Pending>>,
    number: u64,
    noted: Bounded<Subject, Noted>,
    /// What names are told apart by, so that none has to be kept.
    names: RandomState,
    /// DNS questions that wait.
    asked: HashSet<Subject, RandomState>,
    ready: Vec<Outcome>,
    dropped: u64,
}

impl Default for Waiting {
    fn default() -> Self {
        Self {
            pending: BTreeMap::new(),
            number: 0,
            noted: Bounded::new(NOTED_MAX),
            names: RandomState::default(),
            asked: HashSet::default(),
            ready: Vec::new(),
            dropped: 0,
        }
    }
}

impl Waiting {
    /// What stands for a name; never 0.
    pub(super) fn name(&self, name: &str) -> u64 {
        self.names.hash_one(name).max(1)
    }

    /// Whether a question is not one that waits already.
    pub(super) fn is_new(&mut self, question: Subject) -> bool {
        self.asked.insert(question)
    }

    /// Hears of a finding.
    pub(super) fn note(&mut self, finding: &Finding) {
        let dns = finding.protocol == finding::Protocol::Dns;
        let name = finding.name.as_deref().filter(|_| dns).map_or(0, |name| self.name(name));
        let trace = Trace {
            verdict: finding.verdict,
            confidence: finding.confidence,
            position: finding.position,
            hops: finding.injector_hops,
        };
        let page = finding.signatures.iter().any(|signature| PAGES.contains(&signature.id));
        let ending = match (finding.verdict, finding.stage) {
            (Verdict::Injected | Verdict::Rewritten, _) if page => Some(Ending::BlockPage),
            (Verdict::Injected | Verdict::Rewritten, Some(stage)) => Some(Ending::Reset { stage }),
            _ => None,
        };
        let noted = Noted { time: finding.time, trace, ending };
        let subject = Subject::new(finding.client, finding.server, name);
        let (known, _) = self.noted.entry(subject, || noted);
        if !known.outweighs(&noted) {
            *known = noted;
        }
    }

    /// Has something wait that ended and was noticed at these times.
    pub(super) fn wait(&mut self, pending: Pending, (ended, now): (u64, u64), telling: Telling) {
        if self.pending.len() >= PENDING_MAX {
            if let Some((_, early)) = self.pending.pop_first() {
                self.tell(&early);
            }
            self.dropped += 1;
        }
        self.number += 1;
        let wait = if telling == Telling::AtOnce { SETTLED } else { SETTLED_LATE };
        // What is noticed late has waited already.
        let due = ended.saturating_add(wait).max(now);
        self.pending.insert((due, self.number), Box::new(pending));
    }

    /// When the next one is settled.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.pending.first_key_value().map(|(&(due, _), _)| due)
    }

    /// Tells what is settled by `now`.
    pub(super) fn settle(&mut self, now: u64) {
        while let Some(first) = self.pending.first_entry()
            && first.key().0 <= now
        {
            let pending = first.remove();
            self.tell(&pending);
        }
    }

    fn tell(&mut self, pending: &Pending) {
        let Pending { mut outcome, subject, began, answer } = *pending;
        if subject.name != 0 {
            self.asked.remove(&subject);
        }
        // A finding about another connection with the same ports is older.
        if let Some(noted) = self.noted.remove(&subject)
            && noted.time.saturating_add(STEP) >= began
        {
            outcome.finding = Some(noted.trace);
            let accuses = matches!(noted.trace.verdict, Verdict::Injected | Verdict::Lied);
            outcome.ending = match (answer, noted.ending) {
                (Some(answer), _) if accuses => Ending::FalseAnswer(answer),
                (None, Some(ending)) => ending,
                _ => outcome.ending,
            };
            if outcome.ending != Ending::Served {
                outcome.goodput = None;
            }
        }
        if self.ready.len() < READY_MAX {
            self.ready.push(outcome);
        } else {
            self.dropped += 1;
        }
    }

    /// How many are settled, and wait to be taken.
    pub(super) const fn settled(&self) -> usize {
        self.ready.len()
    }

    /// Takes the outcomes since the last call.
    pub(super) fn take(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.ready)
    }

    /// What was given up for want of room.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped + self.noted.evicted()
    }
}
