//! All QUIC connections under observation: how they begin, and whether they are answered.
//!
//! Of a connection only its beginning can be read, so there is one question: did the server answer the
//! hello? What is left without an answer goes to the detectors, beside what is known of the same server
//! over TCP, of other names there, and of the client's other attempts.

mod attempt;

use std::collections::VecDeque;

use probe_common::{
    event::{QuicEvent, kind},
    flow::FlowKey,
    wire::Address,
};

pub use attempt::Attempt;

use super::{
    Knowledge, Settings, Subject,
    bounded::Bounded,
    compose,
    decision::decide_silence,
    turns::{Turn, Turns},
};
use crate::{
    detect::{self, Hit, quic_sni_drop},
    report::{
        Finding,
        finding::{Position, Protocol, Verdict},
    },
};

/// Attempts kept: ten seconds of 1,600 a second.
const ATTEMPTS_MAX: usize = 16_384;

/// Attempts of which the hello is half read: the datagrams of one come at once. At some 10 KiB each, 20 MiB. The one that began
/// first is read no further.
const HELLOS_MAX: usize = 2_048;

/// How long after its last Initial an attempt is over, in nanoseconds: two seconds more than there are
/// between the fourth and the fifth attempt of a client that doubles its wait each time.
pub const WAIT: u64 = 10_000_000_000;

/// Least silence after the last Initial that says anything, in nanoseconds, where a capture ends before
/// the attempt is over.
const LEAST: u64 = 1_000_000_000;

/// How long attempts may suffer from one before them, in nanoseconds: 180 s in China (Zohaib et al., USENIX
/// Security 2025).
pub(super) const RESIDUE: u64 = 180_000_000_000;

/// Servers whose last attempt without an answer is remembered.
const FAILED_MAX: usize = 16_384;

/// All of them.
#[derive(Debug)]
pub(super) struct Quics {
    attempts: Bounded<FlowKey, Open>,
    /// By the time of their last Initial.
    due: Turns,
    /// Those of which the hello was not in the first datagram alone, in the order in which they began.
    hellos: VecDeque<(FlowKey, u64)>,
    hellos_evicted: u64,
    /// The last attempt at each server that got no answer of its own: when it began, and for what.
    failed: Bounded<Address, (u64, String)>,
    /// Attempts that are over, until they are taken: those of one call.
    over: Vec<Attempt>,
    /// When the machine woke last; 0: it did not sleep.
    woke: u64,
}

#[derive(Debug)]
struct Open {
    attempt: Attempt,
    turn: Turn,
    /// Its first Initial was told: what it says is not counted twice.
    whole: bool,
    /// It is known that it was answered.
    learnt: bool,
    /// And the name is counted.
    counted: bool,
}

impl Default for Quics {
    fn default() -> Self {
        Self {
            attempts: Bounded::new(ATTEMPTS_MAX),
            due: Turns::default(),
            hellos: VecDeque::new(),
            hellos_evicted: 0,
            failed: Bounded::new(FAILED_MAX),
            over: Vec::new(),
            woke: 0,
        }
    }
}

impl Quics {
    /// The machine slept until `at`.
    pub(super) const fn woke(&mut self, at: u64) {
        self.woke = at;
    }

    /// Takes an event; returns the name that the client asks for once it is known, and its server.
    pub(super) fn event(
        &mut self,
        event: &QuicEvent,
        payload: &[u8],
        knowledge: &mut Knowledge,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) -> Option<(&str, Address)> {
        let (key, time) = (event.record.key, event.packet.time);
        let other =
            self.attempts.get(&key).is_some_and(|o| o.attempt.opened != event.record.opened);
        if other {
            // The ports were taken by another connection.
            self.close(&key, time, knowledge, settings, tell);
        }
        if event.header.kind == kind::QUIC_INITIAL {
            self.ask(event, payload, knowledge);
        }
        let open = self.attempts.get_mut(&key)?;
        match event.header.kind {
            kind::QUIC_ANSWER => open.attempt.answer(time),
            kind::QUIC_ERROR => open.attempt.refuse(&event.packet),
            _ => {}
        }
        open.learn(knowledge);
        Some((open.attempt.name.as_deref()?, open.attempt.to().0))
    }

    fn ask(&mut self, event: &QuicEvent, payload: &[u8], knowledge: &mut Knowledge) {
        let key = event.record.key;
        let (open, out) = self.attempts.entry(key, || Open {
            attempt: Attempt::new(event),
            turn: (0, 0),
            whole: event.record.initials == 0,
            learnt: false,
            counted: false,
        });
        if let Some((_, out)) = out {
            self.due.withdraw(out.turn);
        }
        self.due.heard(&mut open.turn, key, event.packet.time);
        let begins = open.attempt.flights == 0;
        if open.attempt.ask(event, payload)
            && open.whole
            && let Some(traits) = &open.attempt.traits
        {
            knowledge.hellos_mut().note(open.attempt.name.as_deref(), traits);
        }
        if begins && open.attempt.is_reading() {
            self.hellos.push_back((key, open.attempt.opened));
        }
        if self.hellos.len() > HELLOS_MAX
            && let Some((key, opened)) = self.hellos.pop_front()
            && let Some(open) = self.attempts.get_mut(&key)
            && open.attempt.opened == opened
        {
            self.hellos_evicted += u64::from(open.attempt.stop_reading());
        }
    }

