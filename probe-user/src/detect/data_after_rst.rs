//! `DATA_AFTER_RST`: a side that has reset the connection goes on with it.
//!
//! **Rule.** After a reset that claims to come from a side, that side, within two seconds, sends
//! sequence numbers at or beyond the reset's that it had not sent before; or answers a SYN with a
//! SYN+ACK; or acknowledges data that the other side sent only after the reset.
//!
//! **Source.** `DATA_SEQ_RST` of Weaver, Sommer, Paxson (NDSS 2009); RFC 9293, section 3.10.7: a
//! reset deletes the connection.
//!
//! **Worth.** C3, class S: a stack has nothing left to send from. Less for a bare reset as a stack without the connection sends
//! it, if the end of the handshake may have prompted it rather than the first data right behind: C2, and C1 if it came sooner than
//! the server can answer, as another machine nearer by could.
//!
//! **Look-alikes that it stays silent on.**
//! * Reordering: data that left before the reset lies below the reset's sequence number.
//! * Retransmissions, captured twice or late: not beyond what was sent before the reset.
//! * A segment that a wrong bit makes a reset: its checksum tells, and no detector sees it.
//! * Acknowledgments that were under way: they cover no data younger than the reset. Where nothing of the peer was seen
//!   before the reset, none is known to be younger.
//! * A late reset of an earlier connection on the same ports, or one of somebody who guesses: its
//!   number lies nowhere near (16 KiB ahead, 64 KiB behind).
//! * A SYN refused and, sent again, accepted (Windows repeats a refused SYN): later than 0.4 s, as it may not have been
//!   captured.
//! * Ports that are taken again, by a connection whose SYN was not captured: its server accepts it with another number, or
//!   its data lies farther on than 64 KiB.
//! * Another machine behind the same address, to which the way has changed (anycast, RFC 4786; a balancer that has shuffled its
//!   servers). It answers what it knows nothing of with bare resets (RFC 9293, section 3.10.7.1), and the first one goes on
//!   with what it has. After such a reset only what acknowledges the very data that it would have answered proves anything;
//!   and nothing where the other direction does not pass here.
//! * Data that straggles behind a bare reset which answers something else: within 25 ms.
//! * A server of somebody's own making that resets and accepts with one and the same IP-ID, window and
//!   TTL, to lead a watcher astray.
//! * A client that fakes a reset for a censor to see: the case leaves out what does not live to reach
//!   the server.
//! * A bare reset during the handshake: a stack in SYN-SENT or LISTEN answers an acknowledgment of
//!   what it never sent with one, and goes on (RFC 9293, sections 3.5.2 and 3.10.7.2).

use probe_common::{
    flow::{Side, state},
    seq,
    tells::tell,
    wire::tcp_flag,
};

use super::{Account, Fired, Hit, TcpDetector, measured, millis};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// How long after the reset the other side's going on proves anything: 2 s. Later the ports may
/// have been taken by something else whose beginning was not seen.
const WITHIN: u64 = 2_000_000_000;

/// How far beyond what its side had sent the data may end that it goes on with, in octets: the first of it follows
/// closely. Ports that are taken again begin at least 64 KiB on (Linux, from TIME-WAIT).
const BEYOND: i32 = 64 << 10;

/// How long after a refusal the same SYN may be accepted to prove anything, in nanoseconds: Windows repeats a refused
/// SYN after half a second, which may not have been captured.
const ACCEPTED_WITHIN: u64 = 400_000_000;

/// How far beyond what its side has sent a reset may be numbered, in octets. Devices that guess ahead
/// go by a few segments (4,380; 12,503); whoever has to guess blindly goes farther.
const AHEAD: i32 = 16 << 10;

/// How far from what the other side has sent an acknowledgment may lie, in octets: farther, and it is of
/// another connection.
const ASTRAY: u32 = 1 << 20;

/// How far below what the other side has acknowledged: a device that saw an older packet.
const BEHIND: i32 = 64 << 10;

/// How long data may straggle behind a bare reset that a stack can have sent, in nanoseconds: 25 ms is
/// far beyond the reordering of any path that is not broken.
const STRAGGLING: u64 = 25_000_000;

