//! `FIN_STEAL`: the server ends the stream, and goes on behind its own end.
//!
//! **Rule.** A segment of the server with data and FIN, and within two seconds data of the server
//! beyond the number that the FIN took.
//!
//! **Source.** Injected redirects and block pages come with FIN, so that the client closes before the
//! genuine answer arrives: India (Yadav et al., IMC 2018), Iran (Bock et al., WOOT 2021), the Great
//! Firewall on HTTP (net4people/bbs issue 295). FIN is the last number of a stream (RFC 9293, section
//! 3.6).
//!
//! **Worth.** C3, class S: the segment with FIN is forged.
//!
//! **Look-alikes that it stays silent on.**
//! * FIN that overtakes data: the data lies below it.
//! * FIN sent again, alone or with its data: it ends where it ended.
//! * Another connection on the same ports: its numbers are elsewhere.

use probe_common::{flow::Side, seq, wire::tcp_flag};

use super::{Account, Fired, Hit, TcpDetector, measured, millis};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{Confidence, EvidenceClass},
};

/// How long after it the server's going on proves anything.
const WITHIN: u64 = 2_000_000_000;

/// How far beyond the FIN the stream can be, in octets. Ports that are taken again begin at least 64 KiB on (Linux, from
/// TIME-WAIT), and their SYN may not have been captured.
const PLAUSIBLE: i32 = 64 << 10;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("FIN_STEAL", EvidenceClass::S, judge);

fn judge<'a>(case: &'a Case, side: Side, _: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    if side == case.initiator() {
        return None;
    }
    let later = || case.content().iter().chain(case.after_of(side));
    let (fin, after) = case
        .content()
        .iter()
        .find_map(|fin| Some((fin, later().find(|after| goes_on(fin, after))?)))?;
    let beyond = seq::distance(after.packet().end(), fin.packet().end());
    let apart = after.packet().time.saturating_sub(fin.packet().time);
    Some(Fired {
        confidence: Confidence::C3,
        packets: vec![fin.number()],
        account: Account::of(move || {
            let measured = measured! { "octets_beyond_fin": beyond, "after_ms": millis(apart) };
            (
                measured,
                format!(
                    "{beyond} octets of the server beyond the end that it had set {} ms before",
                    millis(apart)
                ),
            )
        }),
    })
}

/// Whether `after` is data beyond the end that `fin` sets.
pub fn goes_on(fin: &Seen, after: &Seen) -> bool {
    let (end, packet) = (fin.packet(), after.packet());
    let beyond = seq::distance(packet.end(), end.end());
    end.has(tcp_flag::FIN)
        && end.payload > 0
        && packet.payload > 0
        && packet.time >= end.time
        && packet.time - end.time <= WITHIN
        && beyond > 1
        && beyond <= PLAUSIBLE
}
