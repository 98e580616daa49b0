//! `WRONG_IFACE`: a reset comes in where its supposed sender is not.
//!
//! **Rule.** The reset passes in the place (interface and direction) in which the *other* end's
//! handshake passed, and not in that of its own sender's.
//!
//! **Source.** The logic of ingress filtering (RFC 2827): a packet from A does not arrive from where B
//! is.
//!
//! **Worth.** C3, class S: it was made on the wrong side of this router.
//!
//! **Look-alikes that it stays silent on.**
//! * Asymmetric routing over several uplinks: a third interface is not the other end's.
//! * A router on a stick, where both directions come in by one interface: then both ends' handshakes
//!   passed in one place.
//! * Captures, which do not say where a packet passed.

use probe_common::{event::hook, flow::Side};

use super::{Account, Fired, Hit, TcpDetector, measured};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("WRONG_IFACE", EvidenceClass::S, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let astray: Vec<&Seen> = case.resets_of(side).filter(|reset| is_astray(reset, side)).collect();
    let first = astray.first()?.packet();
    Some(Fired {
        confidence: Confidence::C3,
        packets: astray.iter().map(|reset| reset.number()).collect(),
        account: Account::of(move || {
            let measured = measured! {
                "interface": first.interface,
                "entering": first.hook == hook::INGRESS,
                "resets": astray.len(),
            };
            (
                measured,
                format!(
                    "the reset in the name of {} came from where the other end is",
                    case.role(side)
                ),
            )
        }),
    })
}

fn is_astray(reset: &Seen, side: Side) -> bool {
    let (packet, flow) = (reset.packet(), reset.flow());
    let (own, other) = (&flow.half(side).syn, &flow.half(side.other()).syn);
    // The records keep 16 bits of an interface's index.
    let here = (packet.interface as u16, packet.hook);
    packet.hook != hook::CAPTURE
        && !own.is_unseen()
        && !other.is_unseen()
        && own.place() != other.place()
        && here == other.place()
}