    /// When an attempt is over next.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.due.next().map(|asked| asked.saturating_add(WAIT))
    }

    /// Closes the attempts that are over by `due`; `now` is the time that was told last.
    pub(super) fn close_until(
        &mut self,
        due: u64,
        now: u64,
        knowledge: &mut Knowledge,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) {
        while self.next_due().is_some_and(|next| next <= due)
            && let Some((asked, key)) = self.due.take(u64::MAX)
        {
            self.close(&key, now.min(asked.saturating_add(WAIT)), knowledge, settings, tell);
        }
    }

    fn close(
        &mut self,
        key: &FlowKey,
        now: u64,
        knowledge: &mut Knowledge,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) {
        let Some(mut open) = self.attempts.remove(key) else { return };
        self.due.withdraw(open.turn);
        open.learn(knowledge);
        let mut attempt = open.attempt;
        attempt.now = now;
        // What began before the machine slept may have been answered meanwhile.
        let silent = now.saturating_sub(attempt.asked) >= LEAST && attempt.opened >= self.woke;
        attempt.subject = subject(&attempt, knowledge, settings);
        if attempt.answered.is_none() && !attempt.refused {
            if !silent {
                return;
            }
            self.unanswered(&attempt, knowledge, settings, tell);
        }
        self.over.push(attempt);
    }

    /// Takes the attempts that are over since the last call.
    pub(super) fn take_over(&mut self) -> Vec<Attempt> {
        std::mem::take(&mut self.over)
    }

    /// Judges an attempt that got no answer.
    fn unanswered(
        &mut self,
        attempt: &Attempt,
        knowledge: &mut Knowledge,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) {
        if quic_sni_drop::controls(attempt, knowledge).is_none() {
            return;
        }
        let (client, server) = (attempt.from().0, attempt.to());
        let name = attempt.subject.label();
        if let Some(name) = name
            && !self.is_residue(attempt, name, knowledge)
        {
            knowledge.quic_names_mut().cut(server.0, client, name, attempt.opened);
        }
        let mut hits: Vec<Hit<'_>> = Vec::new();
        for detector in detect::QUIC {
            if let Some(fired) = (detector.judge)(attempt, knowledge, &hits) {
                hits.push(Hit::new(detector.id, detector.class, Verdict::Dropped, fired));
            }
        }
        let Some(decision) = decide_silence(hits) else { return };
        let accuses = decision.accuses();
        tell(finding(attempt, &decision, settings, knowledge));
        drop(decision);
        if accuses {
            knowledge.quic_residual_mut().note(client, server, attempt.opened, name);
        }
    }

    /// Whether another name was left without an answer by the same server shortly before, and this one
    /// may only suffer from it. Not if nobody was answered since: then the server is silent, or the way
    /// to it. Remembers the attempt if it is no residue.
    fn is_residue(&mut self, attempt: &Attempt, name: &str, knowledge: &Knowledge) -> bool {
        let server = attempt.to().0;
        let last = (attempt.opened, name.to_owned());
        let (known, _) = self.failed.entry(server, || last.clone());
        let since = attempt.opened.saturating_sub(known.0);
        let speaks = knowledge.reach().server(server).quic > known.0;
        let residue = since <= RESIDUE && known.1 != last.1 && speaks;
        if !residue {
            *known = last;
        }
        residue
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.attempts.evicted()
    }

    /// How many are read no further for want of room.
    pub(super) const fn hellos_evicted(&self) -> u64 {
        self.hellos_evicted
    }
}

impl Open {
    /// Learns from an attempt that was answered, once what is to be learnt is known.
    fn learn(&mut self, knowledge: &mut Knowledge) {
        let Some(time) = self.attempt.answered else { return };
        let (client, server) = (self.attempt.from().0, self.attempt.to().0);
        if !self.learnt {
            self.learnt = true;
            knowledge.reach_mut().quic(client, server, time);
        }
        if !self.counted
            && let Some(name) = self.attempt.name.as_deref()
        {
            self.counted = true;
            knowledge.quic_names_mut().served(server, client, name, self.attempt.opened);
            if let Some(traits) = self.attempt.traits {
                let ech = knowledge.ech(Some(name), &traits, client, server, self.attempt.opened);
                knowledge.hellos_mut().answer(server, &traits, ech);
            }
        }
    }
}

/// What an attempt is about.
fn subject(attempt: &Attempt, knowledge: &Knowledge, settings: &Settings) -> Subject {
    let (client, server) = (attempt.from().0, attempt.to().0);
    let name = attempt.name.as_deref();
    let service = compose::service_of(name, client, server, attempt.opened, knowledge, settings);
    let traits = attempt.traits;
    Subject {
        name: attempt.name.clone(),
        watched: service.is_some_and(|service| !service.is_control()),
        traits,
        ech: traits.and_then(|t| knowledge.ech(name, &t, client, server, attempt.opened)),
    }
}

fn finding(
    attempt: &Attempt,
    decision: &super::decision::Decision<'_>,
    settings: &Settings,
    knowledge: &Knowledge,
) -> Finding {
    let (client, server) = (attempt.from(), attempt.to());
    let name = attempt.subject.name.as_deref();
    let service =
        compose::service_of(name, client.0, server.0, attempt.opened, knowledge, settings);
    Finding {
        time: attempt.now.saturating_add(settings.epoch),
        protocol: Protocol::Quic,
        verdict: decision.verdict,
        confidence: decision.confidence,
        signatures: decision.hits.iter().map(Hit::signature).collect(),
        client: compose::socket(client),
        server: compose::socket(server),
        name: name.map(str::to_owned),
        service: service.filter(|service| !service.is_control()).map(|s| s.id.clone()),
        // The client's datagrams passed here, and no answer did.
        position: Position::Upstream,
        injector_hops: None,
        injector_hops_range: None,
        server_hops: None,
        frames: Vec::new(),
        fingerprints: Vec::new(),
        revises: None,
        stage: None,
        packets: crate::evidence::Packets::default(),
    }
}
