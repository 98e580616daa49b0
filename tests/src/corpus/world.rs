//! Two ends, the way between them, perhaps a device on it: the events of one connection.
//!
//! A discrete-event simulation. Connections do not influence each other except through what a
//! device remembers, so each has a world of its own, and a capture is the worlds' tapes merged by
//! time.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    device::{Device, Passing},
    host::Host,
    path::{Path, Route, node},
    rng::Rng,
    script::{MS, SECOND, Script},
    segment::{End, Pair, Segment, Truth, Wrong},
    tape::Tape,
    tcp::{NEVER, Tcp},
};

/// What happens next.
#[derive(Debug)]
enum Event {
    /// A segment arrives at a place.
    Arrive(usize, Box<Segment>),
    /// An end wants to be woken.
    Wake(usize),
    /// The client, or the server too, sends its SYN.
    Connect(usize),
    /// Somebody else sends something from a place on the way.
    Intrude(usize, Box<Segment>),
}

struct Entry {
    time: u64,
    order: u64,
    event: Event,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.time, self.order) == (other.time, other.order)
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.time, self.order).cmp(&(other.time, other.order))
    }
}

/// A world.
pub struct World {
    /// Addresses and ports.
    pub pair: Pair,
    /// Client and server.
    pub ends: [Tcp; 2],
    /// The way.
    pub path: Path,
    /// What is random on the way.
    pub rng: Rng,
    /// When nothing is looked at any more, in nanoseconds after the beginning.
    pub horizon: u64,
    /// Packets in flight when the router begins to look are not seen: nanoseconds.
    pub blind_until: u64,
    device: Option<(usize, Box<dyn Device>)>,
    events: BinaryHeap<Reverse<Entry>>,
    order: u64,
    /// Latest arrival at each place, from either direction: links keep the order.
    last: [[u64; 2]; 5],
    wakes: [u64; 2],
    out: Vec<Segment>,
    /// Packets that the device took out.
    pub dropped: u64,
    /// Packets that it made, altered or took out.
    pub deeds: u64,
}

impl World {
    /// A world in which the client connects at once.
    pub fn new(
        pair: Pair,
        hosts: [Host; 2],
        scripts: [Script; 2],
        path: Path,
        rng: &mut Rng,
    ) -> Self {
        let [client, server] = hosts;
        let [asks, answers] = scripts;
        let ends =
            [Tcp::new(End::Client, client, asks, rng), Tcp::new(End::Server, server, answers, rng)];
        Self {
            pair,
            ends,
            path,
            rng: Rng::new(rng.bits()),
            horizon: 30 * SECOND,
            blind_until: 0,
            device: None,
            events: BinaryHeap::with_capacity(32),
            order: 0,
            last: [[0; 2]; 5],
            wakes: [NEVER; 2],
            out: Vec::with_capacity(16),
            dropped: 0,
            deeds: 0,
        }
    }

    /// Puts a device at `place`.
    pub fn put(&mut self, place: usize, device: Box<dyn Device>) {
        self.device = Some((place, device));
    }

    /// Has `end` connect at `time` (the client does at 0 by itself).
    pub fn connect(&mut self, end: End, time: u64) {
        self.push(time, Event::Connect(end as usize));
    }

    /// Has somebody send `segment` from `place` at `time`.
    pub fn intrude(&mut self, place: usize, time: u64, segment: Segment) {
        self.push(time, Event::Intrude(place, Box::new(segment)));
    }

    fn push(&mut self, time: u64, event: Event) {
        self.order += 1;
        self.events.push(Reverse(Entry { time, order: self.order, event }));
    }

    /// Runs to the end; what the router sees goes on `tape`, `start` nanoseconds later.
    pub fn run(&mut self, start: u64, tape: &mut Tape) {
        self.connect(End::Client, 0);
        self.run_on(start, tape);
    }

    /// Runs to the end without the client connecting by itself.
    pub fn run_on(&mut self, start: u64, tape: &mut Tape) {
        while let Some(Reverse(Entry { time, event, .. })) = self.events.pop() {
            if time > self.horizon {
                break;
            }
            match event {
                Event::Connect(end) => {
                    let mut out = std::mem::take(&mut self.out);
                    self.ends[end].connect(time, &mut out);
                    self.sent(end, time, out);
                }
                Event::Wake(end) => {
                    if self.wakes[end] != time {
                        continue;
                    }
                    self.wakes[end] = NEVER;
                    let mut out = std::mem::take(&mut self.out);
                    self.ends[end].wake(time, &mut out);
                    self.sent(end, time, out);
                }
                Event::Arrive(place, segment) => self.arrive(place, time, *segment, start, tape),
                Event::Intrude(place, segment) => self.forward(place, time, *segment),
            }
        }
        self.events.clear();
    }

