//! Packets of one finding from top to bottom, between client, observer and server: a ladder diagram.
//!
//! Each packet is a row that reads as a sentence; the arrow beside it repeats what it says.

use probe_common::wire::tcp_flag;

use crate::{
    evidence::{End, Evidence, Exhibit, Origin, Reason, Standing, Tcp},
    report::finding::{Position, Protocol},
};

use super::numbers::{day, grouped, listed, moment, plural, visible};
use super::words;

/// Packets shown of one finding: a burst and what it answers. The file of evidence has all.
const ROWS_MAX: usize = 24;

/// Octets shown of a payload.
const OCTETS_SHOWN: usize = 64;

/// A finding, ready to be drawn.
#[derive(Debug)]
pub(super) struct Ladder {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) verdict: String,
    pub(super) when: String,
    pub(super) server: String,
    pub(super) name: Option<String>,
    /// `up`: the device is drawn between observer and server; `down`: between client and observer.
    pub(super) device: &'static str,
    pub(super) place: String,
    pub(super) fingerprints: Vec<String>,
    pub(super) reasons: Vec<ReasonRow>,
    pub(super) rows: Vec<Row>,
    pub(super) left_out: Option<String>,
}

/// A reason.
#[derive(Debug)]
pub(super) struct ReasonRow {
    pub(super) id: String,
    pub(super) worth: String,
    pub(super) words: String,
}

/// A packet.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) offset: String,
    /// `right`: from the client to the server.
    pub(super) direction: &'static str,
    /// Class: `forged`, also of what was changed, `questioned`, or nothing.
    pub(super) class: &'static str,
    /// What stands in capitals before it.
    pub(super) label: &'static str,
    pub(super) rebuilt: bool,
    /// Who sends it to whom, for those who cannot see the arrow.
    pub(super) route: String,
    pub(super) what: String,
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) payload: Option<String>,
    pub(super) note: String,
}

/// The diagram of a finding.
pub(super) fn ladder(id: String, evidence: &Evidence) -> Ladder {
    let shown = &evidence.packets[..evidence.packets.len().min(ROWS_MAX)];
    let missing = (evidence.packets.len() - shown.len()) as u64;
    let worth = evidence.confidence.as_str();
    let forged = pointed_at(evidence);
    Ladder {
        id,
        title: format!(
            "{forged}: {}",
            evidence.reasons.first().map_or_else(String::new, |reason| visible(&reason.words))
        ),
        verdict: format!("{} {worth}", evidence.verdict.as_str()),
        when: when(evidence),
        server: evidence.server.to_string(),
        name: evidence.name.as_deref().map(visible),
        device: match evidence.position {
            Position::Upstream => "up",
            Position::Downstream => "down",
            Position::Unknown => "no",
        },
        place: place(evidence),
        fingerprints: evidence.fingerprints.iter().map(|id| visible(id)).collect(),
        reasons: evidence
            .reasons
            .iter()
            .map(|reason| ReasonRow {
                id: visible(&reason.id),
                worth: format!("{}, {}", reason.confidence.as_str(), reason_kind(reason)),
                words: visible(&reason.words),
            })
            .collect(),
        rows: shown.iter().map(|packet| row(packet, evidence)).collect(),
        left_out: (missing > 0).then(|| format!("{} more not shown", plural(missing, "packet"))),
    }
}

/// How many packets are said to be what.
fn pointed_at(evidence: &Evidence) -> String {
    let parts: Vec<String> = [
        (Standing::Forged, "forged"),
        (Standing::Rewritten, "changed on the way"),
        (Standing::Questioned, "in question"),
    ]
    .into_iter()
    .filter_map(|(standing, words)| {
        let count = evidence.packets.iter().filter(|packet| packet.standing == standing).count();
        (count > 0).then(|| format!("{} {words}", plural(count as u64, "packet")))
    })
    .collect();
    if parts.is_empty() { "no packet to point at".into() } else { listed(&parts) }
}

/// As exactly as it may be told.
fn when(evidence: &Evidence) -> String {
    match evidence.within {
        0..=60 => format!("in the minute from {}", moment(evidence.time)),
        61..=3_600 => format!("in the hour from {}", moment(evidence.time)),
        _ => format!("on {} (UTC)", day(evidence.time)),
    }
}

/// The kind of a reason; a signature of Radar's, which is named T and a number, only says how it ended.
fn reason_kind(reason: &Reason) -> &'static str {
    let radar = reason.id.strip_prefix('T').is_some_and(|rest| rest.parse::<u8>().is_ok());
    if radar { "how it ended" } else { words::class(reason.class) }
}

fn place(evidence: &Evidence) -> String {
    let device = match (words::side(evidence.position), evidence.hops) {
        (None, None) => return "Where the device stands is not known.".into(),
        (Some(side), None) => format!("The device stands {side}"),
        (side, Some(hops)) => {
            let doubt = evidence.hops_range.filter(|[least, most]| least != most);
            let doubt =
                doubt.map(|[least, most]| format!(" ({least}\u{2013}{most})")).unwrap_or_default();
            let side = side.map(|side| format!(", {side}")).unwrap_or_default();
            format!("By its TTL the device is {} away{doubt}{side}", plural(hops.into(), "hop"))
        }
    };
    match evidence.server_hops {
        Some(hops) => format!("{device}; the server is {}.", plural(hops.into(), "hop")),
        None => format!("{device}."),
    }
}

