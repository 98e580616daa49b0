//! Where the engine's events, counts and marks go: the ring buffer, the counters, the bitmap.

use probe_common::{
    config::Config,
    counter::{COUNTERS, Counter},
    engine,
    event::{CAPTURE_MAX, Class, DnsEvent, Header, Message, QuicEvent, TcpEvent},
    flow::{await_bit, watch_bit},
    names::Names,
    wire::Address,
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
    fn watched(&self, address: Address) -> bool {
        let bit = watch_bit(address);
        match maps::watched(0).and_then(|words| words.get((bit / 64) as usize)) {
            Some(word) => word >> (bit % 64) & 1 != 0,
            None => false,
        }
    }

    #[inline(always)]
    fn names(&self) -> Option<&Names> {
        maps::names()
    }

    #[inline(always)]
    fn watch(&mut self, address: Address) {
        let bit = watch_bit(address);
        // Two CPUs may write one word at once and one mark be lost: the next packet that
        // deserves it sets it again. What is set already is not written, so that is rare.
        let mark = 1 << (bit % 64);
        if let Some(words) = maps::watched(0)
            && let Some(word) = words.get_mut((bit / 64) as usize)
            && *word & mark == 0
        {
            *word |= mark;
        }
    }

    #[inline(always)]
    fn awaited(&self, client: Address, port: u16) -> bool {
        let bit = await_bit(client, port);
        match maps::watched(0).and_then(|words| words.get((bit / 64) as usize)) {
            Some(word) => word >> (bit % 64) & 1 != 0,
            None => false,
        }
    }

    #[inline(always)]
    fn expect(&mut self, client: Address, port: u16, more: bool) {
        let bit = await_bit(client, port);
        // As above: a mark that is lost costs the rest of one hello.
        let mark = 1 << (bit % 64);
        if let Some(words) = maps::watched(0)
            && let Some(word) = words.get_mut((bit / 64) as usize)
            && (*word & mark != 0) != more
        {
            *word ^= mark;
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
