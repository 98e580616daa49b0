//! A device on the way that interferes.

use super::{
    rng::Rng,
    script::SECOND,
    segment::{End, Segment, Truth, flag},
    tcp::distance,
};

/// How far a connection has come when it is interfered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The SYN triggers.
    Before,
    /// The SYN+ACK triggers.
    At,
    /// The first data triggers.
    After,
    /// A server's data triggers, after some of it has passed.
    Mid,
}

impl Stage {
    /// All, in the order of a connection's life.
    pub const ALL: [Self; 4] = [Self::Before, Self::At, Self::After, Self::Mid];

    /// In names of cases.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::At => "at",
            Self::After => "after",
            Self::Mid => "mid",
        }
    }
}

/// Octets of the server's data after which [`Stage::Mid`] triggers: inside of the third or fourth
/// window of a download.
const MID: u32 = 12_000;

/// What is known of one end from what has passed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// Whether anything has passed.
    pub seen: bool,
    /// The number behind the highest it has sent.
    pub next: u32,
    /// Of its last packet.
    pub ttl: u8,
    /// Of its last packet.
    pub ip_id: u16,
    /// Of its last packet.
    pub window: u16,
    /// Of its last packet.
    pub df: bool,
    /// Of its last packet.
    pub label: u32,
    /// Of its last packet.
    pub timestamps: Option<(u32, u32)>,
    /// The highest number it has acknowledged.
    pub acked: u32,
    /// Octets of data.
    pub data: u32,
    /// Packets.
    pub packets: u32,
}

/// What set the device off, and what it knows.
pub struct Trigger<'a> {
    /// The packet.
    pub segment: &'a Segment,
    /// Client and server.
    pub known: [Known; 2],
    /// How far the connection has come.
    pub stage: Stage,
}

impl Trigger<'_> {
    /// A packet of TCP flags `flags` that claims to come from `from`, numbered as its peer expects.
    pub fn forge(&self, from: End, flags: u16) -> Segment {
        let sender = &self.known[from as usize];
        let mut segment = Segment::empty(from);
        segment.truth = Truth::Forged;
        segment.flags = flags;
        segment.seq = if sender.seen { sender.next } else { 0 };
        let peer = &self.known[from.other() as usize];
        segment.ack = if flags & flag::ACK != 0 { peer.next } else { 0 };
        segment
    }
}

/// A packet that the device sends.
#[derive(Clone, Debug)]
pub struct Shot {
    /// How long after the trigger, in nanoseconds.
    pub delay: u64,
    /// The packet: it goes to the other end than the one it claims to come from.
    pub segment: Segment,
}

/// A packet's passing of a device.
pub struct Passing {
    /// The time.
    pub now: u64,
    /// Where the device stands.
    pub place: usize,
    /// What it sends.
    pub shots: Vec<Shot>,
}

/// A device.
pub trait Device {
    /// Takes a packet and returns what goes on in its place.
    fn pass(&mut self, segment: Segment, passing: &mut Passing) -> Option<Segment>;
}

/// What a device does to the connection once it was set off.
#[derive(Clone, Copy)]
pub enum Then {
    /// Nothing: it stands beside the way.
    Nothing,
    /// It lets nothing from the server through any more, and nothing to it.
    Cut,
    /// It takes out the trigger and all that the client sends from then on.
    CutClient,
    /// It takes out what the server sends.
    CutServer,
    /// It takes out the trigger and lets all else through.
    Swallow,
    /// It lets so many packets through, then none.
    CutAfter(u32),
    /// It rewrites each packet of the server.
    Rewrite(fn(Segment, &mut Rng) -> Segment),
    /// It rewrites the server's next packet with data, and cuts what comes after.
    RewriteOnce(fn(Segment, &mut Rng) -> Segment),
    /// It lets the server's data through up to so many octets or packets, then nothing more.
    Freeze(u32, u32),
    /// It lets the server's data through at so many octets a second, and drops what is more.
    Police(u32),
    /// It sends the shots anew at each further packet of the client, so many times at most.
    Again(u32),
    /// It sends the shots anew at the SYN+ACK.
    AgainAtAnswer,
}

