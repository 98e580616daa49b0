//! What the agent tells the programs while they run, and what one agent leaves for the next.
//!
//! Programs that are pinned outlive their agent. What the next one has to know to go on with their tables is kept
//! where they are: in one more map, which the agent has in its memory.

use crate::{config::INTERFACES, counter::COUNTERS, hash::HashKey};

/// The one value of the map. The programs read `interfaces`, and nothing else of it; the agent writes it all.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Handover {
    /// Layout of this, of all other maps, and of events; 0: nobody has written here yet.
    pub layout: u64,
    /// The network namespace that the interfaces are of: number of its inode.
    pub namespace: u64,
    /// Key of the hash behind the tables: without it nothing in them is found.
    pub hash_key: HashKey,
    /// Sets of the tables of connections, questions, QUIC connections and resolvers, and octets of the ring.
    pub sizes: [u32; SIZES],
    /// Explicit padding.
    pub reserved: u32,
    /// Indices of the watched interfaces, for [`FLAG_SKIP_FORWARDED`](crate::config::FLAG_SKIP_FORWARDED); 0: none.
    pub interfaces: [u32; INTERFACES],
    /// Events taken out of the ring, by all agents.
    pub received: u64,
    /// When an agent last looked through the flow table, by the clock of the programs: that since boot, which goes
    /// on while the machine sleeps.
    pub looked: u64,
    /// For how long the machine had slept by then, since it was booted.
    pub slept: u64,
    /// Until when an agent has told or recorded what was counted, by the same clock.
    pub accounted: u64,
    /// What was counted until then.
    pub counts: [u64; COUNTERS as usize],
}

/// How many sizes are kept.
pub const SIZES: usize = 5;

const _: () = assert!(
    size_of::<Handover>()
        == 8 * 2 + 16 + 4 * (SIZES + 1 + INTERFACES) + 8 * 4 + 8 * COUNTERS as usize
);
