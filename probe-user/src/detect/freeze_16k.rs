//! `FREEZE_16K`: a download stops for good after some 16 KB.
//!
//! **Rule.** The server has sent 14 KB or more, of which at most 22 KB got through, or 23 to 27 segments;
//! it sent the last of it again twice or more, and nobody acknowledged that.
//!
//! **Source.** Russia since the middle of 2025: TLS to foreign data centres stalls after 15 to 20 KB or
//! some 25 packets (net4people/bbs issue 490).
//!
//! **Worth.** C1, class N.
//!
//! **Look-alikes that it stays silent on.**
//! * An application that pauses: nothing is sent again.
//! * A download of that size that ended: all was acknowledged.
//!   Where the device stands between here and the server, a frozen one looks the same: repetitions pass
//!   here only if it stands between here and the client.

use probe_common::{flow::state, seq};

use super::{Account, Fired, Hit, SilenceDetector, measured};
use crate::{
    judge::{Knowledge, Silent},
    report::finding::{Confidence, EvidenceClass},
};

/// Octets after which it stops.
const OCTETS: std::ops::RangeInclusive<u32> = 14_000..=22_000;

/// Segments after which it stops.
const SEGMENTS: std::ops::RangeInclusive<u16> = 23..=27;

/// Repetitions that make it more than a lost packet.
const REPEATED: u16 = 2;

/// See the module.
pub static DETECTOR: SilenceDetector =
    SilenceDetector { id: "FREEZE_16K", class: EvidenceClass::N, judge };

fn judge<'a>(silent: &'a Silent, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let (client, server) = (silent.client(), silent.server());
    let octets = server.end.wrapping_sub(server.syn.isn.wrapping_add(1));
    let through = client.acked.wrapping_sub(server.syn.isn.wrapping_add(1));
    // Between what got through and what was sent lies the place where it stopped.
    let size = (through <= *OCTETS.end() && octets >= *OCTETS.start())
        || SEGMENTS.contains(&server.data_segments);
    let applies = silent.record.is(state::FOLLOWED | state::ESTABLISHED)
        && silent.subject.name.is_some()
        && server.repeated >= REPEATED
        && seq::after(server.end, client.acked)
        && size;
    applies.then(|| Fired {
        confidence: Confidence::C1,
        packets: Vec::new(),
        account: Account::of(move || {
            let measured = measured! {
                "octets_sent": octets,
                "octets_through": through,
                "segments": server.data_segments,
                "repeated": server.repeated,
            };
            (measured, format!("the server's data stopped getting through after {octets} octets"))
        }),
    })
}
