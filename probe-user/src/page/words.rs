//! What a verdict says, in words.

use crate::{
    attribute::{
        Method, Verdict,
        outcome::Protocol,
        verdict::{Explanation, Onset, Pattern, Spread, Standing},
    },
    report::finding::{EvidenceClass, Position},
};

use super::numbers::{moment, percent, within};

/// After "is blocked by".
pub(super) const fn by(method: Method) -> &'static str {
    match method {
        Method::DnsInjection => "forged DNS answers made on the way",
        Method::DnsLie => "false DNS answers from the resolver or a device in its place",
        Method::IpDrop => "dropping packets to its addresses",
        Method::IpReset => "resets before any name is said",
        Method::IcmpReject => "ICMP rejections from a device on the way",
        Method::SniReset => "resets after its name is said in TLS",
        Method::SniDrop => "dropping packets after its name is said in TLS",
        Method::SniRewrite => "changing the server\u{2019}s answer after its name is said in TLS",
        Method::HttpBlockpage => "a block page in place of its own over HTTP",
        Method::HttpReset => "resets after its name is said over HTTP",
        Method::QuicDrop => "dropping QUIC packets after its name is said",
        Method::Throttle => "slowing its flows down by policing",
        Method::Residual => "failures for a while after an accused flow of the same client",
        Method::None | Method::Outage | Method::Inconclusive => "",
    }
}

/// As a label.
pub(super) const fn label(method: Method) -> &'static str {
    match method {
        Method::DnsInjection => "Forged DNS answers",
        Method::DnsLie => "False DNS answers",
        Method::IpDrop => "Dropped by address",
        Method::IpReset => "Reset by address",
        Method::IcmpReject => "Rejected by ICMP",
        Method::SniReset => "Reset by name in TLS",
        Method::SniDrop => "Dropped by name in TLS",
        Method::SniRewrite => "Answer rewritten by name in TLS",
        Method::HttpBlockpage => "Block page",
        Method::HttpReset => "Reset by name in HTTP",
        Method::QuicDrop => "QUIC dropped by name",
        Method::Throttle => "Slowed down",
        Method::Residual => "Residual failures",
        Method::None => "Reachable",
        Method::Outage => "Outage",
        Method::Inconclusive => "Cannot be said",
    }
}

/// How it works, in a sentence.
pub(super) const fn how(method: Method) -> &'static str {
    match method {
        Method::DnsInjection => {
            "A device on the way answers the client\u{2019}s DNS question before the resolver can; the \
             resolver\u{2019}s own answer comes later, and contradicts it."
        }
        Method::DnsLie => {
            "The answer comes from where the resolver is, and is not what the name\u{2019}s owner gives. \
             Whether the resolver itself or a device in its place made it cannot be told."
        }
        Method::IpDrop => {
            "Packets to these addresses get no answer, whatever name is asked for, while other \
             networks answer."
        }
        Method::IpReset => {
            "Connections are reset in the server\u{2019}s name before the client has said which service \
             it wants: the address alone is the trigger."
        }
        Method::IcmpReject => {
            "A device on the way answers the client\u{2019}s packets with ICMP messages that forbid them."
        }
        Method::SniReset => {
            "The connection is made, the client says the name in its ClientHello, and a reset comes in \
             the server\u{2019}s name that the server did not send."
        }
        Method::SniDrop => {
            "The connection is made, the client says the name in its ClientHello, and from then on \
             nothing gets through."
        }
        Method::SniRewrite => {
            "The connection is made, the client says the name in its ClientHello, and what the server \
             answers is changed on its way into something that ends the connection."
        }
        Method::HttpBlockpage => {
            "The client asks for the name over HTTP and is given a page, or a redirection to one, that \
             the server did not send."
        }
        Method::HttpReset => {
            "The client asks for the name over HTTP, and a reset comes in the server\u{2019}s name that \
             the server did not send."
        }
        Method::QuicDrop => {
            "The name is said in the first QUIC packet, and no answer gets through, while other names \
             are answered."
        }
        Method::Throttle => {
            "Flows of this service run at a rate that somebody sets, by dropping what exceeds it, while \
             those of controls run free."
        }
        Method::Residual => {
            "For a while after a flow that was interfered with, other flows of the same client to the \
             same server fail, too, whatever they ask for."
        }
        Method::None | Method::Outage | Method::Inconclusive => "",
    }
}

