//! How a connection ended, by its record.

use probe_common::{
    flow::{FlowRecord, Half, Stage, state},
    wire::Packet,
};

use super::{hops, silence};
use crate::attribute::outcome::{Ending, Goodput, Icmp};

/// Octets of a server after which its reset is no failure: it had answered.
const ANSWERED: u32 = 4_096;

/// How long a connection that was answered is quiet, in nanoseconds, to be taken for served while it
/// stays open: browsers keep theirs for minutes.
const IDLE: u64 = 30_000_000_000;

/// Octets from which on a connection's speed says something.
const LONG: u32 = 131_072;

/// Times between which it does, in nanoseconds: shorter is all slow start, longer has pauses.
const SHORTEST: u64 = 500_000_000;
const LONGEST: u64 = 60_000_000_000;

/// Share of repeated segments above which they were policed, or a queue overflowed.
const REPEATED: f64 = 0.03;

/// How a connection ended, as far as can be told at `now`; nothing if it goes on.
pub(super) fn of(record: &FlowRecord, now: u64) -> Option<Ending> {
    let initiator = record.half(record.initiator());
    let responder = record.half(record.initiator().other());
    let stage = silence::stage(Stage::of(record));
    if record.is(state::RESET) {
        return Some(if is_answered(responder) {
            Ending::Served
        } else if responder.resets[0].time != 0 {
            Ending::Reset { stage }
        } else {
            Ending::Abandoned
        });
    }
    if silence::is_silent(record, now) {
        let acknowledged = responder.has_acked() && responder.acked == initiator.end;
        return Some(Ending::Silent { stage, acknowledged });
    }
    if !record.is(state::FOLLOWED) {
        // What became of it was not looked at.
        return None;
    }
    let has_said = responder.data_segments > 0;
    if record.is(state::FIN) {
        return Some(if has_said { Ending::Served } else { Ending::Abandoned });
    }
    (has_said && now.saturating_sub(record.last()) >= IDLE).then_some(Ending::Served)
}

fn is_answered(responder: &Half) -> bool {
    responder.data_segments > 1 && responder.octets >= ANSWERED
}

/// How fast the responder was, if that can be told.
pub(super) fn goodput(record: &FlowRecord) -> Option<Goodput> {
    let responder = record.half(record.initiator().other());
    let span = responder.data.checked_sub(responder.first)?;
    if !record.is(state::FOLLOWED) || responder.octets < LONG {
        return None;
    }
    if !(SHORTEST..=LONGEST).contains(&span) {
        return None;
    }
    let bits = u64::from(responder.octets).saturating_mul(8_000_000_000) / span;
    let segments = f64::from(responder.data_segments) + f64::from(responder.repeated);
    Some(Goodput {
        bits_per_second: u32::try_from(bits).unwrap_or(u32::MAX),
        plateau: false,
        policed: f64::from(responder.repeated) > REPEATED * segments,
    })
}

/// What an ICMP error says about the connection that it quotes, if it says that nothing gets through
/// (RFC 1122, section 3.2.2.1; RFC 1812, section 5.2.7.1; RFC 4443, section 3).
///
/// `own`: it comes from the servers' own networks, so it is their own policy, however far it came.
pub(super) fn refusal(error: &Packet, own: bool) -> Option<Icmp> {
    let (kind, code) = ((error.source_port >> 8) as u8, error.source_port as u8);
    match (error.version, kind, code) {
        (4, 3, 9 | 10 | 13) | (6, 1, 1 | 5 | 6) => {
            Some(Icmp::Prohibited { hops: hops::from_ttl(error.hops).filter(|_| !own) })
        }
        // A packet that is too big is sent again, smaller.
        (4, 3, 4) => None,
        (4, 3 | 11, _) | (6, 1 | 3, _) => Some(Icmp::Unreachable),
        _ => None,
    }
}

/// Whether both directions were seen. Of a SYN that nobody answers it is not known; that the client
/// goes on all the same shows it.
pub(super) fn both_ways(record: &FlowRecord) -> bool {
    let initiator = record.half(record.initiator());
    let responder = record.half(record.initiator().other());
    let goes_on = record.is(state::ESTABLISHED) || initiator.data_segments > 0;
    initiator.packets > 0 && (responder.packets > 0 || !goes_on)
}

#[cfg(test)]
mod tests {
    use probe_common::flow::{FlowRecord, state};

    use super::{both_ways, goodput, of};
    use crate::{attribute::outcome::Ending, report::finding::Stage};

    const SECOND: u64 = 1_000_000_000;

    /// A connection whose first end (the low one) began, with as much data of either side.
    fn record(bits: u32, sent: u16, answered: u16) -> FlowRecord {
        let begun = state::BEGINNING_KNOWN | state::SYN | state::FOLLOWED;
        let mut record = FlowRecord { state: begun | bits, ..FlowRecord::default() };
        let [client, server] = &mut record.halves;
        (client.packets, server.packets) = (3, 3);
        (client.last, server.last) = (SECOND, SECOND);
        client.data_segments = sent;
        client.data = SECOND;
        server.data_segments = answered;
        server.octets = u32::from(answered) * 1_448;
        server.data = if answered > 0 { SECOND } else { 0 };
        record
    }

    const OPEN: u32 = state::SYN_ACK | state::ESTABLISHED;

    #[test]
    fn resets_before_and_after_an_answer() {
        let mut cut = record(OPEN | state::RESET, 1, 0);
        assert_eq!(of(&cut, SECOND), Some(Ending::Abandoned));
        cut.halves[1].resets[0].time = SECOND;
        assert_eq!(of(&cut, SECOND), Some(Ending::Reset { stage: Stage::PostPsh }));
        let mut answered = record(OPEN | state::RESET, 1, 9);
        answered.halves[1].resets[0].time = SECOND;
        assert_eq!(of(&answered, SECOND), Some(Ending::Served));
    }

    #[test]
    fn closed_open_idle_and_silent() {
        assert_eq!(of(&record(OPEN | state::FIN, 1, 2), SECOND), Some(Ending::Served));
        assert_eq!(of(&record(OPEN | state::FIN, 0, 0), SECOND), Some(Ending::Abandoned));
        let open = record(OPEN, 1, 2);
        assert_eq!(of(&open, 2 * SECOND), None);
        let silent = of(&record(0, 0, 0), 5 * SECOND);
        let expected = Ending::Silent { stage: Stage::PostSyn, acknowledged: false };
        assert_eq!(silent, Some(expected));
    }

    #[test]
    fn one_direction_is_noticed() {
        assert!(both_ways(&record(OPEN, 1, 1)));
        let mut half = record(OPEN, 1, 0);
        half.halves[1].packets = 0;
        assert!(!both_ways(&half));
    }

    #[test]
    fn speed_of_a_download() {
        let mut long = record(OPEN, 1, 500);
        long.halves[1].first = 1;
        long.halves[1].data = 4 * SECOND;
        let speed = goodput(&long).expect("a speed");
        assert!((1_400_000..1_500_000).contains(&speed.bits_per_second), "{speed:?}");
        assert!(!speed.policed);
        long.halves[1].repeated = 30;
        assert!(goodput(&long).expect("a speed").policed);
        assert_eq!(goodput(&record(OPEN, 1, 3)), None);
    }
}
