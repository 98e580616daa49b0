//! The packets of all connections in the order of their time.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::Cast;
use crate::corpus::{script::SECOND, segment::Truth, tape::Tape};

/// Makes the packets of all connections, one after the other.
pub struct Stream<C> {
    cast: C,
    /// How much there is to be, in what the cast counts, and how much has begun.
    wanted: u64,
    made: u64,
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

impl<C: Cast> Stream<C> {
    /// `wanted` connections or pairs of what `cast` acts out, of which so many scenes begin in a second.
    pub fn new(cast: C, wanted: u64, rate: u64) -> Self {
        let behaviours = cast.behaviours();
        Self {
            cast,
            wanted,
            made: 0,
            interval: SECOND / rate,
            next: 0,
            due: BinaryHeap::new(),
            playing: Vec::new(),
            idle: Vec::new(),
            counts: vec![0; behaviours],
            spoofed: vec![false; behaviours],
        }
    }

    /// Who acts.
    pub const fn cast(&self) -> C {
        self.cast
    }

    /// Connections or pairs begun so far.
    pub const fn begun(&self) -> u64 {
        self.made
    }

    /// What scene `number` looks like, with what an observer has to have seen before it; and its
    /// behaviour.
    pub fn example(&self, number: u64) -> (Tape, usize) {
        let mut tape = Tape::default();
        for earlier in self.cast.before(number) {
            self.cast.act(earlier, earlier * self.interval, &mut tape);
        }
        let which = self.cast.act(number, number * self.interval, &mut tape);
        tape.sort();
        (tape, which)
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
            if self.made < self.wanted && due.is_none_or(|due| start <= due) {
                self.begin(start);
                continue;
            }
            let Some(Reverse((time, place))) = self.due.pop() else { return Ok(()) };
            let (tape, index) = &mut self.playing[place];
            let record = tape.records[*index];
            take(time, tape.frame(&record), record.wire, self.made)?;
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
        let which = self.cast.act(number, start, tape);
        tape.sort();
        let weight = self.cast.weight(tape);
        self.made += weight;
        self.counts[which] += weight;
        self.spoofed[which] |= tape.records.iter().any(|record| record.truth == Truth::Spoofed);
        match tape.records.first() {
            Some(record) => self.due.push(Reverse((record.time, place))),
            None => self.idle.push(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stream;
    use crate::{
        corpus::{dns, innocents, tape::Tape},
        soak::{Cast, Connections, Lookups},
    };

    fn plays<C: Cast>(cast: C, wanted: u64) {
        let mut stream = Stream::new(cast, wanted, 500);
        let (mut last, mut packets) = (0, 0);
        stream
            .play(|time, octets, _, _| {
                assert!(time >= last);
                (last, packets) = (time, packets + octets.len());
                Ok::<(), ()>(())
            })
            .unwrap();
        let mut apart = 0;
        for one in 0..stream.next {
            let mut tape = Tape::default();
            cast.act(one, one * stream.interval, &mut tape);
            apart += tape.records.iter().map(|record| record.len).sum::<usize>();
        }
        assert_eq!(packets, apart);
        assert_eq!(stream.counts.iter().sum::<u64>(), stream.begun());
        assert!(stream.begun() >= wanted && stream.begun() < wanted + 20);
    }

    #[test]
    fn packets_come_in_order_and_each_connection_is_the_same_alone() {
        plays(Connections { seed: 7, behaviours: &innocents::all() }, 2_000);
    }

    #[test]
    fn so_do_look_ups() {
        plays(Lookups { seed: 7, behaviours: &dns::innocents::all() }, 2_000);
    }
}
