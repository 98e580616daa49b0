//! Censors: one for each method, that touch all flows or a share, everywhere or on some paths, for all
//! clients or some.

use std::collections::BTreeMap;

use probe_user::{
    attribute::{
        Method,
        outcome::{After, Ending, FalseAnswer, Goodput, Icmp, Outcome, PATHS, Protocol, Trace},
    },
    report::finding::{Confidence, Position, Stage, Verdict},
};

use super::world::{
    BLOCKED, Intent, Person, RESOLVERS, SECOND, SERVERS, Server, network, place, unit,
};
use crate::corpus::rng::Rng;

/// Methods that are simulated.
pub const METHODS: [Method; 13] = [
    Method::DnsInjection,
    Method::DnsLie,
    Method::IpDrop,
    Method::IpReset,
    Method::IcmpReject,
    Method::SniReset,
    Method::SniDrop,
    Method::SniRewrite,
    Method::HttpBlockpage,
    Method::HttpReset,
    Method::QuicDrop,
    Method::Throttle,
    Method::Residual,
];

/// Which flows of its target a censor touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touches {
    /// All.
    All,
    /// Those that a die decides for.
    Chance,
    /// Those of some paths.
    Paths,
    /// Those of some clients.
    Clients,
}

/// A censor.
#[derive(Clone, Debug)]
pub struct Censor {
    /// What it does.
    pub method: Method,
    /// The share of flows that it touches.
    pub share: f64,
    /// Which these are.
    pub touches: Touches,
    /// Of what it forges, the share that detectors prove.
    pub recall: f64,
    /// Hops to it.
    pub hops: u8,
    /// Seconds that it lingers.
    pub lingers: u64,
    /// What its resolvers say, and which of the resolvers are its own.
    answer: FalseAnswer,
    resolvers: usize,
    rate: f64,
    /// Last accused flow by client and server.
    triggers: BTreeMap<(usize, usize), u64>,
}

impl Censor {
    /// Draws one.
    pub fn draw(method: Method, rng: &mut Rng) -> Self {
        let share = if rng.chance(0.3) { 1.0 } else { 0.05 * 20f64.powf(unit(rng)) };
        let touches = match rng.below(10) {
            _ if share > 0.99 => Touches::All,
            0..2 => Touches::Paths,
            2..4 => Touches::Clients,
            _ => Touches::Chance,
        };
        let recall = *rng.pick(&[0.3, 0.6, 0.9, 1.0, 1.0]);
        let answer = match rng.below(4) {
            0 => FalseAnswer::Bogus,
            1 => FalseAnswer::Denied,
            2 => FalseAnswer::Elsewhere(network(200)),
            _ => FalseAnswer::Listed,
        };
        Self {
            method,
            share,
            touches,
            recall,
            hops: rng.range(2, 6) as u8,
            lingers: *rng.pick(&[60, 90, 120, 180, 420]),
            answer,
            resolvers: rng.range(1, 3) as usize,
            rate: 1e5 * (1.3 + 0.2 * unit(rng)),
            triggers: BTreeMap::new(),
        }
    }

    /// The share of flows that it really touches.
    pub fn touched(&self) -> f64 {
        match self.touches {
            Touches::Paths => f64::from(self.paths()) / f64::from(PATHS),
            _ => self.share,
        }
    }

    /// Whether it is after such flows: an address that is blocked is blocked for all names there.
    fn concerns(&self, outcome: &Outcome) -> bool {
        if self.method.acts_on_addresses() && outcome.protocol != Protocol::Dns {
            let server = SERVERS.iter().enumerate().find(|(at, _)| place(*at) == outcome.place);
            return server.is_some_and(|(_, server)| serves(server, BLOCKED));
        }
        outcome.service == BLOCKED
    }

    fn paths(&self) -> u8 {
        (self.share * f64::from(PATHS)).round().max(1.0) as u8
    }

    fn touches(&self, intent: &Intent, who: &Person, rng: &mut Rng) -> bool {
        match self.touches {
            Touches::All => true,
            Touches::Chance => rng.chance(self.share),
            Touches::Paths => intent.path < self.paths(),
            Touches::Clients => who.draw < self.share,
        }
    }

    /// Does to an outcome what it does.
    pub fn act(&mut self, outcome: &mut Outcome, intent: &Intent, who: &Person, rng: &mut Rng) {
        if self.method == Method::Residual {
            self.linger(outcome, intent, rng);
        }
        if !self.concerns(outcome) || !self.touches(intent, who, rng) {
            return;
        }
        let Some(ending) = self.ending(outcome.protocol, intent) else { return };
        if let Some(rate) = self.throttled(outcome, rng) {
            outcome.goodput = Some(rate);
            return;
        }
        outcome.ending = ending;
        outcome.goodput = None;
        outcome.finding = self.finding(rng);
        if self.method == Method::Residual && outcome.finding.is_some() {
            self.triggers.insert((intent.person, intent.server), outcome.time);
        }
    }