/// The same where the other side has reset the connection before: then the stack has every reason to
/// answer stragglers without a socket.
const STRAGGLING_AFTER_RESET: u64 = 100_000_000;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("DATA_AFTER_RST", EvidenceClass::S, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let proof = |reset: &Seen| {
        case.after_of(side).find_map(|after| {
            let since = after.packet().time.checked_sub(reset.packet().time)?;
            let how =
                if since <= WITHIN { went_on(case, reset, after, side, since) } else { None }?;
            Some((after.packet().payload, since, how))
        })
    };
    let belied: Vec<(&Seen, (u32, u64, String))> = case
        .resets_of(side)
        .filter(|reset| plausible(reset, side))
        .filter_map(|reset| Some((reset, proof(reset)?)))
        .collect();
    let packets: Vec<u64> = belied.iter().map(|(reset, _)| reset.number()).collect();
    let confidence = belied.iter().map(|(reset, _)| worth(reset, side)).max()?;
    let (_, (payload, after, how)) = belied.into_iter().next()?;
    Some(Fired {
        confidence,
        packets: packets.clone(),
        account: Account::of(move || {
            let measured = measured! {
                "after_ms": millis(after),
                "payload_octets": payload,
                "resets": packets.len(),
            };
            let role = case.role(side);
            let later = millis(after);
            (measured, format!("{role} went on after \"its\" reset: {how} {later} ms later"))
        }),
    })
}

/// Whether the reset belongs to this connection, and is not one that a stack sends without giving up.
fn plausible(reset: &Seen, side: Side) -> bool {
    let (flow, half) = (reset.flow(), reset.flow().half(side));
    let (packet, tells) = (reset.packet(), reset.tells());
    let bare = !packet.has(tcp_flag::ACK);
    let stray =
        flow.half(side.other()).has_baseline() && tells.ack_from_end.unsigned_abs() > ASTRAY;
    if !bare && stray {
        return false;
    }
    if bare && !flow.is(state::ESTABLISHED) {
        // Only a server that has just offered the number that it resets at cannot mean another.
        return side != flow.initiator() && half.has_baseline() && packet.seq == half.end;
    }
    if !half.has_baseline() {
        // The side had sent nothing yet; only the SYN+ACK rule can apply.
        return true;
    }
    tells.seq_from_end <= AHEAD && tells.seq_from_acked >= -BEHIND
}

/// For how long after it data says nothing. A bare reset, numbered at something that the other side has
/// acknowledged, is what a stack without the socket answers a segment with; what it had sent before may
/// overtake nothing, but come behind.
fn straggling(reset: &Seen, side: Side) -> u64 {
    let stacks = !reset.packet().has(tcp_flag::ACK) && reset.tells().seq_from_acked <= 0;
    match (stacks, reset.flow().half(side.other()).reset_count()) {
        (false, _) => 0,
        (true, 0) => STRAGGLING,
        (true, _) => STRAGGLING_AFTER_RESET,
    }
}

/// How `after` goes on with the connection that `reset` ended.
fn went_on(case: &Case, reset: &Seen, after: &Seen, side: Side, since: u64) -> Option<String> {
    let (packet, half) = (after.packet(), reset.flow().half(side));
    if !half.has_baseline() {
        let answers = packet.has(tcp_flag::SYN | tcp_flag::ACK)
            && packet.ack == reset.flow().half(side.other()).end
            && since <= ACCEPTED_WITHIN
            && !asked_again(case, reset, after, side)
            && !same_maker(reset, after);
        return answers.then(|| "it accepted the connection".into());
    }
    if is_stackless(reset, side) && !got_through(case, reset, after, side)
        || begins_another(case, after, side)
    {
        return None;
    }
    let beyond = seq::distance(packet.end(), half.end);
    let from = seq::distance(packet.seq, reset.packet().seq);
    let new = (1..=BEYOND).contains(&beyond) && from >= 0;
    if packet.payload != 0 && new && since >= straggling(reset, side) {
        return Some(format!("{} new octets", packet.payload));
    }
    // If some of the peer's data passed without being looked at, it cannot be said which is younger.
    if reset.flow().is(state::SYN) && !reset.flow().is(state::FOLLOWED) {
        return None;
    }
    let peer = reset.flow().half(side.other());
    if !peer.has_baseline() {
        // Nothing of the peer passed before the reset: what it had sent by then is not known.
        return None;
    }
    let acknowledged = seq::distance(packet.ack, peer.end);
    // The peer's younger data must have passed here after the reset did; the record of the later
    // packet has it, the record of the reset has not.
    let peer_now = after.flow().half(side.other());
    let new_data = seq::distance(peer_now.end, peer.end);
    if packet.has(tcp_flag::ACK) && acknowledged > 1 && acknowledged <= new_data {
        return Some(format!("an acknowledgment of {acknowledged} octets sent after the reset"));
    }
    None
}