fn row(packet: &Exhibit, evidence: &Evidence) -> Row {
    let (direction, name, to) = match packet.from {
        End::Client => ("right", "client", "server"),
        End::Server => ("left", "server", "client"),
    };
    let (class, label, route) = match packet.standing {
        Standing::Forged => {
            (" forged", "FORGED", format!("Forged in the name of the {name}, to the {to}:"))
        }
        Standing::Rewritten => {
            (" forged", "CHANGED", format!("Changed on its way from the {name} to the {to}:"))
        }
        Standing::Questioned => {
            (" questioned", "IN QUESTION", format!("In question, the {name} to the {to}:"))
        }
        Standing::Genuine => ("", "", format!("The {name} to the {to}:")),
    };
    Row {
        offset: offset(packet.offset),
        direction,
        class,
        label,
        rebuilt: packet.origin == Origin::Record,
        route,
        what: what(packet, evidence.protocol),
        fields: fields(packet),
        payload: (!packet.payload.is_empty()).then(|| octets(&packet.payload)),
        note: visible(&packet.note),
    }
}

/// What kind of packet it is: `RST+ACK`, `PSH+ACK, 517 octets`.
fn what(packet: &Exhibit, protocol: Protocol) -> String {
    let kind = match &packet.tcp {
        Some(tcp) => flags(tcp.flags),
        None if protocol == Protocol::Quic => "QUIC".into(),
        None if packet.from == End::Client => "DNS question".into(),
        None => "DNS answer".into(),
    };
    match packet.length {
        0 => kind,
        1 => format!("{kind}, 1 octet"),
        many => format!("{kind}, {} octets", grouped(many.into())),
    }
}

/// Flags by name.
pub(crate) fn flags(flags: u16) -> String {
    const NAMES: [(u16, &str); 9] = [
        (tcp_flag::SYN, "SYN"),
        (tcp_flag::FIN, "FIN"),
        (tcp_flag::RST, "RST"),
        (tcp_flag::PSH, "PSH"),
        (tcp_flag::URG, "URG"),
        (tcp_flag::ACK, "ACK"),
        (tcp_flag::ECE, "ECE"),
        (tcp_flag::CWR, "CWR"),
        (tcp_flag::AE, "AE"),
    ];
    let set: Vec<&str> =
        NAMES.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect();
    if set.is_empty() { "no flags".into() } else { set.join("+") }
}

fn fields(packet: &Exhibit) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if let Some(tcp) = &packet.tcp {
        fields.push(("seq", relative(tcp.seq)));
        fields.extend(ack(tcp).map(|text| ("ack", text)));
    }
    if let Some(ip) = &packet.ip {
        fields.push(("TTL", ip.hops.to_string()));
        fields.extend(ip.id.map(|id| ("IP-ID", format!("0x{id:04x}"))));
        fields.extend(ip.df.map(|df| ("DF", if df { "1" } else { "0" }.into())));
        fields.extend(ip.flow_label.map(|label| ("flow", format!("0x{label:05x}"))));
    }
    fields.extend(packet.tcp.as_ref().and_then(|tcp| tcp.window).map(|it| ("win", it.to_string())));
    fields
}

fn ack(tcp: &Tcp) -> Option<String> {
    match tcp.ack {
        Some(number) => Some(relative(number)),
        None if tcp.flags & (tcp_flag::ACK | tcp_flag::RST) != 0 => Some("0 in the field".into()),
        None => None,
    }
}

/// A relative number: one before the first is negative.
fn relative(number: u32) -> String {
    number.cast_signed().to_string().replacen('-', "\u{2212}", 1)
}

/// Time since the first packet, in milliseconds.
fn offset(nanoseconds: u64) -> String {
    let micros = nanoseconds / 1_000;
    format!("{}.{:03} ms", grouped(micros / 1_000), micros % 1_000)
}

/// Octets as text: printable ones as they are, others as a dot, unless most are not printable.
fn octets(payload: &[u8]) -> String {
    let head = &payload[..payload.len().min(OCTETS_SHOWN)];
    let printable = |octet: &u8| octet.is_ascii_graphic() || matches!(octet, b' ' | b'\r' | b'\n');
    let more = if payload.len() > head.len() { "\u{2026}" } else { "" };
    if head.iter().filter(|octet| printable(octet)).count() * 4 >= head.len() * 3 {
        let text: String = head.escape_ascii().map(char::from).collect();
        return format!("{text}{more}");
    }
    let text: Vec<String> = head.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{}{more}", text.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_before_the_first_are_negative() {
        assert_eq!(relative(1), "1");
        assert_eq!(relative(0u32.wrapping_sub(1460)), "\u{2212}1460");
        assert_eq!(offset(1_234_567_890), "1,234.567 ms");
    }

    #[test]
    fn flags_are_named_in_order() {
        assert_eq!(flags(tcp_flag::RST | tcp_flag::ACK), "RST+ACK");
        assert_eq!(flags(tcp_flag::SYN | tcp_flag::ACK | tcp_flag::AE), "SYN+ACK+AE");
        assert_eq!(flags(0), "no flags");
    }

    #[test]
    fn payload_reads_as_what_it_is() {
        assert_eq!(octets(b"HTTP/1.1 302 Found\r\n"), "HTTP/1.1 302 Found\\r\\n");
        assert_eq!(octets(&[1, 2, 3, 0]), "01 02 03 00");
    }
}
