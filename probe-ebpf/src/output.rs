//! Where the engine's events, counts and marks go: the ring buffer, the counters, the bitmap.

use probe_common::{
    config::Config,
    counter::{COUNTERS, Counter},
    engine,
    event::{CAPTURE_MAX, Class, DnsEvent, Header, Message, QuicEvent, TcpEvent},
    flow::Bit,
    names::Names,
};

use crate::{maps, octets::Capture};

/// What one packet may write to. All but the counters is looked up when it is needed, which for a
/// bulk packet is never.
pub(crate) struct Output<'a> {
    /// Counters of this CPU.
    pub(crate) counts: &'a mut [u64; COUNTERS as usize],
    /// Settings.
    pub(crate) config: &'a Config,
}

impl<'a> Output<'a> {
    /// The maps of this CPU.
    #[inline(always)]
    pub(crate) fn new(config: &'a Config) -> Option<Self> {
        Some(Self { counts: maps::counts(0)?, config })
    }
}

impl<O: Capture> engine::Output<O> for Output<'_> {
    #[inline(always)]
    fn count(&mut self, counter: Counter, by: u64) {
        if let Some(count) = self.counts.get_mut(counter as usize) {
            *count += by;
        }
    }

    #[inline(always)]
    fn admit(&mut self, class: Class, now: u64) -> bool {
        let rate = self.config.event_rate;
        match maps::buckets(0).and_then(|buckets| buckets.get_mut(class as usize)) {
            Some(bucket) => bucket.take(now, rate),
            None => false,
        }
    }

    #[inline(always)]
    fn tcp(&mut self, message: &mut Message<TcpEvent>, octets: &O) -> bool {
        let Header { captured, .. } = message.event.header;
        let at = message.event.packet.payload_at;
        send(message, octets, at, captured)
    }

    #[inline(always)]
    fn dns(&mut self, message: &mut Message<DnsEvent>, octets: &O) -> bool {
        let Header { captured, .. } = message.event.header;
        let at = message.event.packet.payload_at;
        send(message, octets, at, captured)
    }

    #[inline(always)]
    fn quic(&mut self, message: &mut Message<QuicEvent>, octets: &O) -> bool {
        let Header { captured, .. } = message.event.header;
        let at = message.event.packet.payload_at;
        send(message, octets, at, captured)
    }

    #[inline(always)]
    fn names(&self) -> Option<&Names> {
        maps::names()
    }

    #[inline(always)]
    fn bit(&self, bit: Bit) -> bool {
        maps::watched(0)
            .and_then(|words| words.get(bit.word()))
            .is_some_and(|word| word & bit.mask() != 0)
    }

    #[inline(always)]
    fn set(&mut self, bit: Bit, on: bool) {
        // Two CPUs may write one word at once and one bit be lost: the next packet that deserves to be looked at
        // sets it again, and of one hello the rest is not read. What is as it should be is not written, so that is rare.
        if let Some(words) = maps::watched(0)
            && let Some(word) = words.get_mut(bit.word())
            && (*word & bit.mask() != 0) != on
        {
            *word ^= bit.mask();
        }
    }
}

/// Copies the payload behind the event and both into the ring buffer.
#[inline(always)]
fn send<E, O: Capture>(message: &mut Message<E>, octets: &O, at: u16, captured: u16) -> bool {
    let mut len = 0;
    if captured != 0 {
        // The compiler would fold two comparisons into one of `captured - 1`, from which the
        // verifier learns nothing about `captured`; a mask it cannot misread.
        len = ((u32::from(captured) - 1) & (CAPTURE_MAX - 1)) + 1;
        let to = message.payload.as_mut_ptr();
        // SAFETY: the payload has room for `CAPTURE_MAX` octets.
        if !unsafe { octets.capture(u32::from(at), to, len) } {
            return false;
        }
    }
    let whole = size_of::<E>() as u64 + u64::from(len);
    // SAFETY: event and payload lie one behind the other in map memory.
    unsafe { maps::send((&raw const *message).cast(), whole) }
}