/// What packets a model sends.
pub type Fire = fn(&Trigger<'_>, &mut Rng) -> Vec<Shot>;

/// The device of a model.
pub struct Censor {
    /// What it sends when it is set off.
    pub fire: Fire,
    /// What it does from then on.
    pub then: Then,
    /// When it is set off.
    pub stage: Stage,
    /// Its random numbers.
    pub rng: Rng,
    known: [Known; 2],
    fired: u32,
    since: u32,
    passed: u32,
    /// Octets that may pass, and when they were last counted.
    bucket: (u64, u64),
}

impl Censor {
    /// One that has seen nothing yet.
    pub fn new(fire: Fire, then: Then, stage: Stage, rng: Rng) -> Self {
        Self {
            fire,
            then,
            stage,
            rng,
            known: [Known::default(); 2],
            fired: 0,
            since: 0,
            passed: 0,
            bucket: (BUCKET, 0),
        }
    }

    fn observe(&mut self, segment: &Segment) {
        let known = &mut self.known[segment.from as usize];
        let end = segment.end();
        if !known.seen || distance(end, known.next) > 0 {
            known.next = end;
        }
        known.seen = true;
        known.ttl = segment.ttl;
        known.ip_id = segment.ip_id;
        known.window = segment.window;
        known.df = segment.df;
        known.label = segment.label;
        known.timestamps = segment.options.timestamps;
        known.packets += 1;
        known.data += segment.payload.len() as u32;
        if segment.has(flag::ACK) {
            known.acked = segment.ack;
        }
    }

    fn is_trigger(&self, segment: &Segment) -> bool {
        let client = segment.from == End::Client;
        let syn = segment.has(flag::SYN);
        match self.stage {
            Stage::Before => client && syn,
            Stage::At => !client && syn,
            Stage::After => client && !segment.payload.is_empty() && !syn,
            Stage::Mid => !client && !segment.payload.is_empty() && self.known[1].data >= MID,
        }
    }
}

/// Octets that a policer lets through at once.
const BUCKET: u64 = 6_000;

impl Device for Censor {
    fn pass(&mut self, mut segment: Segment, passing: &mut Passing) -> Option<Segment> {
        self.observe(&segment);
        let client = segment.from == End::Client;
        if self.fired == 0 {
            if !self.is_trigger(&segment) {
                return Some(segment);
            }
            self.fired = 1;
            let trigger = Trigger { segment: &segment, known: self.known, stage: self.stage };
            passing.shots = (self.fire)(&trigger, &mut self.rng);
            return match self.then {
                Then::Cut | Then::CutClient | Then::Swallow => None,
                Then::CutServer if !client => None,
                Then::Rewrite(change) | Then::RewriteOnce(change) if !client => {
                    self.passed += 1;
                    segment.truth = Truth::Forged;
                    Some(change(segment, &mut self.rng))
                }
                _ => Some(segment),
            };
        }
        self.since += 1;
        match self.then {
            Then::Nothing | Then::Swallow => Some(segment),
            Then::Again(most) => {
                if client && self.fired < most && !segment.has(flag::RST) {
                    self.fired += 1;
                    let trigger =
                        Trigger { segment: &segment, known: self.known, stage: self.stage };
                    passing.shots = (self.fire)(&trigger, &mut self.rng);
                }
                Some(segment)
            }
            Then::AgainAtAnswer => {
                if !client && self.fired == 1 && segment.has(flag::SYN) {
                    self.fired = 2;
                    let trigger =
                        Trigger { segment: &segment, known: self.known, stage: self.stage };
                    passing.shots = (self.fire)(&trigger, &mut self.rng);
                }
                Some(segment)
            }
            Then::Cut => None,
            Then::CutClient => (!client).then_some(segment),
            Then::CutServer => client.then_some(segment),
            Then::CutAfter(most) => (self.since <= most).then_some(segment),
            Then::Rewrite(change) => {
                if client {
                    return Some(segment);
                }
                // What carries no data cannot be taken for an answer; it passes.
                if segment.payload.is_empty() && !segment.has(flag::SYN) {
                    return Some(segment);
                }
                segment.truth = Truth::Forged;
                Some(change(segment, &mut self.rng))
            }
            Then::RewriteOnce(change) => {
                if client {
                    return Some(segment);
                }
                if self.passed == 0 {
                    if segment.payload.is_empty() {
                        return Some(segment);
                    }
                    self.passed = 1;
                    segment.truth = Truth::Forged;
                    return Some(change(segment, &mut self.rng));
                }
                None
            }
            Then::Police(rate) => {
                let (filled, last) = self.bucket;
                let earned = (passing.now - last) * u64::from(rate) / SECOND;
                let filled = (filled + earned).min(BUCKET);
                let cost = segment.payload.len() as u64;
                let passes = client || cost <= filled;
                let spent = if passes && !client { cost } else { 0 };
                self.bucket = (filled - spent, passing.now);
                passes.then_some(segment)
            }
            Then::Freeze(octets, packets) => {
                let server = &self.known[End::Server as usize];
                (server.data <= octets && server.packets <= packets).then_some(segment)
            }
        }
    }
}