/// What is spoken.
pub(super) const fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Dns => "DNS",
        Protocol::TcpHttp => "HTTP",
        Protocol::TcpTls => "TLS",
        Protocol::Quic => "QUIC",
    }
}

/// What else it could be.
pub(super) const fn explanation(explanation: Explanation) -> &'static str {
    match explanation {
        Explanation::Uplink => "The observer\u{2019}s own uplink",
        Explanation::Path => "The path to the servers\u{2019} network",
        Explanation::Server => "The servers themselves",
        Explanation::Overload => "Overload",
        Explanation::Resolver => "A resolver that fails for all names",
        Explanation::FilteringResolver => "A filter that its users chose",
        Explanation::Moved => "The service has moved",
        Explanation::ClientSide => "Trouble of a few clients",
        Explanation::VantageBlind => "An observer that sees one direction",
        Explanation::PacketSize => "Large packets that do not pass",
    }
}

/// How it stands.
pub(super) const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Lost => "excluded",
        Standing::Stands => "not excluded",
        Standing::Won => "explains it",
    }
}

/// Since when, as it ends a sentence.
pub(super) fn since(onset: Option<Onset>) -> String {
    match onset {
        Some(Onset::Between(interval)) => format!("since {}", within(interval)),
        Some(Onset::Before(first)) => {
            format!("since before the observation began on {}", moment(first))
        }
        None => "since a moment that is not known".into(),
    }
}

/// Since when, as a table has it.
pub(super) fn onset(onset: Option<Onset>) -> String {
    match onset {
        Some(Onset::Between(interval)) => within(interval),
        Some(Onset::Before(first)) => format!("before {}", moment(first)),
        None => "not known".into(),
    }
}

/// How it is spread.
pub(super) fn pattern(pattern: &Pattern) -> String {
    let (hit, all) = pattern.paths;
    let spread = match pattern.spread {
        Spread::All => "All flows are affected, but for what every measurement misses".into(),
        Spread::SomePaths => {
            format!("Some paths are affected entirely and others not at all: {hit} of {all}")
        }
        Spread::SomeClients => {
            "Some clients are affected entirely and others not at all".to_owned()
        }
        Spread::ByChance => "A share of the flows is affected, as if by chance".into(),
    };
    format!(
        "{spread}. Since the onset that is {} of flows, what controls lose taken off; of clients with \
         several flows, {} lose every one. {hit} of {all} path buckets are affected.",
        percent(pattern.share),
        percent(pattern.clients_entirely)
    )
}

/// On which side.
pub(super) const fn side(position: Position) -> Option<&'static str> {
    match position {
        Position::Upstream => Some("between the observer and the server"),
        Position::Downstream => Some("between the observer and the client"),
        Position::Unknown => None,
    }
}

/// A kind of evidence.
pub(super) const fn class(class: EvidenceClass) -> &'static str {
    match class {
        EvidenceClass::S => "numbers",
        EvidenceClass::H => "header lineage",
        EvidenceClass::K => "known constant",
        EvidenceClass::T => "time",
        EvidenceClass::D => "contradiction",
        EvidenceClass::N => "silence",
        EvidenceClass::P => "this name against others",
        EvidenceClass::R => "aftermath",
    }
}

/// Whether the figures of a verdict belong to an accusation that still holds.
pub(super) fn lasts(verdict: &Verdict) -> bool {
    verdict.method.accuses() && verdict.end.is_none()
}
