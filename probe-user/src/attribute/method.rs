//! By which method a service is blocked, and which method a flow's ending would be a sign of.

use serde::{Deserialize, Serialize};

use super::outcome::{Ending, Icmp, Outcome, Protocol};
use crate::report::finding::{Stage, Verdict as Finding};

/// What a verdict says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Forged DNS answers, made on the way.
    DnsInjection,
    /// False DNS answers of the resolver itself, or of a device in its place.
    DnsLie,
    /// Packets to the service's addresses are dropped.
    IpDrop,
    /// Connections to the service's addresses are reset before a name is said.
    IpReset,
    /// A device on the way rejects packets by ICMP.
    IcmpReject,
    /// Connections are reset once the name was said in TLS.
    SniReset,
    /// Packets are dropped once the name was said in TLS.
    SniDrop,
    /// What the server says is changed into a reset or something else.
    SniRewrite,
    /// A block page in place of the service's.
    HttpBlockpage,
    /// Connections are reset once the name was said in HTTP.
    HttpReset,
    /// QUIC is dropped once the name was said.
    QuicDrop,
    /// Flows are slowed down by policing.
    Throttle,
    /// What fails for a while after an accused flow of the same client, whatever it asks for.
    Residual,
    /// The service is reachable as the controls are.
    None,
    /// It is not, and for a reason that is nobody's decision.
    Outage,
    /// Not enough evidence for any of these.
    Inconclusive,
}

impl Method {
    /// All, in the order of reports.
    pub const ALL: [Self; 16] = [
        Self::DnsInjection,
        Self::DnsLie,
        Self::IpDrop,
        Self::IpReset,
        Self::IcmpReject,
        Self::SniReset,
        Self::SniDrop,
        Self::SniRewrite,
        Self::HttpBlockpage,
        Self::HttpReset,
        Self::QuicDrop,
        Self::Throttle,
        Self::Residual,
        Self::None,
        Self::Outage,
        Self::Inconclusive,
    ];

    /// As in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DnsInjection => "dns-injection",
            Self::DnsLie => "dns-lie",
            Self::IpDrop => "ip-drop",
            Self::IpReset => "ip-reset",
            Self::IcmpReject => "icmp-reject",
            Self::SniReset => "sni-reset",
            Self::SniDrop => "sni-drop",
            Self::SniRewrite => "sni-rewrite",
            Self::HttpBlockpage => "http-blockpage",
            Self::HttpReset => "http-reset",
            Self::QuicDrop => "quic-drop",
            Self::Throttle => "throttle",
            Self::Residual => "residual",
            Self::None => "none",
            Self::Outage => "outage",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// Whether a verdict of it says that somebody interferes.
    #[must_use]
    pub const fn accuses(self) -> bool {
        !matches!(self, Self::None | Self::Outage | Self::Inconclusive)
    }

    /// It acts on addresses, so other names at the same address suffer as well and say nothing.
    #[must_use]
    pub const fn acts_on_addresses(self) -> bool {
        matches!(self, Self::IpDrop | Self::IpReset | Self::IcmpReject)
    }

    /// It leaves nothing but silence or slowness: no packet can prove it.
    #[must_use]
    pub const fn leaves_no_packet(self) -> bool {
        matches!(self, Self::IpDrop | Self::SniDrop | Self::QuicDrop | Self::Throttle)
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What an outcome is in the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Symptom {
    /// None: it was served.
    Served,
    /// It failed as it would under this method.
    Of(Method),
    /// It failed in a way that is no sign of a method.
    Failed,
    /// It says nothing, and is not counted.
    Mute,
}

/// The symptom that an outcome is. Slowness is not among them: it shows only beside the controls.
#[must_use]
pub fn symptom(outcome: &Outcome) -> Symptom {
    if let Some(after) = outcome.after
        && after.service != outcome.service
        && matches!(outcome.ending, Ending::Silent { .. } | Ending::Reset { .. })
    {
        return Symptom::Of(Method::Residual);
    }
    let rewritten = outcome.finding.is_some_and(|trace| trace.verdict == Finding::Rewritten);
    match outcome.ending {
        Ending::Served => Symptom::Served,
        Ending::Abandoned => Symptom::Mute,
        Ending::Silent { .. } if !outcome.both_ways => Symptom::Mute,
        Ending::Silent { stage, .. } => silence(outcome.protocol, stage),
        Ending::Reset { stage } => reset(outcome.protocol, stage, rewritten),
        Ending::BlockPage => Symptom::Of(Method::HttpBlockpage),
        Ending::FalseAnswer(_) => {
            let forged = outcome.finding.is_some_and(|trace| trace.proves_a_hand());
            Symptom::Of(if forged { Method::DnsInjection } else { Method::DnsLie })
        }
        Ending::Icmp(Icmp::Prohibited { .. }) => Symptom::Of(Method::IcmpReject),
        Ending::Error | Ending::Icmp(Icmp::Unreachable) => Symptom::Failed,
    }
}

fn silence(protocol: Protocol, stage: Stage) -> Symptom {
    match (protocol, stage) {
        (Protocol::Dns, _) => Symptom::Failed,
        (Protocol::Quic, _) => Symptom::Of(Method::QuicDrop),
        (_, Stage::PostSyn | Stage::PostAck) => Symptom::Of(Method::IpDrop),
        (Protocol::TcpTls, Stage::PostPsh | Stage::LaterInFlow) => Symptom::Of(Method::SniDrop),
        // That a Host is dropped is not known of any censor; and servers that hang are many.
        (Protocol::TcpHttp, _) | (_, Stage::NoMatch) => Symptom::Failed,
    }
}

fn reset(protocol: Protocol, stage: Stage, rewritten: bool) -> Symptom {
    match (protocol, stage) {
        (Protocol::Dns | Protocol::Quic, _) | (_, Stage::NoMatch) => Symptom::Failed,
        (_, Stage::PostSyn | Stage::PostAck) => Symptom::Of(Method::IpReset),
        (Protocol::TcpTls, _) if rewritten => Symptom::Of(Method::SniRewrite),
        (Protocol::TcpTls, _) => Symptom::Of(Method::SniReset),
        (Protocol::TcpHttp, _) => Symptom::Of(Method::HttpReset),
    }
}

#[cfg(test)]
mod tests {
    use super::Method;

    #[test]
    fn names_in_json_are_those_in_words() {
        for method in Method::ALL {
            let json = serde_json::to_string(&method).expect("a name");
            assert_eq!(json, format!("{:?}", method.as_str()));
        }
        assert_eq!(Method::ALL.iter().filter(|method| method.accuses()).count(), 13);
    }
}
