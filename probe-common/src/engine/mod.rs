//! One packet through the pipeline: parse, find its flow, measure, tell, remember.

mod dns;
mod glance;
mod icmp;
mod quic;
mod segment;
mod tcp;
#[cfg(test)]
mod tests;

use glance::Passing;

use crate::{
    config::Config,
    counter::Counter,
    dns::DnsStore,
    event::{Class, DnsEvent, Message, QuicEvent, Scratch, TcpEvent},
    flow::{Bit, FlowStore},
    names::Names,
    quic::QuicStore,
    resolver::ResolverStore,
    wire::{self, Address, Octets, Packet, protocol},
};

/// Where events, counts and marks go.
pub trait Output<O: Octets> {
    /// Adds to a counter.
    fn count(&mut self, counter: Counter, by: u64);

    /// Whether an event of `class` may be made now; a refusal is final for that event.
    fn admit(&mut self, class: Class, now: u64) -> bool;

    /// Sends a connection's event up, with `header.captured` octets of the packet's payload.
    /// Returns whether it was taken.
    fn tcp(&mut self, message: &mut Message<TcpEvent>, octets: &O) -> bool;

    /// Sends a DNS event up, with `header.captured` octets of the packet's payload.
    /// Returns whether it was taken.
    fn dns(&mut self, message: &mut Message<DnsEvent>, octets: &O) -> bool;

    /// Sends a QUIC event up, with `header.captured` octets of the packet's payload.
    /// Returns whether it was taken.
    fn quic(&mut self, message: &mut Message<QuicEvent>, octets: &O) -> bool;

    /// The list of watched names.
    fn names(&self) -> Option<&Names>;

    /// Whether a bit is set.
    fn bit(&self, bit: Bit) -> bool;

    /// Sets it, or clears it.
    fn set(&mut self, bit: Bit, on: bool);

    /// Whether `address` is watched (or shares its bit with one that is).
    #[inline(always)]
    fn watched(&self, address: Address) -> bool {
        self.bit(Bit::watched(address))
    }

    /// Watches `address` from now on.
    #[inline(always)]
    fn watch(&mut self, address: Address) {
        self.set(Bit::watched(address), true);
    }

    /// Whether a client (or one that shares its bit) is expected to go on with its hello.
    #[inline(always)]
    fn awaited(&self, client: Address, port: u16) -> bool {
        self.bit(Bit::awaited(client, port))
    }

    /// Expects it to go on, or no longer.
    #[inline(always)]
    fn expect(&mut self, client: Address, port: u16, more: bool) {
        self.set(Bit::awaited(client, port), more);
    }
}

/// When, where and as which packet of a capture the engine meets a packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stamp {
    /// Nanoseconds.
    pub time: u64,
    /// Number in the capture; 0 live.
    pub frame: u64,
    /// Interface index; 0 in a replay.
    pub interface: u32,
    /// VLAN identifier that the kernel keeps beside the packet; 0: none.
    pub vlan: u16,
    /// See [`crate::event::hook`].
    pub hook: u8,
}

impl Stamp {
    #[inline(always)]
    fn mark(&self, packet: &mut Packet) {
        packet.time = self.time;
        packet.interface = self.interface;
        packet.hook = self.hook;
        if self.vlan != 0 {
            packet.vlan = [self.vlan, packet.vlan[0]];
        }
    }
}

/// What the engine works with.
pub struct Engine<'a, F, D, R, Q, S> {
    /// Settings.
    pub config: &'a Config,
    /// The flow table.
    pub flows: &'a mut F,
    /// The DNS table.
    pub questions: &'a mut D,
    /// The table of resolvers.
    pub resolvers: &'a mut R,
    /// The QUIC table.
    pub quics: &'a mut Q,
    /// Where it tells.
    pub output: &'a mut S,
    /// Where it makes what it tells.
    pub scratch: &'a mut Scratch,
}

/// What is followed further than to its transport header.
///
/// In the kernel each is a program of its own, and the one that sorts packets goes on to it by a tail
/// call: the verifier has a budget for each program, and follows each way through it in the light of all
/// that was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Branch {
    /// A TCP segment that is looked at.
    Tcp = 0,
    /// A datagram from or to a DNS port.
    Dns = 1,
    /// A datagram from or to the port of QUIC, with a long header.
    Quic = 2,
    /// An ICMP error.
    Icmp = 3,
}

impl Branch {
    /// All of them, in order of their numbers.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Dns, Self::Quic, Self::Icmp];

    /// How the names of its programs end.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Dns => "dns",
            Self::Quic => "quic",
            Self::Icmp => "icmp",
        }
    }
}

