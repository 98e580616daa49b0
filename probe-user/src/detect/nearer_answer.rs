//! `NEARER_ANSWER`: the first answer to the client's first data is a reset from a nearer place.
//!
//! **Rule.** The server completes the handshake, sends no data, and the client's first data meets
//! within one and a half round trips a reset whose TTL shows a sender two or more hops nearer than
//! the server's SYN+ACK did, and not more than half as far away.
//!
//! **Source.** What a REJECT in the path does (netfilter's `REJECT`, and routers' like it): the
//! server's own packets never come, so there is no contradiction to find, and all that is left is that
//! the answer was made elsewhere. Hop distances as in Marczak et al. (FOCI 2015) and Wu et al. (S&P
//! 2025).
//!
//! **Worth.** C2, class H, and never more: it says that a device short of the server answered in its
//! name, not that a censor did.
//!
//! **Look-alikes that it stays silent on.**
//! * A load balancer or host firewall that resets for the server: it stands where the server stands.
//! * The same host with another initial TTL (Google's 59 and 123): the same distance.
//! * Resets later in a connection, or of idle ones: they answer nothing.

use probe_common::flow::{FlowRecord, Side, Stage, state};

use super::{Account, Fired, Hit, TcpDetector, measured, millis};
use crate::{
    judge::{Case, Knowledge, Seen, hops},
    report::finding::{Confidence, EvidenceClass},
};

/// Least difference in hops that counts.
const NEARER: u8 = 2;

/// How long after the trigger an answer is one, in nanoseconds, besides round trips: a kernel's REJECT
/// takes microseconds, a device's own queue a few milliseconds.
const SLACK: u64 = 10_000_000;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("NEARER_ANSWER", EvidenceClass::H, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    if side == case.initiator() {
        return None;
    }
    let first = case.resets_of(side).next()?;
    let flow = first.flow();
    if !is_first_answer(flow, side) {
        return None;
    }
    let server = flow.half(side);
    let stable = server.hops_min == server.hops_max;
    let far = hops::from_ttl(server.hops_max).filter(|_| stable)?;
    let near = hops::from_ttl(first.packet().hops)?;
    let took = first.tells().since_trigger;
    let rtt = u64::from(flow.responder_rtt);
    let nearer = near + NEARER <= far && near <= far / 2;
    if !nearer || took > rtt + rtt / 2 + SLACK {
        return None;
    }
    Some(Fired {
        confidence: Confidence::C2,
        packets: case
            .burst_of(first)
            .filter(|reset| reset.packet().hops == first.packet().hops)
            .map(Seen::number)
            .collect(),
        account: Account::of(move || {
            let measured = measured! {
                "ttl": first.packet().hops,
                "ttl_of_others": server.hops_max,
                "hops": near,
                "server_hops": far,
                "answered_after_ms": millis(took),
            };
            (
                measured,
                format!(
                    "the first answer is a reset made {near} hops away in the name of a server {far} away"
                ),
            )
        }),
    })
}

/// Whether the client has sent its first data and the server nothing but its SYN+ACK.
fn is_first_answer(flow: &FlowRecord, side: Side) -> bool {
    let server = flow.half(side);
    flow.is(state::FOLLOWED | state::ESTABLISHED)
        && !flow.is(state::FIN)
        && Stage::of(flow) == Stage::PostPsh
        && server.data == 0
}
