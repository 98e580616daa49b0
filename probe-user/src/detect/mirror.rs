//! `MIRROR`: a reset copies header fields of the packet that it answers.
//!
//! **Rule.** The reset's IP-ID is that of the other side's last data, and not 0; or its window is the
//! window of that packet, while TTL and DF are not the sender's. The sender's SYN+ACK did not copy
//! the SYN.
//!
//! **Source.** Brunei, AS10094 (Nourin et al., FOCI 2023); Iran (net4people/bbs issue 39): devices that
//! build their packet out of the one that they saw.
//!
//! **Worth.** Class H. C2 for an IP-ID with a further foreign trait or from a server that did it
//! before, and for a window with two; C1 for an IP-ID alone, which happens once in 65,536 times.
//!
//! **Look-alikes that it stays silent on.**
//! * A mirroring endpoint or SYN proxy: its SYN+ACK mirrors too, or the packet before the reset does.
//! * IP-ID 0; two hosts of one system whose windows are alike: TTL and DF are then the sender's.

use probe_common::{
    flow::Side,
    tells::tell,
    wire::{Packet, quirk},
};

use super::{Account, Fired, Hit, TcpDetector, measured};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// Connections to one server in which resets copied an IP-ID that make it no accident.
const REPEATED: u32 = 2;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("MIRROR", EvidenceClass::H, judge);

/// What was copied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copied {
    IpId,
    Window,
}

fn judge<'a>(
    case: &'a Case,
    side: Side,
    knowledge: &'a Knowledge,
    _: &[Hit<'_>],
) -> Option<Fired<'a>> {
    let copies: Vec<(&Seen, Copied)> =
        case.resets_of(side).filter_map(|reset| Some((reset, copied(reset, side)?))).collect();
    let &(first, what) = copies.first()?;
    let foreign = traits(first);
    let again =
        knowledge.resets_of(case.key.end(side).0).is_some_and(|its| its.mirrored >= REPEATED);
    let confidence = match what {
        Copied::IpId if foreign >= 1 || again => Confidence::C2,
        Copied::IpId => Confidence::C1,
        Copied::Window if foreign >= 2 => Confidence::C2,
        Copied::Window => return None,
    };
    let (field, value) = match what {
        Copied::IpId => ("IP-ID", first.packet().ip_id),
        Copied::Window => ("window", first.packet().window),
    };
    Some(Fired {
        confidence,
        packets: copies.iter().map(|(reset, _)| reset.number()).collect(),
        account: Account::of(move || {
            let measured = measured! { "field": field, "value": value, "resets": copies.len() };
            (measured, format!("the reset copies the {field} of the packet that it answers"))
        }),
    })
}

/// What the reset copies of the packet that it answers, if its side's handshake did not do so too.
fn copied(reset: &Seen, side: Side) -> Option<Copied> {
    let (packet, flow) = (reset.packet(), reset.flow());
    let (own, peer) = (flow.half(side), flow.half(side.other()));
    if own.syn.is_unseen() || peer.syn.is_unseen() {
        return None;
    }
    // Whoever copies in all answers had this very IP-ID in the one before.
    let habit = packet.ip_id == own.ip_id;
    if mirrors_ip_id(reset) && !habit && (own.syn.ip_id == 0 || own.syn.ip_id != peer.syn.ip_id) {
        return Some(Copied::IpId);
    }
    let handshake = own.syn.window == peer.syn.window;
    let window = packet.window == peer.window && !matches!(packet.window, 0 | u16::MAX);
    (window && !handshake && packet.window != own.window).then_some(Copied::Window)
}

/// Whether the reset's IP-ID is that of the packet it answers.
pub fn mirrors_ip_id(reset: &Seen) -> bool {
    reset.tells().bits & tell::MIRRORED != 0
}

/// How many of TTL and DF are not the sender's.
fn traits(reset: &Seen) -> u32 {
    (reset.tells().bits & (tell::HOPS | tell::DF)).count_ones() + extreme(reset.packet())
}

/// One more for IPv6, which has neither DF nor IP-ID: a flow label of zero says as much there.
fn extreme(packet: &Packet) -> u32 {
    u32::from(packet.version == 6 && packet.flow_label == 0 && packet.quirks & quirk::DF == 0)
}
