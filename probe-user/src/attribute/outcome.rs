//! How one flow or one DNS exchange ended: what attribution is made from.
//!
//! An outcome is small, and says of the client only two tokens, which are drawn anew every day and kept
//! in memory: see [`Tokens`](super::token::Tokens).

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::report::finding::{Confidence, Position, Stage, Verdict as Finding};

/// Length of an IPv4 network that counts as one place.
const PLACE_V4: u8 = 24;

/// Length of an IPv6 network that counts as one place.
const PLACE_V6: u8 = 48;

/// One flow, or one DNS question with its replies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// When it ended or was found to have ended, nanoseconds since 1970-01-01 UTC.
    pub time: u64,
    /// Which observer saw it: 0 unless several report to one attributor.
    pub vantage: u16,
    /// The service or control asked for: its place in
    /// [`TargetSet::services`](crate::targets::TargetSet::services).
    pub service: u16,
    /// Which of the service's suffixes the name fell under: its place in
    /// [`Service::suffixes`](crate::targets::Service::suffixes). The name itself is not kept. `None` if
    /// the service was known by address alone.
    pub suffix: Option<u16>,
    /// What was spoken.
    pub protocol: Protocol,
    /// Who was asked: the server, or the resolver.
    pub place: Place,
    /// Who asked.
    pub client: Client,
    /// Which of the equal-cost paths the flow presumably took: any hash of addresses and ports, as a
    /// router makes it, reduced to [`PATHS`].
    pub path: u8,
    /// How it ended.
    pub ending: Ending,
    /// What the detectors proved or suspected of it.
    pub finding: Option<Trace>,
    /// Hops between the observer and the server, by its TTL.
    pub server_hops: Option<u8>,
    /// How fast it was, if it was long enough to tell.
    pub goodput: Option<Goodput>,
    /// An accused flow of the same client to the same server and port shortly before.
    pub after: Option<After>,
    /// The client's first data was larger than one segment.
    pub large_hello: bool,
    /// Both directions were seen. Silence of a flow of which one direction was seen means nothing.
    pub both_ways: bool,
}

#[cfg(test)]
impl Outcome {
    /// A connection of one client to one server that was served, for tests to say what is otherwise.
    pub(crate) fn served() -> Self {
        Self {
            time: 0,
            vantage: 0,
            service: 0,
            suffix: None,
            protocol: Protocol::TcpTls,
            place: Place {
                network: Network::of([198, 51, 100, 1].into()),
                asn: None,
                server: 1,
                local: false,
            },
            client: Client { token: 1, network: 1 },
            path: 0,
            ending: Ending::Served,
            finding: None,
            server_hops: None,
            goodput: None,
            after: None,
            large_hello: false,
            both_ways: true,
        }
    }
}

/// Buckets that paths are told apart by.
pub const PATHS: u8 = 16;

/// What a flow spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// DNS.
    Dns,
    /// HTTP without TLS, or a connection to its port that did not come so far.
    TcpHttp,
    /// TLS over TCP, or a connection to its port that did not come so far.
    TcpTls,
    /// QUIC.
    Quic,
}

impl Protocol {
    /// As in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::TcpHttp => "tcp-http",
            Self::TcpTls => "tcp-tls",
            Self::Quic => "quic",
        }
    }
}

/// Where a server or resolver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Its network.
    pub network: Network,
    /// The autonomous system that announces the network, if known.
    pub asn: Option<u32>,
    /// Stands for its address: any number that differs where addresses do.
    pub server: u64,
    /// It stands on the client's own side (a private or link-local address): its policy is the
    /// subscriber's, not the network's.
    pub local: bool,
}

/// A /24 of IPv4 or a /48 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Network(IpNet);

impl Network {
    /// The network of an address. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let address = address.to_canonical();
        let length = if address.is_ipv4() { PLACE_V4 } else { PLACE_V6 };
        // Both lengths are valid for their kind of address.
        Self(IpNet::new_assert(address, length).trunc())
    }

    /// As a prefix.
    #[must_use]
    pub const fn prefix(self) -> IpNet {
        self.0
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Who asked, without saying who.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Client {
    /// The same for the flows of one client on one day.
    pub token: u64,
    /// The same for the clients of one /24 or /48 on one day.
    pub network: u64,
}

/// How a flow ended, as far as the service is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ending {
    /// The client got what it asked for, or enough to call it served.
    Served,
    /// Nothing more came, and the client was waiting.
    Silent {
        /// How far it had come. `PostPsh` for a QUIC Initial, and for a DNS question.
        stage: Stage,
        /// What the client said last had been acknowledged.
        acknowledged: bool,
    },
    /// A reset in the name of the server, or one that answers a forged packet.
    Reset {
        /// How far it had come.
        stage: Stage,
    },
    /// A page that says that access is blocked.
    BlockPage,
    /// A DNS answer that the name's owner does not give.
    FalseAnswer(FalseAnswer),
    /// The other end said that it cannot: a TLS alert, HTTP 5xx, SERVFAIL.
    Error,
    /// An ICMP error came back.
    Icmp(Icmp),
    /// The client left by itself. Says nothing about the service, and is not counted.
    Abandoned,
}

/// What is false about a DNS answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FalseAnswer {
    /// The address of a page or sink that censors are known to use.
    Listed,
    /// An address that is nobody's: private, loopback, unspecified, documentation.
    Bogus,
    /// That the name does not exist, which others contradict.
    Denied,
    /// An address in this network, where the service has not been seen.
    Elsewhere(Network),
}

/// What an ICMP error said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Icmp {
    /// Administratively prohibited (ICMP type 3 codes 9, 10, 13; ICMPv6 type 1 codes 1, 5, 6).
    Prohibited {
        /// Hops to whoever sent it, by its TTL; none if he is in the servers' own networks.
        hops: Option<u8>,
    },
    /// Host, network or port unreachable, time exceeded.
    Unreachable,
}

/// What the detectors said of the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// The finding's verdict.
    pub verdict: Finding,
    /// The finding's confidence.
    pub confidence: Confidence,
    /// On which side of the observer the device stands.
    pub position: Position,
    /// Hops to the device.
    pub hops: Option<u8>,
}

impl Trace {
    /// Whether packets are proven to have been made, changed or falsified by somebody else than the
    /// server: silence is no such proof.
    #[must_use]
    pub const fn proves_a_hand(&self) -> bool {
        matches!(self.verdict, Finding::Injected | Finding::Rewritten)
    }
}

/// How fast a flow was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goodput {
    /// Payload bits a second, over the flow but its first second.
    pub bits_per_second: u32,
    /// Seconds of the flow were alike: coefficient of variation below 0.15.
    pub plateau: bool,
    /// More than 3 % of packets were lost and the round trip did not grow: policing, not a queue.
    pub policed: bool,
}

/// An accused flow before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    /// The service that it had asked for.
    pub service: u16,
    /// Seconds since then.
    pub seconds: u16,
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[test]
    fn a_place_is_a_24_or_a_48() {
        let of = |text: &str| Network::of(text.parse().expect("an address")).to_string();
        assert_eq!(of("108.174.10.10"), "108.174.10.0/24");
        assert_eq!(of("::ffff:108.174.10.10"), "108.174.10.0/24");
        assert_eq!(of("2620:109:c00a:1::5"), "2620:109:c00a::/48");
    }
}