    fn sent(&mut self, end: usize, now: u64, mut out: Vec<Segment>) {
        let place = if end == 0 { node::CLIENT } else { node::SERVER };
        for (index, segment) in out.drain(..).enumerate() {
            // A gigabit takes 12 us for a full packet.
            self.forward(place, now + index as u64 * 12_000, segment);
        }
        self.out = out;
        let deadline = self.ends[end].deadline();
        if deadline != NEVER && deadline != self.wakes[end] {
            let at = deadline.max(now + 1);
            self.wakes[end] = at;
            self.push(at, Event::Wake(end));
        }
    }

    fn arrive(&mut self, place: usize, now: u64, segment: Segment, start: u64, tape: &mut Tape) {
        match place {
            node::CLIENT | node::SERVER => {
                let end = usize::from(place == node::SERVER);
                // A stack throws away whatever has a wrong checksum.
                if (segment.from as usize) == end || segment.wrong != Wrong::None {
                    return;
                }
                let mut out = std::mem::take(&mut self.out);
                if end == 1 && segment.port_shift != 0 {
                    self.ends[end].unknown(now, &segment, &mut out);
                } else if end == 1 || segment.port_shift == self.ends[0].port_shift() {
                    // A NAT delivers what comes in for its present port only.
                    self.ends[end].receive(now, &segment, &mut out);
                }
                self.sent(end, now, out);
            }
            node::ROUTER => {
                if now >= self.blind_until {
                    tape.add(start + now, &segment, &self.pair);
                }
                self.forward(place, now, segment);
            }
            _ => match self.device.take() {
                Some((at, mut device)) if at == place => {
                    let mut passing = Passing { now, place, shots: Vec::new() };
                    match device.pass(segment, &mut passing) {
                        Some(segment) => {
                            self.deeds += u64::from(segment.truth == Truth::Forged);
                            self.forward(place, now, segment);
                        }
                        None => {
                            self.dropped += 1;
                            self.deeds += 1;
                        }
                    }
                    self.deeds += passing.shots.len() as u64;
                    for shot in passing.shots {
                        self.push(now + shot.delay, Event::Intrude(place, Box::new(shot.segment)));
                    }
                    self.device = Some((at, device));
                }
                other => {
                    self.device = other;
                    self.forward(place, now, segment);
                }
            },
        }
    }

    /// Sends `segment` from `place` on its way to the next.
    fn forward(&mut self, place: usize, now: u64, mut segment: Segment) {
        let outward = segment.from == End::Client;
        let (link, next) = if outward { (place, place + 1) } else { (place - 1, place - 1) };
        let stretch = &self.path.links[link];
        let mut hops = stretch.hops;
        if link == 3 && !outward {
            hops = match self.path.route {
                Route::Changes(at, shift) if now >= at => hops.saturating_add_signed(shift),
                Route::Sprays(most) => hops + self.rng.below(u64::from(most) + 1) as u8,
                _ => hops,
            };
        }
        if segment.ttl <= hops || (stretch.narrow != 0 && segment.payload.len() > stretch.narrow) {
            return;
        }
        segment.ttl -= hops;
        let rough = stretch.loss + stretch.twice + stretch.late > 0.0;
        let jitter = if stretch.jitter == 0 { 0 } else { self.rng.below(stretch.jitter) };
        let mut arrival = now + stretch.delay + jitter;
        let last = &mut self.last[next][usize::from(outward)];
        if stretch.wrong > 0.0 && self.rng.chance(stretch.wrong) {
            segment.wrong = Wrong::Any(self.rng.bits() as u32);
        }
        if rough {
            if self.rng.chance(stretch.loss) {
                return;
            }
            if self.rng.chance(stretch.late) {
                // It took another queue; the packets behind it do not wait.
                arrival += self.rng.range(MS / 10, 8 * MS);
                self.push(arrival, Event::Arrive(next, Box::new(segment)));
                return;
            }
        }
        arrival = arrival.max(*last + 1_000);
        *last = arrival;
        if rough && self.rng.chance(stretch.twice) {
            let again = arrival + self.rng.range(1_000, 3 * MS);
            self.push(again, Event::Arrive(next, Box::new(segment.clone())));
        }
        self.push(arrival, Event::Arrive(next, Box::new(segment)));
    }
}
