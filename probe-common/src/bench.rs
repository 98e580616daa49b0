//! What the programs for measurement are told: how to make of one packet a million.
//!
//! A test run of the kernel repeats one packet. A cost measured so is that of one hot flow, whose
//! records never leave the first-level cache. So the programs of `cargo xtask bench` write another
//! client's address and port into the packet at each repetition, and hand it to the very engine.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// How a packet is varied, and how often it was: one for each CPU.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Vary {
    /// Packets so far.
    pub sequence: u64,
    /// Number of flows, less one: a power of two less one, or all ones for a new one each time.
    pub mask: u64,
    /// Where the low 32 bits of the client's address lie.
    pub address_at: u32,
    /// Where the client's port lies.
    pub port_at: u32,
    /// Where the sequence number or, of DNS, id and flags lie; 0: it is left alone.
    pub number_at: u32,
    /// What is added to it from one round through the flows to the next.
    pub number_step: u32,
    /// Its value in the first round.
    pub number: u32,
    /// The order in which flows come: an odd factor, so that each comes once in a round.
    pub factor: u32,
    /// What was last read of the flow table, where only that is measured: the next place depends on
    /// it, so that no two waits for memory overlap.
    pub read: u64,
}

/// Offsets are below this: headers lie at the beginning.
pub const OFFSET_MAX: u32 = 255;

/// First of the clients' ports.
pub const PORT: u16 = 32_768;

/// Clients that share an address.
pub const PORTS: u64 = 1 << 12;

/// The client of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Low 32 bits of its address.
    pub address: u32,
    /// Its port.
    pub port: u16,
    /// The packet's number.
    pub number: u32,
}

impl Vary {
    /// The next packet's client.
    #[inline(always)]
    pub const fn step(&mut self) -> Client {
        let at = self.sequence;
        self.sequence = at.wrapping_add(1);
        if self.mask == u64::MAX {
            // A new flow each time: an odd factor again, over all 64 bits.
            let spread = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let port = (spread >> 48) as u16 | 1 << 15;
            return Client { address: (spread >> 16) as u32, port, number: spread as u32 };
        }
        let flow = at.wrapping_mul(self.factor as u64) & self.mask;
        let round = at >> self.mask.count_ones();
        let number = self.number.wrapping_add((round as u32).wrapping_mul(self.number_step));
        // 10.0.0.0/8 and what follows.
        let address = 0x0a00_0000 + (flow / PORTS) as u32;
        Client { address, port: PORT + (flow % PORTS) as u16, number }
    }
}

const _: () = assert!(size_of::<Vary>() == 48);

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::BTreeSet;

    use super::{Client, Vary};

    #[test]
    fn every_flow_comes_once_in_a_round() {
        let mut vary =
            Vary { mask: 0xfff, factor: 0x9e37_79b1, number: 7, number_step: 5, ..Vary::default() };
        for round in 0..3 {
            let flows: BTreeSet<(u32, u16)> = (0..0x1000)
                .map(|_| vary.step())
                .inspect(|client: &Client| assert_eq!(client.number, 7 + 5 * round))
                .map(|client| (client.address, client.port))
                .collect();
            assert_eq!(flows.len(), 0x1000);
        }
    }

    #[test]
    fn a_flood_repeats_no_client() {
        let mut vary = Vary { mask: u64::MAX, ..Vary::default() };
        let clients: BTreeSet<(u32, u16)> =
            (0..10_000).map(|_| vary.step()).map(|client| (client.address, client.port)).collect();
        assert_eq!(clients.len(), 10_000);
    }
}
