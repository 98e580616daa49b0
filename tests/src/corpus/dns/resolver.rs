//! Resolvers: where they are, how many machines stand behind one address, what their packets look
//! like. A resolver of one number keeps all that over a world, since an observer learns it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::corpus::{rng::Rng, script::MS};

/// Where IP-IDs of replies come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// 0, with DF: Linux where the socket sets it, many forwarders.
    Zero,
    /// A counter for each client, from a random start: Linux without DF, as unbound and BIND send.
    PerClient,
    /// One counter for all: Windows.
    Global,
    /// Random: OpenBSD, some appliances.
    Random,
}

/// A machine that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Which one it is: content networks answer each differently.
    pub number: u64,
    /// Hops behind the router.
    pub hops: u8,
    /// One way behind the router, in nanoseconds.
    pub delay: u64,
    /// Initial TTL.
    pub ttl: u8,
    /// IP-IDs.
    pub ids: Ids,
    /// Don't fragment.
    pub df: bool,
}

/// A resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    /// Its addresses.
    pub address: [IpAddr; 2],
    /// The machines behind them; the first is the usual one.
    pub nodes: Vec<Node>,
    /// Whether it knows EDNS.
    pub edns: bool,
    /// Share of questions, in percent, that it has to ask others for first.
    pub cold: u64,
    /// Its number.
    pub number: u32,
}

/// What kind a resolver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Of the provider: near, one machine or two.
    Provider,
    /// Public, on anycast: some way off, a pool.
    Public,
    /// Far away.
    Far,
}

impl Resolver {
    /// Resolver `number` of the world of `seed`.
    pub fn of(seed: u64, number: u32) -> Self {
        let sort = match number % 5 {
            0 | 1 => Sort::Provider,
            2 | 3 => Sort::Public,
            _ => Sort::Far,
        };
        Self::sort(seed, number, sort)
    }

    /// The same of a given sort.
    pub fn sort(seed: u64, number: u32, sort: Sort) -> Self {
        let mut rng = Rng::part(seed ^ 0xd45, number.into());
        let (hops, delay, machines) = match sort {
            Sort::Provider => (rng.range(2, 5), rng.range(MS, 5 * MS), rng.range(1, 2)),
            Sort::Public => (rng.range(5, 11), rng.range(4 * MS, 18 * MS), rng.range(1, 5)),
            Sort::Far => (rng.range(9, 18), rng.range(25 * MS, 95 * MS), rng.range(1, 2)),
        };
        // Machines of one pool run the same, and stand in one room or in two.
        let (ttl, ids, df) = *rng.pick(&[
            (64, Ids::PerClient, false),
            (64, Ids::PerClient, false),
            (64, Ids::Zero, true),
            (64, Ids::Random, false),
            (128, Ids::Global, false),
            (255, Ids::Random, false),
        ]);
        let nodes = (0..machines)
            .map(|one| {
                let far = one > 0 && rng.chance(0.4);
                Node {
                    number: u64::from(number) << 8 | one,
                    hops: hops as u8 + if far { rng.range(1, 3) as u8 } else { 0 },
                    delay: delay + if far { rng.range(MS / 2, 6 * MS) } else { 0 },
                    ttl,
                    ids,
                    df,
                }
            })
            .collect();
        // Each in a network of its own, a /24 or a /48, up to 256 of them; the next ones beside those.
        let v4 = Ipv4Addr::from(0xc613_0035 + ((number % 256) << 8) + ((number / 256 % 4) << 6));
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0x100 + number as u16, 1, 0, 0, 0, 0x53);
        Self {
            address: [v4.into(), v6.into()],
            nodes,
            edns: rng.chance(0.9),
            cold: rng.range(5, 45),
            number,
        }
    }
}

impl Node {
    /// TTL of its packets at the router.
    pub const fn ttl_here(&self) -> u8 {
        self.ttl.saturating_sub(self.hops)
    }

    /// IP-ID of a packet for `client` at `time`, the `nth` of a scene.
    pub fn ip_id(&self, client: u16, time: u64, nth: u16, rng: &mut Rng) -> u16 {
        let start = (self.number as u16).wrapping_mul(40_503);
        match self.ids {
            Ids::Zero => 0,
            // Counters run on with what is sent to others, and in time.
            Ids::PerClient => start
                .wrapping_add(client.wrapping_mul(2_654))
                .wrapping_add((time / (40 * MS)) as u16)
                .wrapping_add(nth),
            Ids::Global => start.wrapping_add((time / (MS / 2)) as u16).wrapping_add(nth),
            Ids::Random => rng.u16(),
        }
    }
}
