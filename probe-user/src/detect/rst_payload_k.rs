//! `RST_PAYLOAD_K`: a reset carries the payload of a known device.
//!
//! **Rule.** A reset with ACK whose whole payload is one of these constants:
//!
//! | payload | device | source |
//! |---|---|---|
//! | `01 02 03 04 05 06 07 08 09 00` | provincial firewall of Henan | Wu et al., S&P 2025 |
//! | 22 zero octets | Tajikistan, AS51346 | Nourin et al., FOCI 2023 |
//!
//! **Worth.** C3, class K.
//!
//! **Look-alikes that it stays silent on.**
//! * A reset with a diagnostic text (RFC 1122, section 4.2.2.12) or with CBOR
//!   (draft-ietf-tcpm-rst-diagnostic-payload): length or mere presence of payload say nothing.
//! * Padding of short Ethernet frames: it is no part of the IP packet.

use probe_common::{flow::Side, wire::tcp_flag};

use super::{Account, Fired, Hit, TcpDetector, measured};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

const HENAN: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 0];
const TAJIKISTAN: &[u8] = &[0; 22];

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("RST_PAYLOAD_K", EvidenceClass::K, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let known: Vec<&Seen> = case.resets_of(side).filter(|reset| is_known(reset)).collect();
    let first = known.first()?;
    let hex: String = first.payload.iter().map(|octet| format!("{octet:02x}")).collect();
    Some(Fired {
        confidence: Confidence::C3,
        packets: known.iter().map(|reset| reset.number()).collect(),
        account: Account::of(move || {
            let measured = measured! { "payload": hex, "resets": known.len() };
            (measured, format!("the reset carries {hex}, the mark of a known device"))
        }),
    })
}

fn is_known(reset: &Seen) -> bool {
    let whole = usize::try_from(reset.packet().payload).is_ok_and(|len| len == reset.payload.len());
    whole
        && reset.packet().has(tcp_flag::ACK)
        && [HENAN, TAJIKISTAN].contains(&reset.payload.as_ref())
}