    /// How it makes a flow end, if it acts on such flows.
    fn ending(&self, protocol: Protocol, intent: &Intent) -> Option<Ending> {
        let silent = |stage| Ending::Silent { stage, acknowledged: false };
        let reset = |stage| Ending::Reset { stage };
        let tcp = matches!(protocol, Protocol::TcpTls | Protocol::TcpHttp);
        let (tls, http) = (protocol == Protocol::TcpTls, protocol == Protocol::TcpHttp);
        match self.method {
            Method::DnsInjection
                if protocol == Protocol::Dns && !RESOLVERS[intent.server].local =>
            {
                Some(Ending::FalseAnswer(self.answer))
            }
            Method::DnsLie if protocol == Protocol::Dns && intent.server < self.resolvers => {
                Some(Ending::FalseAnswer(self.answer))
            }
            Method::IpDrop if tcp => Some(silent(Stage::PostSyn)),
            Method::IpDrop if protocol == Protocol::Quic => Some(silent(Stage::PostPsh)),
            Method::IpReset if tcp => Some(reset(Stage::PostSyn)),
            Method::IcmpReject if tcp => {
                Some(Ending::Icmp(Icmp::Prohibited { hops: Some(self.hops) }))
            }
            Method::SniReset | Method::SniRewrite | Method::Residual if tls => {
                Some(reset(Stage::PostPsh))
            }
            Method::SniDrop if tls => Some(silent(Stage::PostPsh)),
            Method::HttpBlockpage if http => Some(Ending::BlockPage),
            Method::HttpReset if http => Some(reset(Stage::PostPsh)),
            Method::QuicDrop if protocol == Protocol::Quic => Some(silent(Stage::PostPsh)),
            Method::Throttle if tls => Some(Ending::Served),
            _ => None,
        }
    }

    fn throttled(&self, outcome: &Outcome, rng: &mut Rng) -> Option<Goodput> {
        if self.method != Method::Throttle {
            return None;
        }
        let before = outcome.goodput?;
        let rate = (self.rate * (0.97 + 0.06 * unit(rng))) as u32;
        Some(Goodput {
            bits_per_second: before.bits_per_second.min(rate),
            plateau: rng.chance(0.9),
            policed: rng.chance(0.93),
        })
    }

    /// What the detectors say.
    fn finding(&self, rng: &mut Rng) -> Option<Trace> {
        let trace = |verdict, confidence| {
            let hops = Some(self.hops).filter(|_| shows_ttl(verdict));
            Some(Trace { verdict, confidence, position: Position::Upstream, hops })
        };
        let proves = rng.chance(self.recall);
        match self.method {
            Method::IpDrop | Method::IcmpReject | Method::SniDrop | Method::QuicDrop => {
                rng.chance(0.3).then(|| trace(Verdict::Suspect, Confidence::C1)).flatten()
            }
            Method::DnsLie => {
                rng.chance(0.5).then(|| trace(Verdict::Lied, Confidence::C2)).flatten()
            }
            // Rewriting is a verdict of the detectors: what they miss looks like a reset.
            Method::SniRewrite if proves => trace(Verdict::Rewritten, Confidence::C3),
            Method::HttpBlockpage => trace(Verdict::Injected, Confidence::C3),
            _ if proves => trace(Verdict::Injected, Confidence::C3),
            _ if rng.chance(0.5) => trace(Verdict::Suspect, Confidence::C2),
            _ => None,
        }
    }

    /// What fails for a while after an accused flow.
    fn linger(&self, outcome: &mut Outcome, intent: &Intent, rng: &mut Rng) {
        if outcome.service == BLOCKED || outcome.protocol == Protocol::Dns {
            return;
        }
        let Some(&trigger) = self.triggers.get(&(intent.person, intent.server)) else { return };
        let since = outcome.time.saturating_sub(trigger) / SECOND;
        if since > 600 {
            return;
        }
        outcome.after = Some(After { service: BLOCKED, seconds: since as u16 });
        if since < self.lingers && rng.chance(0.75) {
            outcome.ending = Ending::Reset { stage: Stage::PostSyn };
            outcome.goodput = None;
        }
    }
}

/// Whether a server serves a service.
pub fn serves(server: &Server, service: u16) -> bool {
    server.serves.iter().any(|&(of, _)| of == service)
}

/// Whether a device's TTL shows in such findings.
const fn shows_ttl(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Lied)
}
