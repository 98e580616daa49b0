//! `SH_UNACKED`: the server's first data passes here again and again, and nobody acknowledges it.
//!
//! **Rule.** The client has sent its first data; the server has answered, sent its answer three times or
//! more, and the client has acknowledged none of it.
//!
//! **Source.** What is left to see above a device that has cut off the client: Xue et al. (IMC 2022) on
//! devices near subscribers; `<PSH+ACK → ∅>` of Sundara Raman et al. (SIGCOMM 2023) from the other side.
//!
//! **Worth.** C1, class N: a client that went out of reach does the same.
//!
//! **Look-alikes that it stays silent on.**
//! * A lost segment or acknowledgment: what follows is acknowledged.
//! * A client that closes or resets: that is no silence.

use probe_common::flow::state;

use super::{Account, Fired, Hit, SilenceDetector, measured};
use crate::{
    judge::{Knowledge, Silent},
    report::finding::{Confidence, EvidenceClass},
};

/// Repetitions that make it more than a lost packet.
const REPEATED: u16 = 2;

/// See the module.
pub static DETECTOR: SilenceDetector =
    SilenceDetector { id: "SH_UNACKED", class: EvidenceClass::N, judge };

fn judge<'a>(silent: &'a Silent, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let (client, server) = (silent.client(), silent.server());
    let begin = server.syn.isn.wrapping_add(1);
    let applies = silent.record.is(state::FOLLOWED | state::ESTABLISHED)
        && silent.subject.name.is_some()
        && client.data_segments >= 1
        && server.data_segments >= 1
        && server.repeated >= REPEATED
        && client.acked == begin;
    applies.then(|| Fired {
        confidence: Confidence::C1,
        packets: Vec::new(),
        account: Account::of(move || {
            let measured = measured! {
                "octets_unacknowledged": server.end.wrapping_sub(begin),
                "repeated": server.repeated,
                "silent_s": silent.seconds(),
            };
            (
                measured,
                format!(
                    "the server's answer was sent {} times and never acknowledged",
                    u32::from(server.repeated) + 1
                ),
            )
        }),
    })
}
