//! A capture through engine and judge: what is said, and what there was to be said something of.

use std::sync::Arc;

use probe_common::{config::Config, event::kind, hash::HashKey};
use probe_tests::{
    corpus::{build, case::EPOCH},
    craft::{Capture, Packet},
    duel::Told,
};
use probe_user::{
    attribute::{outcome::Ending, token::Tokens},
    judge::{self, Judge, Settings, Telling},
    report::{
        Finding,
        finding::{EvidenceClass, Protocol},
        summary::{Counters, StageCounts},
    },
    source::{
        local::Local,
        replay::{Driver, Packets},
    },
    targets::TargetSet,
};

use crate::About;

/// Seed of the cases of the corpus.
const SEED: u64 = 1;

/// What came of a capture.
pub(crate) struct Heard {
    /// What the judge said.
    pub(crate) findings: Vec<Finding>,
    /// How often each of Radar's shapes was counted.
    pub(crate) shapes: Counters,
    /// Connections that fell silent.
    pub(crate) silent: StageCounts,
    /// How connections and questions of watched services ended.
    pub(crate) endings: Vec<Ending>,
    /// Events that are evidence: resets, what comes after them, segments unlike the others.
    evidence: usize,
    /// Pieces of what servers said first.
    answers: usize,
    /// Replies of resolvers.
    replies: usize,
    /// Initials of QUIC clients.
    initials: usize,
    /// Packets that had not arrived as they were sent.
    pub(crate) damaged: u64,
    /// What was given up for want of room.
    pub(crate) losses: Counters,
}

/// The case of the corpus with this name.
pub(crate) fn case(name: &str) -> Capture {
    let plan = build::plans().into_iter().find(|plan| plan.name() == name);
    let case = plan.unwrap_or_else(|| panic!("no case {name}")).make(SEED, build::Scale::FULL);
    let packet = |record: &probe_tests::corpus::tape::Record| Packet {
        time: EPOCH + record.time,
        wire_len: record.wire as u32,
        data: case.tape.frame(record).to_vec(),
    };
    Capture { name: name.into(), packets: case.tape.records.iter().map(packet).collect() }
}

fn judge() -> Judge {
    let targets = Arc::new(TargetSet::builtin());
    Judge::new(Settings { telling: Telling::AtClose, epoch: 0, targets })
}

/// What the engine tells of a capture.
pub(crate) fn events(capture: &Capture) -> Vec<Told> {
    let mut local = Local::new(Config::replay());
    let mut events = Vec::new();
    for frame in capture.frames() {
        local.packet(&frame, |event| events.push(Told::of(&event)));
    }
    events
}

impl Heard {
    /// Replays a capture.
    pub(crate) fn of_capture(capture: &Capture) -> Self {
        Self::asleep(capture, u64::MAX)
    }

    /// Replays a capture. Where nothing passed for longer than `least` nanoseconds, it was because the machine
    /// slept.
    pub(crate) fn asleep(capture: &Capture, least: u64) -> Self {
        let mut judge = judge();
        judge.keep_outcomes(Tokens::with_key(HashKey { k0: 1, k1: 2 }));
        let mut before = u64::MAX;
        let config = Config::replay();
        let mut driver = Driver::local(config);
        driver.watch_names(&TargetSet::builtin().names(config.hash_key));
        let mut packets = Packets::new(driver);
        let mut findings = Vec::new();
        for frame in capture.frames() {
            let slept = frame.time.saturating_sub(before);
            if slept > least {
                judge.woke(frame.time, slept);
            }
            before = frame.time;
            packets
                .take(&frame, &mut judge, |finding| findings.push(finding))
                .expect("the engine in userspace refuses nothing");
        }
        packets.scan_last(&mut judge, |finding| findings.push(finding));
        judge.finish(|finding| findings.push(finding));
        let endings = judge.outcomes().into_iter().map(|outcome| outcome.ending).collect();
        Self { endings, ..Self::new(&judge, findings, &events(capture)) }
    }

    /// Hands events to the judge.
    pub(crate) fn of_events(events: &[Told]) -> Self {
        let (mut judge, mut findings) = (judge(), Vec::new());
        for told in events {
            judge.event(&told.event(), |finding| findings.push(finding));
        }
        judge.finish(|finding| findings.push(finding));
        Self::new(&judge, findings, events)
    }

    fn new(judge: &Judge, findings: Vec<Finding>, events: &[Told]) -> Self {
        let mut heard = Self {
            findings,
            shapes: judge.signatures().counters(),
            silent: judge.silence().counts(),
            endings: Vec::new(),
            evidence: 0,
            answers: 0,
            replies: 0,
            initials: 0,
            losses: judge.losses(),
            damaged: judge.losses().get("judge_packets_damaged").copied().unwrap_or_default(),
        };
        for told in events {
            match told.event().header().kind {
                kind::RESET | kind::AFTER_RESET | kind::ODD => heard.evidence += 1,
                kind::OPENING => heard.answers += 1,
                kind::DNS_REPLY => heard.replies += 1,
                kind::QUIC_INITIAL => heard.initials += 1,
                _ => {}
            }
        }
        heard
    }

    /// The confidences and verdicts of findings in which detector `id` decides, of this list.
    pub(crate) fn decided(&self, id: &str, about: About) -> Vec<String> {
        let mut said: Vec<String> = self
            .findings
            .iter()
            .filter(|finding| concerns(finding, about))
            .filter(|finding| judge::decisive(&finding.signatures).contains(&id))
            .map(|finding| format!("{} {}", finding.verdict.as_str(), finding.confidence.as_str()))
            .collect();
        said.sort();
        said.dedup();
        said
    }

    /// Whether detector `id` of this list has fired.
    pub(crate) fn fired(&self, id: &str, about: About) -> bool {
        self.findings
            .iter()
            .filter(|finding| concerns(finding, about))
            .any(|finding| finding.signatures.iter().any(|signature| signature.id == id))
    }

    /// Whether there was anything that detectors of connections are asked about.
    pub(crate) const fn has_evidence(&self) -> bool {
        self.evidence > 0 || self.answers > 2
    }

    /// Whether there was an answer of a resolver.
    pub(crate) const fn has_replies(&self) -> bool {
        self.replies > 0
    }

    /// Whether anybody tried QUIC.
    pub(crate) const fn has_initials(&self) -> bool {
        self.initials > 0
    }

    /// All that was said, for whoever looks at a failure.
    pub(crate) fn words(&self) -> String {
        let each = self.findings.iter().map(|finding| {
            let signatures: Vec<String> = finding
                .signatures
                .iter()
                .map(|one| format!("{} {}", one.id, one.confidence.as_str()))
                .collect();
            let (verdict, confidence) = (finding.verdict.as_str(), finding.confidence.as_str());
            format!("{verdict} {confidence} [{}]", signatures.join(", "))
        });
        each.collect::<Vec<_>>().join("; ")
    }
}

/// Whether the finding is of detectors of this list.
fn concerns(finding: &Finding, about: About) -> bool {
    match about {
        About::Quic => finding.protocol == Protocol::Quic,
        About::Silence => finding.protocol != Protocol::Quic && is_silence(finding),
        About::Connections | About::Names => !is_silence(finding),
    }
}

/// Whether the finding is about a connection that fell silent.
fn is_silence(finding: &Finding) -> bool {
    finding.signatures.iter().any(|signature| signature.class == EvidenceClass::N)
}
