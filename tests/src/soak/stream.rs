//! The packets of all connections in the order of their time.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::corpus::{
    innocents::Behaviour,
    rng::Rng,
    scene::{Guest, SITES, Scene, Site},
    script::SECOND,
    segment::Truth,
    tape::Tape,
};

/// What amounts of data are divided by.
const BRIEF: usize = 4;

/// Connections that are ordinary, in percent; the others are of all behaviours alike.
const ORDINARY: u64 = 70;

/// Makes the packets of all connections, one after the other.
pub struct Stream<'a> {
    seed: u64,
    behaviours: &'a [&'static Behaviour],
    flows: u64,
    /// Nanoseconds from one connection's beginning to the next one's.
    interval: u64,
    next: u64,
    /// Tapes that are being played: when the next frame is due, of which tape.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    playing: Vec<(Tape, usize)>,
    idle: Vec<usize>,
    /// Connections of each behaviour.
    pub counts: Vec<u64>,
    /// Whether there are packets of strangers in it.
    pub spoofed: Vec<bool>,
}

/// Which behaviour connection `number` is, and what else is random about it.
fn cast(seed: u64, number: u64, behaviours: usize) -> (Rng, usize) {
    let mut rng = Rng::part(seed, number);
    let ordinary = rng.below(100) < ORDINARY;
    let which = rng.below(behaviours as u64) as usize;
    (rng, if ordinary { 0 } else { which })
}

/// Acts out connection `number`, beginning at `start`, on `tape`.
fn act(
    seed: u64,
    number: u64,
    start: u64,
    behaviours: &[&'static Behaviour],
    tape: &mut Tape,
) -> usize {
    let (mut rng, which) = cast(seed, number, behaviours.len());
    let rough = if rng.chance(0.5) {
        let mut share = |most: u64| rng.below(most) as f64 / 1e5;
        (share(1_500), share(300), share(1_500))
    } else {
        (0.0, 0.0, 0.0)
    };
    let mut scene = Scene {
        guest: Guest::of(number, &mut rng),
        site: Site::of(seed, rng.below(SITES.into()) as u32),
        port: 443,
        v6: rng.chance(0.4),
        start,
        tape,
        rough,
        brief: BRIEF,
        rng,
    };
    (behaviours[which].act)(&mut scene);
    tape.sort();
    which
}

/// Connection `number` alone, and its behaviour.
pub fn alone(seed: u64, number: u64, behaviours: &[&'static Behaviour]) -> (Tape, usize) {
    let mut tape = Tape::default();
    let which = act(seed, number, 0, behaviours, &mut tape);
    (tape, which)
}

impl<'a> Stream<'a> {
    /// `flows` connections, so many of which begin in a second.
    pub fn new(seed: u64, behaviours: &'a [&'static Behaviour], flows: u64, rate: u64) -> Self {
        Self {
            seed,
            behaviours,
            flows,
            interval: SECOND / rate,
            next: 0,
            due: BinaryHeap::new(),
            playing: Vec::new(),
            idle: Vec::new(),
            counts: vec![0; behaviours.len()],
            spoofed: vec![false; behaviours.len()],
        }
    }

    /// Tells which of the behaviours a connection is, by its number.
    pub fn casting(&self) -> impl Fn(u64) -> usize + use<> {
        let (seed, behaviours) = (self.seed, self.behaviours.len());
        move |number| cast(seed, number, behaviours).1
    }

    /// Connections begun so far.
    pub const fn begun(&self) -> u64 {
        self.next
    }

    /// Hands all packets to `take`, in order: time in nanoseconds, octets, length on the wire.
    ///
    /// # Errors
    ///
    /// The first of `take`.
    pub fn play<E>(
        &mut self,
        mut take: impl FnMut(u64, &[u8], usize, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            let start = self.next * self.interval;
            let due = self.due.peek().map(|Reverse((time, _))| *time);
            if self.next < self.flows && due.is_none_or(|due| start <= due) {
                self.begin(start);
                continue;
            }
            let Some(Reverse((time, place))) = self.due.pop() else { return Ok(()) };
            let (tape, index) = &mut self.playing[place];
            let record = tape.records[*index];
            take(time, tape.frame(&record), record.wire, self.next)?;
            *index += 1;
            match tape.records.get(*index) {
                Some(record) => self.due.push(Reverse((record.time, place))),
                None => self.idle.push(place),
            }
        }
    }

    fn begin(&mut self, start: u64) {
        let number = self.next;
        self.next += 1;
        let place = self.idle.pop().unwrap_or_else(|| {
            self.playing.push((Tape::default(), 0));
            self.playing.len() - 1
        });
        let (tape, index) = &mut self.playing[place];
        tape.clear();
        *index = 0;
        let which = act(self.seed, number, start, self.behaviours, tape);
        self.counts[which] += 1;
        self.spoofed[which] |= tape.records.iter().any(|record| record.truth == Truth::Spoofed);
        match tape.records.first() {
            Some(record) => self.due.push(Reverse((record.time, place))),
            None => self.idle.push(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Stream, alone};
    use crate::corpus::innocents;

    #[test]
    fn packets_come_in_order_and_each_connection_is_the_same_alone() {
        let behaviours = innocents::all();
        let mut stream = Stream::new(7, &behaviours, 2_000, 500);
        let (mut last, mut packets) = (0, 0);
        stream
            .play(|time, octets, _, _| {
                assert!(time >= last);
                (last, packets) = (time, packets + octets.len());
                Ok::<(), ()>(())
            })
            .unwrap();
        let apart: usize = (0..2_000).map(|one| alone(7, one, &behaviours).0.octets.len()).sum();
        assert!(packets <= apart && packets * 10 > apart * 9, "{packets} of {apart}");
        assert_eq!(stream.counts.iter().sum::<u64>(), 2_000);
    }
}
