//! `SYN_ACK_CONFLICT`: one SYN is accepted twice, with two initial sequence numbers.
//!
//! **Rule.** Two SYN+ACKs to a SYN that was sent once, both acknowledging it, with different sequence
//! numbers.
//!
//! **Source.** The Great Firewall answers SYNs in the time of residual censorship with SYN+ACKs of a
//! wrong number (Wang et al., IMC 2017). A stack chooses one initial sequence number for a connection
//! (RFC 9293, section 3.4.1).
//!
//! **Worth.** Class D, that one is forged; which one is not said. C3 if the two differ in TTL by two or
//! more or in their options, and the second has not the SYN's timestamp; otherwise C2: a second SYN may have passed
//! elsewhere.
//!
//! **Look-alikes that it stays silent on.**
//! * A SYN sent again, which another machine behind the address may answer, or the same one with
//!   another cookie.
//! * A SYN+ACK sent again: the same number, or one that differs in a single bit, which went wrong on the way. (The first
//!   one's checksum is not known any more. Of numbers that are chosen, two in a hundred million pairs differ so.)

use probe_common::{
    flow::{Side, state},
    wire::tcp_flag,
};

use super::{Account, Fired, Hit, TcpDetector, measured, millis};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("SYN_ACK_CONFLICT", EvidenceClass::D, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    if side == case.initiator() {
        return None;
    }
    let other =
        case.content().iter().chain(case.after_of(side)).find(|seen| is_other(seen, side))?;
    let server = other.flow().half(side);
    Some(Fired {
        confidence: if two_makers(other, side) { Confidence::C3 } else { Confidence::C2 },
        packets: vec![other.number()],
        account: Account::of(move || {
            let measured = measured! {
                "apart_ms": millis(other.packet().time.saturating_sub(server.first)),
                "ttl": [server.syn.hops, other.packet().hops],
            };
            (measured, "one SYN was accepted twice, with two different numbers".into())
        }),
    })
}

/// Whether the two SYN+ACKs do not look as if one host had made both.
fn two_makers(other: &Seen, side: Side) -> bool {
    let (syn, packet) = (&other.flow().half(side).syn, other.packet());
    let unlike = syn.hops.abs_diff(packet.hops) >= 2 || syn.options != packet.options;
    unlike && !echoes(other, side)
}

/// Whether it has the client's timestamp, as each stack repeats it (RFC 7323, section 3.2) and forgers seldom do: two sites
/// of an anycast address may have accepted a SYN that was doubled on the way.
fn echoes(other: &Seen, side: Side) -> bool {
    let (client, packet) = (other.flow().half(side.other()), other.packet());
    let age = client.ts_value.wrapping_sub(packet.ts_echo);
    packet.ts_echo != 0 && client.ts_value != 0 && age < 1_000
}

fn is_other(seen: &Seen, side: Side) -> bool {
    let (flow, packet) = (seen.flow(), seen.packet());
    let (server, client) = (flow.half(side), flow.half(side.other()));
    packet.has(tcp_flag::SYN | tcp_flag::ACK)
        && !flow.is(state::SYN_REPEATED)
        && !server.syn.is_unseen()
        && !client.syn.is_unseen()
        && (packet.seq ^ server.syn.isn).count_ones() > 1
        && packet.ack == client.syn.isn.wrapping_add(1)
}
