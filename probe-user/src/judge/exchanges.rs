//! DNS exchanges under observation.

use std::collections::VecDeque;

use probe_common::{event::DnsEvent, flow::FlowKey, wire::Address};

use super::{
    Attribution, Knowledge, QUIET, Settings, Telling,
    bounded::Bounded,
    compose::socket,
    decision::{Decision, decide, in_capture},
    exchange::{Exchange, Reply},
    fingerprints, hops,
    lies::Lies,
    resolvers::Observation,
};
use crate::{
    detect::{self, DnsDetector, Hit},
    evidence,
    names::dns::Dns,
    report::{
        Finding,
        finding::{Position, Protocol, Told, Verdict},
    },
};

/// Exchanges kept until they are closed: 2.5 s of 3,200 replies a second. At some 2 KiB each, 16 MiB.
const EXCHANGES_MAX: usize = 8_192;

/// Octets that they take: as many as are usual. Whoever answers himself can have half a MiB kept for one question, with
/// sixteen replies of sixty long names. The oldest go first.
const EXCHANGES_OCTETS: usize = 16_777_216;

/// Samples kept until they are learnt from, and keys of such: half a second of 16,000 a second.
const SAMPLES_MAX: usize = 8_192;

/// How long after its first reply an exchange teaches what its resolver is like, in nanoseconds: inside
/// China 99 % of genuine answers follow a forged one within 364 ms (Hoang et al., USENIX Security
/// 2021). Sooner than it is judged, so that what came shortly after another one is known by then; unlike
/// the resolver's others, it is judged first.
const LEARN_AFTER: u64 = 500_000_000;

/// What tells exchanges apart: ends, transaction id, question, and when it was first asked.
type Key = (FlowKey, u16, u32, u64);

#[derive(Debug)]
struct Open {
    exchange: Exchange,
    learnt: bool,
    told: Option<Told>,
}

/// What tells samples apart: ends, transaction id, and when it was first asked.
type SampleKey = (FlowKey, u16, u64);

/// What is due next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Sample,
    Learn,
    Close,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Exchanges {
    open: Bounded<Key, Open>,
    /// Octets that these take.
    octets: usize,
    /// Keys by the time of their first reply: to be learnt from, to be closed.
    to_learn: VecDeque<(u64, Key)>,
    to_close: VecDeque<(u64, Key)>,
    samples: Bounded<SampleKey, (Address, Observation)>,
    samples_to_learn: VecDeque<(u64, SampleKey)>,
    /// Samples that went because too many keys were waiting.
    samples_lost: u64,
    unreadable: u64,
    dropped: u64,
}

impl Default for Exchanges {
    fn default() -> Self {
        Self {
            open: Bounded::new(EXCHANGES_MAX),
            octets: 0,
            to_learn: VecDeque::new(),
            to_close: VecDeque::new(),
            samples: Bounded::new(SAMPLES_MAX),
            samples_to_learn: VecDeque::new(),
            samples_lost: 0,
            unreadable: 0,
            dropped: 0,
        }
    }
}

impl Exchanges {
    /// Reads what a reply says; counts those of which nothing can be read.
    pub(super) fn read(&mut self, payload: &[u8]) -> Option<Dns> {
        let dns = Dns::parse(payload).ok();
        self.unreadable += u64::from(dns.is_none());
        dns
    }

    /// Takes a reply, which says `dns`, and returns what it says.
    pub(super) fn reply(
        &mut self,
        event: &DnsEvent,
        payload: &[u8],
        dns: Dns,
        knowledge: &Knowledge,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) -> Option<&Dns> {
        let reply = Reply::new(event, dns, payload);
        let asked = reply.asked().map_or(0, |query| query.asked);
        let key = (FlowKey::of(&event.packet).0, event.id, event.question, asked);
        let time = event.packet.time;
        // Whoever was answered again is not learnt from as if he had not.
        self.samples.remove(&(key.0, event.id, event.query.asked));
        while self.octets > EXCHANGES_OCTETS
            && let Some(out) = self.open.evict()
        {
            self.make_way(out, knowledge, settings, tell);
        }
        let Self { open, octets, to_learn, to_close, .. } = self;
        let (one, out) = open.entry(key, || {
            to_learn.push_back((time, key));
            to_close.push_back((time, key));
            Open { exchange: Exchange::new(), learnt: false, told: None }
        });
        *octets -= one.exchange.octets();
        let added = one.exchange.add(reply);
        *octets += one.exchange.octets();
        if added && settings.telling == Telling::AtOnce && one.exchange.replies.len() > 1 {
            one.tell(knowledge, settings, true, tell);
        }
        if let Some(out) = out {
            self.make_way(out, knowledge, settings, tell);
        }
        self.open.get(&key)?.exchange.replies.last().map(|reply| &reply.dns)
    }

