//! `CH_ACK_SILENT`: the client's first data is acknowledged and never answered.
//!
//! **Rule.** The server has acknowledged all of the client's first data, and for three seconds and
//! three round trips has sent none.
//!
//! **Source.** `<PSH+ACK → ∅>` of Sundara Raman et al. (SIGCOMM 2023), seen from both sides: the way
//! back is closed, or the server is at fault.
//!
//! **Worth.** C1, class N: a server that hangs does the same.
//!
//! **Look-alikes that it stays silent on.**
//! * Protocols in which the client waits: only connections that have said a name count.

use probe_common::{flow::SILENCE, flow::state, seq};

use super::{Account, Fired, Hit, SilenceDetector, measured};
use crate::{
    judge::{Knowledge, Silent},
    report::finding::{Confidence, EvidenceClass},
};

/// See the module.
pub static DETECTOR: SilenceDetector =
    SilenceDetector { id: "CH_ACK_SILENT", class: EvidenceClass::N, judge };

fn judge<'a>(silent: &'a Silent, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let (client, server) = (silent.client(), silent.server());
    let waited = silent.now.saturating_sub(client.data);
    let long = waited >= SILENCE.max(3 * u64::from(silent.record.responder_rtt));
    let acknowledged = seq::distance(server.acked, client.end) >= 0;
    let applies = silent.record.is(state::FOLLOWED | state::ESTABLISHED)
        && silent.subject.name.is_some()
        && client.data_segments >= 1
        && server.data == 0
        && acknowledged
        && long;
    applies.then(|| Fired {
        confidence: Confidence::C1,
        packets: Vec::new(),
        account: Account::of(move || {
            let measured = measured! { "silent_s": silent.seconds() };
            (measured, "the server acknowledged the request and never answered".into())
        }),
    })
}
