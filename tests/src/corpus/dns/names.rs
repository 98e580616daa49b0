//! What names there are, and what a resolver that tells the truth says of them.
//!
//! A name keeps its traits over all of a world: whether it has one address or many, lies behind a
//! content network that answers each resolver differently, or does not exist.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::{Data, Message, Opt, Question, Record, flag, kind, rcode};
use crate::corpus::{rng::Rng, script::SECOND};

/// How a name is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// From one address.
    Alone,
    /// From four, in turning order.
    RoundRobin,
    /// By a content network behind an alias: other addresses for each machine of a resolver, and
    /// again every half minute.
    Network,
    /// From some of a pool of sixteen in two networks, others each time.
    Pool,
    /// It does not exist.
    Nowhere,
    /// It has no address of either family, but exists.
    Empty,
    /// As LinkedIn's are: behind one front or another.
    Front(&'static [&'static str], &'static [&'static str]),
}

/// A name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// In lower case.
    pub text: String,
    /// How it is served.
    pub served: Served,
    /// What its addresses follow from.
    seed: u64,
}

/// LinkedIn's names with the addresses that they had in 2024 and 2025: Azure Front Door, Cloudflare,
/// Akamai, and its own network.
pub const WATCHED: [(&str, &[&str], &[&str]); 5] = [
    (
        "www.linkedin.com",
        &["13.107.42.14", "150.171.22.12", "104.18.41.41 172.64.146.215"],
        &[
            "2620:1ec:21::14",
            "2620:1ec:50::12",
            "2606:4700:4400::6812:2929 2606:4700:4400::ac40:92d7",
        ],
    ),
    ("linkedin.com", &["150.171.22.12"], &["2620:1ec:50::12"]),
    (
        "static.licdn.com",
        &["23.47.52.10 23.47.52.27", "152.199.24.163", "104.18.41.41 172.64.146.215"],
        &["2600:1406:5600::1732:340a", "2606:4700:4400::6812:2929"],
    ),
    ("lnkd.in", &["108.174.10.24"], &["2620:109:c002::6cae:a18"]),
    (
        "media.licdn.com",
        &["2.18.121.20 2.18.121.29", "152.199.24.163"],
        &["2a02:26f0:1700::1712:7914"],
    ),
];

/// Names that censors know and this project's default list does not.
pub const OTHERS: [&str; 3] = ["www.google.com", "www.facebook.com", "twitter.com"];

/// Names that are controls.
pub const CONTROLS: [&str; 6] = [
    "www.example.org",
    "www.example.com",
    "www.debian.org",
    "www.msftconnecttest.com",
    "www.office.com",
    "teams.microsoft.com",
];

impl Name {
    /// One of [`WATCHED`], whichever number is given.
    pub fn watched(number: u64) -> Self {
        let (text, v4, v6) = WATCHED[number as usize % WATCHED.len()];
        Self { text: text.into(), served: Served::Front(v4, v6), seed: 0 }
    }

    /// One that a censor acts on: mostly watched ones.
    pub fn forbidden(number: u64) -> Self {
        if number % 4 == 3 {
            let text = OTHERS[(number / 4) as usize % OTHERS.len()];
            return Self { text: text.into(), served: Served::Alone, seed: number / 4 % 3 };
        }
        Self::watched(number / 4 * 3 + number % 4)
    }

    /// One of [`CONTROLS`].
    pub fn control(number: u64) -> Self {
        let text = CONTROLS[number as usize % CONTROLS.len()];
        Self { text: text.into(), served: Served::Alone, seed: 0xc0 + number % 6 }
    }

    /// The name called `text`.
    pub fn called(text: &str, served: Served, seed: u64) -> Self {
        Self { text: text.into(), served, seed }
    }

    /// Name `number` of the world.
    pub fn of(world: u64, number: u64) -> Self {
        let mut rng = Rng::part(world ^ 0x4a3e5, number);
        let served = match rng.below(100) {
            0..46 => Served::Alone,
            46..60 => Served::RoundRobin,
            60..82 => Served::Network,
            82..88 => Served::Pool,
            88..95 => Served::Nowhere,
            _ => Served::Empty,
        };
        let first = ["www", "api", "cdn", "m", "img"][rng.below(5) as usize];
        let last = ["net", "com", "de", "io"][rng.below(4) as usize];
        Self { text: format!("{first}.site-{number}.{last}"), served, seed: rng.bits() }
    }

    /// A question for it.
    pub fn question(&self, kind: u16) -> Question {
        Question { name: self.text.clone(), kind }
    }

