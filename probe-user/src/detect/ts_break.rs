//! `TS_BREAK`: a reset without the timestamps that its sender has negotiated, or with others.
//!
//! **Rule.** Both ends negotiated timestamps and a reset with ACK has none; or it has one that is
//! more than 2^24 ticks away from its sender's last.
//!
//! **Source.** RFC 7323, section 3.2 (a reset should carry them) and section 5 (PAWS); the Great
//! Firewall's resets with wildly skewed values (net4people/bbs issue 442).
//!
//! **Worth.** Class H. A skewed value is C2: stacks and load balancers copy or omit it, none makes it
//! up. A missing one is C1 alone, as load balancers that reset for a server omit it, and C2 beside a
//! signature of class S, T or D worth C2.
//!
//! **Look-alikes that it stays silent on.**
//! * A bare reset of a stack without the socket: it knows of no timestamps.

use probe_common::{flow::Side, seq, tells::tell, wire::option};

use super::{Account, Fired, Hit, TcpDetector, measured, supported};
use crate::{
    judge::{Case, Knowledge, Seen},
    report::finding::{
        Confidence,
        EvidenceClass::{self, D, S, T},
    },
};

/// Ticks that no sender jumps: 2^24 of them are more than four hours at a tick a millisecond.
const SKEW: u32 = 1 << 24;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("TS_BREAK", EvidenceClass::H, judge);

fn judge<'a>(
    case: &'a Case,
    side: Side,
    _: &'a Knowledge,
    others: &[Hit<'_>],
) -> Option<Fired<'a>> {
    let skewed: Vec<&Seen> =
        case.resets_of(side).filter(|reset| skew(reset, side) > SKEW).collect();
    if let Some(&first) = skewed.first() {
        return Some(Fired {
            confidence: Confidence::C2,
            packets: skewed.iter().map(|reset| reset.number()).collect(),
            account: Account::of(move || {
                let measured = measured! { "ticks_off": skew(first, side), "resets": skewed.len() };
                (measured, "the reset's timestamp is hours away from its sender's clock".into())
            }),
        });
    }
    let bare: Vec<&Seen> =
        case.resets_of(side).filter(|reset| reset.tells().bits & tell::NO_TIMESTAMP != 0).collect();
    bare.first()?;
    let backed = supported(others, &[S, T, D], Confidence::C2);
    Some(Fired {
        confidence: if backed { Confidence::C2 } else { Confidence::C1 },
        packets: bare.iter().map(|reset| reset.number()).collect(),
        account: Account::of(move || {
            let measured = measured! { "resets": bare.len() };
            (measured, format!("the reset lacks the timestamps that {} sends", case.role(side)))
        }),
    })
}

/// How far the reset's timestamp is from its sender's last, in ticks.
fn skew(reset: &Seen, side: Side) -> u32 {
    let (packet, half) = (reset.packet(), reset.flow().half(side));
    if packet.options & option::TIMESTAMPS == 0 || half.ts_value == 0 {
        return 0;
    }
    seq::distance(packet.ts_value, half.ts_value).unsigned_abs()
}
