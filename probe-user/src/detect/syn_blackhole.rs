//! `SYN_BLACKHOLE`: nobody answers, not even with a refusal.
//!
//! **Rule.** Three or more SYNs to an address of a watched service, and nothing comes back.
//!
//! **Source.** `<SYN → ∅>` of Sundara Raman et al. (SIGCOMM 2023).
//!
//! **Worth.** C1, class N: a host that is down does the same, so it only counts against controls.
//!
//! **Look-alikes that it stays silent on.**
//! * Scans and floods: to addresses of no watched service, and seldom three SYNs of one port.
//! * The loser of Happy Eyeballs, which gives up after one or two.

use probe_common::flow::state;

use super::{Account, Fired, Hit, SilenceDetector, measured};
use crate::{
    judge::{Knowledge, Silent},
    report::finding::{Confidence, EvidenceClass},
};

/// SYNs that make it more than a lost packet.
const SYNS: u32 = 3;

/// See the module.
pub static DETECTOR: SilenceDetector =
    SilenceDetector { id: "SYN_BLACKHOLE", class: EvidenceClass::N, judge };

fn judge<'a>(silent: &'a Silent, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let record = &silent.record;
    let syns = silent.client().packets;
    let unanswered = record.is(state::SYN) && !record.is(state::SYN_ACK);
    if !unanswered || syns < SYNS || !silent.subject.watched {
        return None;
    }
    Some(Fired {
        confidence: Confidence::C1,
        packets: Vec::new(),
        account: Account::of(move || {
            let measured = measured! { "syns": syns, "silent_s": silent.seconds() };
            (measured, format!("{syns} SYNs and no answer"))
        }),
    })
}