    /// Tells of an exchange that goes for want of room.
    fn make_way(
        &mut self,
        (evicted, mut first): (Key, Open),
        knowledge: &Knowledge,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) {
        // It came first, so it waits first; or it would wait until its time, with all that follow.
        for waiting in [&mut self.to_learn, &mut self.to_close] {
            waiting.pop_front_if(|(_, key)| *key == evicted);
        }
        self.octets -= first.exchange.octets();
        first.tell(knowledge, settings, false, tell);
    }

    /// Takes a reply of which only the outside is told. It is learnt from unless another one follows.
    pub(super) fn sample(&mut self, event: &DnsEvent) {
        let key = (FlowKey::of(&event.packet).0, event.id, event.query.asked);
        let time = event.packet.time;
        let to_learn = &mut self.samples_to_learn;
        self.samples.entry(key, || {
            to_learn.push_back((time, key));
            (event.packet.source, Observation::of(event))
        });
        // Keys stay for their half second also of samples that another reply has made void.
        if self.samples_to_learn.len() > SAMPLES_MAX
            && let Some((_, first)) = self.samples_to_learn.pop_front()
        {
            self.samples_lost += u64::from(self.samples.remove(&first).is_some());
        }
    }

    fn next(&self) -> Option<(u64, Task)> {
        let sample = due(&self.samples_to_learn, LEARN_AFTER).map(|due| (due, Task::Sample));
        let learn = due(&self.to_learn, LEARN_AFTER).map(|due| (due, Task::Learn));
        let close = due(&self.to_close, QUIET).map(|due| (due, Task::Close));
        [sample, learn, close].into_iter().flatten().min()
    }

    /// When there is something to do next.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.next().map(|(due, _)| due)
    }

    /// Learns from the exchanges, and closes them, for which it is time at `now`.
    pub(super) fn close_until(
        &mut self,
        now: u64,
        knowledge: &mut Knowledge,
        lies: &mut Lies,
        settings: &Settings,
        tell: &mut impl FnMut(Finding),
    ) {
        while let Some((due, task)) = self.next()
            && due <= now
        {
            match task {
                Task::Sample => {
                    let Some((_, key)) = self.samples_to_learn.pop_front() else { return };
                    if let Some((resolver, seen)) = self.samples.remove(&key) {
                        knowledge.resolvers_mut().learn(resolver, &seen);
                    }
                }
                Task::Learn => {
                    let Some((_, key)) = self.to_learn.pop_front() else { return };
                    if let Some(open) = self.open.get_mut(&key)
                        && !open.exchange.is_odd(knowledge)
                    {
                        open.learn(knowledge);
                    }
                }
                Task::Close => {
                    let Some((_, key)) = self.to_close.pop_front() else { return };
                    let Some(mut open) = self.open.remove(&key) else { continue };
                    self.octets -= open.exchange.octets();
                    self.dropped += open.exchange.dropped;
                    knowledge.mute_mut().note(&open.exchange);
                    // In this order: what is odd is not to be measured by itself.
                    let doubtful = Lies::are_possible(&open.exchange, knowledge);
                    let forged = doubtful.then(|| {
                        let hits = forged(&open.exchange, knowledge);
                        hits.into_iter().map(Hit::kept).collect()
                    });
                    if !doubtful {
                        open.tell(knowledge, settings, false, tell);
                    }
                    open.learn(knowledge);
                    open.teach(knowledge);
                    if let Some(forged) = forged {
                        lies.keep(open.exchange, forged, open.told, knowledge, settings, tell);
                    }
                }
            }
        }
    }

    pub(super) const fn evicted(&self) -> u64 {
        self.open.evicted() + self.samples.evicted() + self.samples_lost
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) const fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

fn due<K>(queue: &VecDeque<(u64, K)>, after: u64) -> Option<u64> {
    queue.front().map(|(time, _)| time.saturating_add(after))
}

impl Open {
    /// Learns what the exchange teaches of its resolver, once.
    fn learn(&mut self, knowledge: &mut Knowledge) {
        if std::mem::replace(&mut self.learnt, true) {
            return;
        }
        let seen = self.exchange.observation(knowledge);
        if let Some(seen) = seen {
            knowledge.resolvers_mut().learn(self.exchange.resolver().0, &seen);
        }
    }

    /// Learns what the answer says, where nothing contradicts it.
    fn teach(&self, knowledge: &mut Knowledge) {
        if let [reply] = self.exchange.replies.as_slice()
            && reply.asked().is_some()
        {
            let ends = [self.exchange.client().0, self.exchange.resolver().0];
            knowledge.answered(ends, reply.time(), &reply.dns);
        }
    }

    /// Tells what the detectors say, if it is more than was told; of injections only, if `early`.
    fn tell(
        &mut self,
        knowledge: &Knowledge,
        settings: &Settings,
        early: bool,
        tell: &mut impl FnMut(Finding),
    ) {
        let Self { exchange, told: before, .. } = self;
        let hits = lies(exchange, forged(exchange, knowledge), knowledge);
        let Some(decision) = decide(hits) else { return };
        if !early || decision.verdict == Verdict::Injected {
            told(exchange, &decision, before, knowledge, settings, tell);
        }
    }
}

