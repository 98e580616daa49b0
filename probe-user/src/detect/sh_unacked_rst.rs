//! `SH_UNACKED_RST`: the client's own stack no longer knows a connection that nobody has closed.
//!
//! **Rule.** The client has sent its first data, the server answers soon, and the client's stack
//! answers *that* as one answers for a socket that is not there: a bare reset, window 0, numbered
//! as the server's packet acknowledges. The client has sent neither FIN nor reset before, and
//! never acknowledged a byte of the server's data.
//!
//! **Source.** Weaver, Sommer, Paxson (NDSS 2009), section 3, on what victims of a forged reset do;
//! RFC 9293, section 3.10.7.1. Something that did not pass here has reset the client: the device
//! stands between here and the client.
//!
//! **Worth.** C2, class S, if the server's data came within a second (and two round trips) of the
//! client's; C1 later.
//!
//! **Look-alikes that it stays silent on.**
//! * A browser that gives up: its close sends FIN, or a reset with ACK.
//! * The loser of Happy Eyeballs: it resets before it has sent any data.
//! * A client that fell asleep or changed its address: much later than a second, worth C1.

use probe_common::{
    flow::{Side, state},
    wire::tcp_flag,
};

use super::{Account, Fired, Hit, TcpDetector, measured, millis};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// How soon after the client's data the server's is an answer, in nanoseconds, besides round trips.
const SOON: u64 = 1_000_000_000;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("SH_UNACKED_RST", EvidenceClass::S, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    if side != case.initiator() {
        return None;
    }
    let first = case.resets_of(side).next()?;
    // Where the server, or someone in its name, has reset the client in passing, there is no riddle.
    // Nor where the client's own abort is only late.
    let aborted = case.resets_of(side).any(|reset| reset.packet().has(tcp_flag::ACK));
    let explained = aborted
        || case.resets_of(side.other()).any(|reset| reset.packet().time <= first.packet().time);
    if explained || !denies_socket(first, side) {
        return None;
    }
    let flow = first.flow();
    let (client, server) = (flow.half(side), flow.half(side.other()));
    let took = server.data.saturating_sub(client.data);
    let soon = SOON + 2 * u64::from(flow.responder_rtt);
    Some(Fired {
        confidence: if took <= soon { Confidence::C2 } else { Confidence::C1 },
        packets: Vec::new(),
        account: Account::of(move || {
            let measured = measured! {
                "server_octets_unacknowledged": server.octets,
                "answered_after_ms": millis(took),
            };
            (
                measured,
                "the client's stack disowns a connection that neither end has closed: something \
                    reset it on its side of here"
                    .into(),
            )
        }),
    })
}

/// Whether the reset is that of a stack without the socket, in answer to the server's first data.
fn denies_socket(reset: &Seen, side: Side) -> bool {
    let (packet, flow) = (reset.packet(), reset.flow());
    let (client, server) = (flow.half(side), flow.half(side.other()));
    let closed = client.flags & (tcp_flag::FIN | tcp_flag::RST) != 0
        || server.flags & (tcp_flag::FIN | tcp_flag::RST) != 0;
    flow.is(state::FOLLOWED | state::ESTABLISHED)
        && !closed
        && client.data_segments >= 1
        && server.data > client.data
        && client.acked == server.syn.isn.wrapping_add(1)
        && !packet.has(tcp_flag::ACK)
        && packet.window == 0
        && packet.seq == server.acked
}
