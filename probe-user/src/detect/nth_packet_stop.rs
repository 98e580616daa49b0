//! `NTH_PACKET_STOP`: both ends fall silent a few packets after the client's first data.
//!
//! **Rule.** Five to eight packets after the handshake, with data of both ends, both stop; one of them
//! has sent again what the other never acknowledged.
//!
//! **Source.** Russia's TSPU lets a few packets pass before it drops a connection (Xue et al., IMC
//! 2022).
//!
//! **Worth.** C1, class N: two lost packets and an impatient client look the same.
//!
//! **Look-alikes that it stays silent on.**
//! * An idle connection: everything was acknowledged.
//! * Connections that end with FIN or reset.

use probe_common::{flow::state, seq};

use super::{Account, Fired, Hit, SilenceDetector, measured};
use crate::{
    judge::{Knowledge, Silent},
    report::finding::{Confidence, EvidenceClass},
};

/// Packets of a handshake.
const HANDSHAKE: u32 = 3;

/// How many more there are.
const PACKETS: std::ops::RangeInclusive<u32> = 5..=8;

/// Repetitions that make it more than a lost packet.
const REPEATED: u16 = 2;

/// See the module.
pub static DETECTOR: SilenceDetector =
    SilenceDetector { id: "NTH_PACKET_STOP", class: EvidenceClass::N, judge };

fn judge<'a>(silent: &'a Silent, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let (client, server) = (silent.client(), silent.server());
    // Repetitions go on after the stop; what was new before it is what counts.
    let repeated = u32::from(client.repeated) + u32::from(server.repeated);
    let packets =
        (client.packets + server.packets).saturating_sub(HANDSHAKE).saturating_sub(repeated);
    let unacknowledged =
        seq::after(client.end, server.acked) || seq::after(server.end, client.acked);
    let applies = silent.record.is(state::FOLLOWED | state::ESTABLISHED)
        && silent.subject.name.is_some()
        && client.data_segments >= 1
        && server.data_segments >= 1
        && client.repeated.max(server.repeated) >= REPEATED
        && unacknowledged
        && PACKETS.contains(&packets);
    applies.then(|| Fired {
        confidence: Confidence::C1,
        packets: Vec::new(),
        account: Account::of(move || {
            let measured = measured! { "packets": packets, "silent_s": silent.seconds() };
            (measured, format!("both ends fell silent {packets} packets after the handshake"))
        }),
    })
}