/// What the detectors find that look at the replies as packets.
fn forged<'a>(exchange: &'a Exchange, knowledge: &'a Knowledge) -> Vec<Hit<'a>> {
    hits(exchange, detect::DNS, Vec::new(), knowledge)
}

/// What is found of an exchange, with what is found of its content.
pub(super) fn lies<'a>(
    exchange: &'a Exchange,
    forged: Vec<Hit<'a>>,
    knowledge: &'a Knowledge,
) -> Vec<Hit<'a>> {
    hits(exchange, detect::LIES, forged, knowledge)
}

fn hits<'a>(
    exchange: &'a Exchange,
    detectors: &[&DnsDetector],
    mut hits: Vec<Hit<'a>>,
    knowledge: &'a Knowledge,
) -> Vec<Hit<'a>> {
    for detector in detectors {
        if let Some(fired) = (detector.judge)(exchange, knowledge, &hits) {
            hits.push(Hit::new(detector.id, detector.class, detector.accuses, fired));
        }
    }
    hits
}

/// Tells of a decision, if it says more than was `told`.
pub(super) fn told(
    exchange: &Exchange,
    decision: &Decision<'_>,
    told: &mut Option<Told>,
    knowledge: &Knowledge,
    settings: &Settings,
    tell: &mut impl FnMut(Finding),
) {
    if told.is_none_or(|told| decision.revises(told)) {
        let finding = finding(exchange, decision, knowledge, settings);
        tell(Finding { revises: *told, ..finding });
        *told = Some(decision.told());
    }
}

fn finding(
    exchange: &Exchange,
    decision: &Decision<'_>,
    knowledge: &Knowledge,
    settings: &Settings,
) -> Finding {
    let Attribution { forged, genuine } = exchange.forged(knowledge);
    let numbers = decision.packets();
    let is_marked = |reply: &&Reply| numbers.binary_search(&reply.number()).is_ok();
    let marked: Vec<&Reply> = exchange.replies.iter().filter(is_marked).collect();
    let server_hops = genuine.and_then(|reply| hops::from_ttl(reply.hops()));
    let injector_hops = hops::of_injector(forged.iter().map(|reply| reply.hops()), server_hops);
    let name = exchange.name();
    let service = name
        .and_then(|name| settings.targets.service_of_name(name))
        .filter(|service| !service.is_control());
    // What clients ask beside what is watched is nobody's business, save in a capture of one's own.
    let told = settings.telling == Telling::AtClose
        || name.is_some_and(|name| settings.targets.service_of_name(name).is_some());
    let time = marked.first().copied().or_else(|| exchange.replies.first()).map_or(0, Reply::time);
    // A rare name under a service's may be one person's.
    let common = service.zip(name).is_some_and(|(service, name)| service.is_common(name));
    Finding {
        time: time.saturating_add(settings.epoch),
        protocol: Protocol::Dns,
        verdict: decision.verdict,
        confidence: decision.confidence,
        signatures: decision.hits.iter().map(Hit::signature).collect(),
        client: socket(exchange.client()),
        server: socket(exchange.resolver()),
        name: name.filter(|_| told).map(str::to_owned),
        service: service.map(|service| service.id.clone()),
        position: Position::Upstream,
        injector_hops,
        injector_hops_range: injector_hops.map(hops::range),
        server_hops,
        frames: in_capture(&numbers),
        fingerprints: fingerprints::of_replies(&marked, service, knowledge, settings.epoch),
        revises: None,
        packets: evidence::of_exchange(exchange, &marked, decision.verdict, common, time),
        stage: None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, DnsEvent, Exchanges, FlowKey, SAMPLES_MAX};

    /// The sample of an answer to the client of this number.
    fn sample(number: u32) -> DnsEvent {
        let mut event = DnsEvent::default();
        event.packet.time = u64::from(number);
        event.packet.destination = Address::v4(number);
        event
    }

    #[test]
    fn samples_are_bounded_and_what_goes_is_counted_once() {
        let mut exchanges = Exchanges::default();
        (0..SAMPLES_MAX as u32 + 100).for_each(|number| exchanges.sample(&sample(number)));
        assert_eq!((exchanges.samples_to_learn.len(), exchanges.evicted()), (SAMPLES_MAX, 100));
    }

    #[test]
    fn keys_of_samples_that_another_reply_made_void_are_bounded() {
        let mut exchanges = Exchanges::default();
        for number in 0..2 * SAMPLES_MAX as u32 {
            let event = sample(number);
            exchanges.sample(&event);
            exchanges.samples.remove(&(FlowKey::of(&event.packet).0, event.id, event.query.asked));
        }
        assert_eq!((exchanges.samples_to_learn.len(), exchanges.evicted()), (SAMPLES_MAX, 0));
    }
}