impl<F, D, R, Q, S> Engine<'_, F, D, R, Q, S> {
    /// Counts a packet, finds its transport header, and says whether it is to be followed. If so, the
    /// header's place is left in the scratch for [`follow`](Self::follow).
    #[inline(always)]
    pub fn sort<O: Octets>(&mut self, octets: &O) -> Option<Branch>
    where
        S: Output<O>,
    {
        self.output.count(Counter::Packets, 1);
        if !self.config.watch_all()
            && let Some(Passing { end, counter }) =
                glance::passing(octets, self.config, self.output)
        {
            self.output.count(Counter::Octets, octets.wire_len_up_to(end) as u64);
            if counter == Counter::TcpUnwatched {
                self.output.count(Counter::TcpSegments, 1);
            }
            self.output.count(counter, 1);
            return None;
        }
        match self.branch(octets) {
            Ok(branch) => branch,
            Err(counter) => {
                self.output.count(counter, 1);
                None
            }
        }
    }

    #[inline(always)]
    fn branch<O: Octets>(&mut self, octets: &O) -> Result<Option<Branch>, Counter>
    where
        S: Output<O>,
    {
        let found = match wire::locate(octets, &mut self.scratch.cell) {
            Ok(found) => found,
            Err(counter) => {
                self.output.count(Counter::Octets, octets.wire_len() as u64);
                return Err(counter);
            }
        };
        let len = octets.wire_len_up_to(found.at + found.length);
        self.output.count(Counter::Octets, len as u64);
        let octets = &octets.anew();
        let branch = match found.protocol {
            protocol::TCP => {
                if !self.config.watch_all()
                    && !tcp::interesting(octets, &found, self.config, self.output)?
                {
                    self.output.count(Counter::TcpSegments, 1);
                    self.output.count(Counter::TcpUnwatched, 1);
                    return Ok(None);
                }
                Branch::Tcp
            }
            protocol::UDP => {
                let (from, to) = wire::dns::ports(octets, &found).ok_or(Counter::Truncated)?;
                if self.config.is_dns(from, to) {
                    Branch::Dns
                } else if from == wire::quic::PORT || to == wire::quic::PORT {
                    // Of an established connection: the bulk, which costs no more than this.
                    wire::quic::long(octets, &found).ok_or(Counter::OtherProtocol)?;
                    Branch::Quic
                } else {
                    return Err(Counter::OtherProtocol);
                }
            }
            protocol::ICMP | protocol::ICMPV6 => {
                let message = octets.u8(found.at).ok_or(Counter::Truncated)?;
                if !wire::icmp::is_error(found.version, message) {
                    return Err(Counter::OtherProtocol);
                }
                Branch::Icmp
            }
            _ => return Err(Counter::OtherProtocol),
        };
        self.scratch.located = found;
        Ok(Some(branch))
    }
}

impl<F: FlowStore, D: DnsStore, R: ResolverStore, Q: QuicStore, S> Engine<'_, F, D, R, Q, S> {
    /// Takes one packet. `stamp` is asked only if the packet is looked at closely: reading the
    /// clock costs more than passing a bulk packet.
    #[inline(always)]
    pub fn packet<O: Octets>(&mut self, octets: &O, stamp: impl FnOnce() -> Stamp)
    where
        S: Output<O>,
    {
        if let Some(branch) = self.sort(octets) {
            self.follow(branch, octets, stamp());
        }
    }

    /// Follows a packet that [`sort`](Self::sort) has just said is to be followed.
    #[inline(always)]
    pub fn follow<O: Octets>(&mut self, branch: Branch, octets: &O, stamp: Stamp)
    where
        S: Output<O>,
    {
        let found = &self.scratch.located();
        let done = match branch {
            Branch::Tcp => self.segment(octets, found, stamp),
            Branch::Dns => self.datagram(octets, found, stamp),
            Branch::Quic => self.long_header(octets, found, stamp),
            Branch::Icmp => self.control(octets, found, stamp),
        };
        if let Err(counter) = done {
            self.output.count(counter, 1);
        }
    }
}

/// Has `send` send an event up, if the rate of its class allows, and counts what becomes of it. Says
/// whether it was taken.
#[inline(always)]
fn emit<O: Octets, S: Output<O>>(
    output: &mut S,
    class: Class,
    now: u64,
    send: impl FnOnce(&mut S) -> bool,
) -> bool {
    if !output.admit(class, now) {
        output.count(Counter::RateLimited, 1);
        return false;
    }
    let sent = send(output);
    output.count(if sent { Counter::Events } else { Counter::RingFull }, 1);
    sent
}

/// No [`kind`](crate::event::kind).
const NOTHING: u16 = 0;

/// Passes an answer through memory, so that the verifier forgets which of the ways led to it: it
/// would follow all that comes after once for each.
#[inline(always)]
fn forget(cell: &mut u64, answer: u16) -> u16 {
    *cell = u64::from(answer);
    // SAFETY: a reference is valid to read.
    unsafe { core::ptr::read_volatile(cell) as u16 }
}

/// How much of the payload there is to capture, at most `limit`.
#[inline(always)]
fn captured<O: Octets>(octets: &O, packet: &Packet, limit: u32) -> u16 {
    let there = octets.len().saturating_sub(usize::from(packet.payload_at)) as u32;
    let wanted = if packet.payload < limit { packet.payload } else { limit };
    (if there < wanted { there } else { wanted }) as u16
}