/// Whether a machine that knows nothing of the connection can have answered a segment with this reset.
fn is_stackless(reset: &Seen, side: Side) -> bool {
    let packet = reset.packet();
    let peer = reset.flow().half(side.other());
    !packet.has(tcp_flag::ACK)
        // Its number is that of an acknowledgment which has passed here, or would have if that way led here.
        && (peer.has_acked() || !peer.has_baseline())
        && (packet.window, packet.payload, packet.options_len) == (0, 0, 0)
        && (!peer.has_acked() || reset.tells().seq_from_acked <= 0)
}

/// Whether the ports were taken by another connection by then, whose SYN may not have been captured: its server has
/// accepted it with a number of its own.
fn begins_another(case: &Case, after: &Seen, side: Side) -> bool {
    let Some(server) = case.before().map(|before| before.half(side).syn) else { return false };
    case.after_of(side).any(|seen| {
        let packet = seen.packet();
        packet.has(tcp_flag::SYN | tcp_flag::ACK)
            && packet.time <= after.packet().time
            && !server.is_unseen()
            && packet.seq != server.isn
    })
}

/// Whether `after` acknowledges what `reset` would have been the answer to: then that did not go to another machine. It must
/// be the last that the other side had sent, which sends nothing twice.
fn got_through(case: &Case, reset: &Seen, after: &Seen, side: Side) -> bool {
    let peer = reset.flow().half(side.other());
    let again = |seen: &Seen| {
        seen.packet().payload != 0
            && seen.packet().time <= after.packet().time
            && seq::distance(seen.packet().seq, peer.end) < 0
    };
    peer.data == peer.last
        && peer.repeated == 0
        && reset.packet().seq == peer.acked
        && after.packet().has(tcp_flag::ACK)
        && seq::distance(after.packet().ack, peer.end) >= 0
        && !case.after_of(side.other()).any(again)
}

/// What it proves that the connection went on after this reset.
fn worth(reset: &Seen, side: Side) -> Confidence {
    let half = reset.flow().half(side);
    // The end of the handshake has the same number as the data that comes right behind it.
    let first = !half.syn.is_unseen() && reset.packet().seq == half.syn.isn.wrapping_add(1);
    if !first || !is_stackless(reset, side) {
        Confidence::C3
    } else if reset.tells().bits & tell::TOO_SOON == 0 {
        Confidence::C2
    } else {
        Confidence::C1
    }
}

/// Whether reset and acceptance come from one maker, who copies one IP-ID into all its packets: a server
/// that plays tricks on whoever watches, and no stack.
fn same_maker(reset: &Seen, after: &Seen) -> bool {
    let (one, two) = (reset.packet(), after.packet());
    one.ip_id != 0 && one.ip_id == two.ip_id && one.window == two.window && one.hops == two.hops
}

/// Whether the other side sent its SYN once more between the two.
fn asked_again(case: &Case, reset: &Seen, after: &Seen, side: Side) -> bool {
    case.after_of(side.other()).any(|seen| {
        seen.packet().has(tcp_flag::SYN)
            && seen.packet().time >= reset.packet().time
            && seen.packet().time <= after.packet().time
    })
}