    /// The truth about it, as a machine of number `node` says it at `time`: code, answers, authority.
    pub fn truth(&self, kind: u16, node: u64, time: u64, rng: &mut Rng) -> Said {
        let mut said = Said { rcode: 0, answers: Vec::new(), authority: Vec::new() };
        let ttl = rng.range(20, 600) as u32;
        if self.served == Served::Nowhere {
            said.rcode = rcode::NXDOMAIN;
        }
        let v6 = kind == kind::AAAA;
        // One in four names has no IPv6 address.
        let addresses = if kind == kind::A || v6 && !self.seed.is_multiple_of(4) || self.is_front()
        {
            self.addresses(v6, node, time, rng)
        } else {
            Vec::new()
        };
        if !matches!(kind, kind::A | kind::AAAA) || addresses.is_empty() {
            said.authority.push(soa(ttl));
            return said;
        }
        let alias = self.alias(&addresses);
        if let Some(alias) = &alias {
            said.answers.push(Record::new(300, Data::Alias(alias.clone())));
        }
        said.answers.extend(addresses.into_iter().map(|address| Record {
            owner: alias.clone(),
            ttl,
            data: Data::Address(address),
        }));
        said
    }

    const fn is_front(&self) -> bool {
        matches!(self.served, Served::Front(..))
    }

    fn alias(&self, addresses: &[IpAddr]) -> Option<String> {
        match self.served {
            Served::Network => Some(format!("e{}.g.edge-net.net", self.seed % 9_000)),
            Served::Front(..) if self.text.starts_with("www") => Some(match addresses[0] {
                IpAddr::V4(v4) if v4.octets()[0] == 104 => "cf-afd.www.linkedin.com".into(),
                IpAddr::V6(v6) if v6.segments()[0] == 0x2606 => "cf-afd.www.linkedin.com".into(),
                _ => "www-linkedin-com.l-0005.l-msedge.net".into(),
            }),
            _ => None,
        }
    }

    /// Its addresses.
    fn addresses(&self, v6: bool, node: u64, time: u64, rng: &mut Rng) -> Vec<IpAddr> {
        let at = |network: u64, host: u64| address(self.seed.wrapping_add(network), host, v6);
        match self.served {
            Served::Alone => vec![at(0, 1)],
            Served::RoundRobin => {
                let first = rng.below(4);
                (0..4).map(|one| at(0, 1 + (first + one) % 4)).collect()
            }
            Served::Network => {
                let epoch = time / (30 * SECOND);
                let place = Rng::part(self.seed ^ node, epoch).below(6);
                (1..=2).map(|host| at(1 + place, host)).collect()
            }
            Served::Pool => {
                let mut hosts: Vec<u64> = (0..16).collect();
                (0..4)
                    .map(|_| hosts.swap_remove(rng.below(hosts.len() as u64) as usize))
                    .map(|host| at(host / 8, 10 + host))
                    .collect()
            }
            Served::Nowhere | Served::Empty => Vec::new(),
            Served::Front(v4, of_v6) => {
                let choices = if v6 { of_v6 } else { v4 };
                let epoch = time / (60 * SECOND);
                let which = Rng::part(node ^ 0xf407, epoch).below(choices.len() as u64);
                choices[which as usize].split(' ').filter_map(|text| text.parse().ok()).collect()
            }
        }
    }
}

/// A public address of host `host` in the network that follows from `seed`.
pub fn address(seed: u64, host: u64, v6: bool) -> IpAddr {
    let mut rng = Rng::part(seed, 0xadd);
    // First octets between 12 and 99 but 10 have no special networks (RFC 6890).
    let network = [rng.range(12, 99) as u8, rng.below(256) as u8, rng.below(256) as u8];
    if v6 {
        let [_, b, c] = network;
        let low = u16::from_be_bytes([b, c]);
        Ipv6Addr::new(0x2a00 | network[0] as u16 & 0xf, low, low ^ 0x1111, 0, 0, 0, 0, host as u16)
            .into()
    } else {
        Ipv4Addr::new(network[0], network[1], network[2], host as u8).into()
    }
}

/// What is said of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Response code.
    pub rcode: u16,
    /// Answers.
    pub answers: Vec<Record>,
    /// Authority section.
    pub authority: Vec<Record>,
}

impl Said {
    /// As a reply to `query` with `flags`.
    pub fn reply(self, query: &Message, flags: u16, opt: Option<Opt>) -> Message {
        let mut reply = query.reply(flags | self.rcode, self.answers);
        reply.authority = self.authority;
        reply.opt = opt;
        reply
    }
}

/// The record that comes with "no" (RFC 2308).
pub fn soa(ttl: u32) -> Record {
    let mut data = Vec::with_capacity(64);
    super::message::put_name("ns.registry-servers.net", &mut data);
    super::message::put_name("hostmaster.registry-servers.net", &mut data);
    for number in [2_026_010_101_u32, 7_200, 900, 1_209_600, 300] {
        data.extend_from_slice(&number.to_be_bytes());
    }
    Record { owner: Some("net".into()), ttl, data: Data::Opaque(kind::SOA, data) }
}

/// `name` in capitals and small letters at random ("0x20").
pub fn mixed(name: &str, rng: &mut Rng) -> String {
    let mut bits = rng.bits();
    let mut flip = |letter: char| {
        bits = bits.rotate_left(1);
        if bits & 1 == 1 { letter.to_ascii_uppercase() } else { letter }
    };
    name.chars().map(&mut flip).collect()
}

/// Flags without the bits that tell an authority from a recursive resolver.
pub const fn authoritative(query_flags: u16) -> u16 {
    flag::QR | flag::AA | query_flags & flag::RD
}
