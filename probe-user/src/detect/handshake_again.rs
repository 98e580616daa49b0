//! `HANDSHAKE_AGAIN`: the server sends its SYN+ACK again, after its data was acknowledged.
//!
//! **Rule.** A SYN+ACK of the server with the number of its first one, though before that data came in
//! its name which the client has acknowledged.
//!
//! **Source.** In-path injectors that answer in the server's place and keep the client's packets from
//! it: the Great Cannon (Marczak et al., FOCI 2015). A server that has received an acknowledgment
//! leaves SYN-RECEIVED (RFC 9293, section 3.10.7.4) and does not send its SYN+ACK again.
//!
//! **Worth.** C3, class S: what came in the server's name is not the server's.
//!
//! **Look-alikes that it stays silent on.**
//! * A lost ACK, after which the SYN+ACK is sent again: the server has sent no data yet.
//! * A SYN+ACK that the path doubled and delayed: sooner than any is sent again.
//! * TCP Fast Open, where a server may send data before: the client has not acknowledged it.

use probe_common::{flow::Side, seq, wire::tcp_flag};

use super::{Account, Fired, Hit, TcpDetector, measured};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// Sooner no SYN+ACK is sent again, in nanoseconds: the least initial timeout is 1 s (RFC 6298, section
/// 2.1), less what clocks and paths vary. A copy that the path made comes sooner.
const TIMEOUT: u64 = 500_000_000;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("HANDSHAKE_AGAIN", EvidenceClass::S, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    if side == case.initiator() {
        return None;
    }
    let again = case.after_of(side).find(|seen| is_again(seen, side))?;
    let acknowledged = acknowledged(again, side);
    Some(Fired {
        confidence: Confidence::C3,
        packets: case
            .content()
            .iter()
            .filter(|seen| seen.packet().time < again.packet().time)
            .map(Seen::number)
            .collect(),
        account: Account::of(move || {
            let measured = measured! { "octets_acknowledged": acknowledged };
            (
                measured,
                format!(
                    "the server offers the connection again, after {acknowledged} octets in its name"
                ),
            )
        }),
    })
}

fn is_again(seen: &Seen, side: Side) -> bool {
    let server = seen.flow().half(side);
    seen.packet().has(tcp_flag::SYN | tcp_flag::ACK)
        && !server.syn.is_unseen()
        && seen.packet().seq == server.syn.isn
        && server.data != 0
        && seen.packet().time.saturating_sub(server.first) >= TIMEOUT
        && acknowledged(seen, side) > 0
}

/// Octets of the server's that the client had acknowledged by then.
fn acknowledged(seen: &Seen, side: Side) -> i32 {
    let (server, client) = (seen.flow().half(side), seen.flow().half(side.other()));
    if client.has_acked() { seq::distance(client.acked, server.syn.isn.wrapping_add(1)) } else { 0 }
}
