//! What the agent tells the program once, at load: one read-only global.

use crate::hash::HashKey;

/// Settings of the engine.
///
/// In the kernel it is a read-only global: the verifier knows the values and drops the branches
/// that they rule out.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Config {
    /// Key of the hash behind the tables; random at each start, fixed in a replay.
    pub hash_key: HashKey,
    /// Number of sets in the flow table, less one; the number is a power of two.
    pub flow_mask: u32,
    /// Number of sets in the DNS table, less one; the number is a power of two.
    pub dns_mask: u32,
    /// [`FLAG_WATCH_ALL`] and the like.
    pub flags: u32,
    /// Events per second and CPU that each class may emit; 0: no limit.
    pub event_rate: u32,
    /// Ports taken for DNS over UDP and TCP; 0: none.
    pub dns_ports: [u16; DNS_PORTS],
    /// Number of sets in the table of resolvers, less one; the number is a power of two.
    pub resolver_mask: u32,
    /// Number of sets in the QUIC table, less one; the number is a power of two.
    pub quic_mask: u32,
}

/// How many interfaces one agent can watch.
pub const INTERFACES: usize = 8;

/// How many ports can be taken for DNS.
pub const DNS_PORTS: usize = 4;

/// Follow every TCP connection, not only those of watched addresses. Always on in a replay.
pub const FLAG_WATCH_ALL: u32 = 1 << 0;

/// Time, interface and frame number come with each packet as metadata (a replay through the
/// kernel), not from the kernel's clock and context.
pub const FLAG_STAMPED: u32 = 1 << 1;

/// Count at egress only what did not enter by a watched interface: set when several are watched,
/// since a forwarded packet would otherwise be seen twice. Which they are says
/// [`Handover`](crate::handover::Handover), since that may change.
pub const FLAG_SKIP_FORWARDED: u32 = 1 << 2;

/// Sets in the flow table by default: 2^14 of four records each, 65,536 connections, 22 MB.
///
/// A record stays until its set needs the room, so the table bounds how long a connection can be
/// silent and still be known, not how many connections there may be.
pub const DEFAULT_FLOW_SETS: u32 = 1 << 14;

/// Sets in the DNS table by default: 2^14 of four, 65,536 questions in flight or just answered, 9 MB.
///
/// At 5,000 queries a second this remembers each for about thirteen seconds: so long after a question a
/// stub resolver may repeat it, and that there were two explains two answers.
pub const DEFAULT_DNS_SETS: u32 = 1 << 14;

/// Sets in the table of resolvers by default: 2^10 of four. Beside a resolver that asks the whole
/// world, the servers asked lately.
pub const DEFAULT_RESOLVER_SETS: u32 = 1 << 10;

/// Sets in the QUIC table by default: 2^13 of four, 32,768 connections, 3 MB.
///
/// At 1,600 new connections a second this remembers each for the 20 s in which its client tries
/// again.
pub const DEFAULT_QUIC_SETS: u32 = 1 << 13;

/// Events per second, CPU and class by default.
pub const DEFAULT_EVENT_RATE: u32 = 100_000;

/// Bits in the bitmap of watched addresses.
///
/// 2^16 bits are 8 KiB: they stay in the first-level cache, so that a bulk packet of an unwatched
/// flow costs one hit. With 1,000 watched addresses 1.5 % of the others are watched by accident,
/// which costs time, never a finding.
pub const WATCH_BITS: u32 = 1 << 16;

/// 64-bit words of that bitmap.
pub const WATCH_WORDS: u32 = WATCH_BITS / 64;

/// Bits of the bitmap of clients that have begun a hello which goes on in another segment. It lies behind that of
/// watched addresses.
///
/// It is for as long as the rest takes to come, some microseconds, and emptied once a minute. One that shares its bit
/// with another is looked at in full: that costs time, never a finding.
pub const AWAIT_BITS: u32 = 1 << 15;

/// 64-bit words of both bitmaps.
pub const MARK_WORDS: u32 = WATCH_WORDS + AWAIT_BITS / 64;

impl Config {
    /// What a replay runs with: everything watched, nothing limited, nothing random.
    pub const fn replay() -> Self {
        Self {
            hash_key: HashKey { k0: 0, k1: 0 },
            flow_mask: DEFAULT_FLOW_SETS - 1,
            dns_mask: DEFAULT_DNS_SETS - 1,
            flags: FLAG_WATCH_ALL | FLAG_STAMPED,
            event_rate: 0,
            dns_ports: [53, 0, 0, 0],
            resolver_mask: DEFAULT_RESOLVER_SETS - 1,
            quic_mask: DEFAULT_QUIC_SETS - 1,
        }
    }

    /// Whether every flow is watched.
    #[inline(always)]
    pub const fn watch_all(&self) -> bool {
        self.flags & FLAG_WATCH_ALL != 0
    }

    /// Whether `port` is taken for DNS.
    #[inline(always)]
    pub const fn is_dns_port(&self, port: u16) -> bool {
        let [a, b, c, d] = self.dns_ports;
        port != 0 && (port == a || port == b || port == c || port == d)
    }

    /// Whether one of two ports is taken for DNS.
    ///
    /// Asked by each port of the settings: the verifier knows which there are, and leaves out the questions
    /// for those there are not.
    #[inline(always)]
    pub const fn is_dns(&self, from: u16, to: u16) -> bool {
        let [a, b, c, d] = self.dns_ports;
        a != 0 && (from == a || to == a)
            || b != 0 && (from == b || to == b)
            || c != 0 && (from == c || to == c)
            || d != 0 && (from == d || to == d)
    }

    /// The octets that the loader writes over the program's read-only global.
    pub const fn as_octets(&self) -> &[u8] {
        // SAFETY: `Config` is `repr(C)`, made of integers, and the assertion below shows that it
        // has no padding.
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(self).cast(), size_of::<Self>()) }
    }
}

const _: () = assert!(size_of::<Config>() == 16 + 4 * 4 + 2 * DNS_PORTS + 4 * 2);
