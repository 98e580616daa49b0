//! `STAGE_SNI`: at one address, this name is cut off and the others are served.
//!
//! **Rule.** Connections to one server address that asked for this name were all reset after their
//! first data, without a byte of an answer; since the first of them those that asked for other names were all
//! answered; and by chance that would come about less than once in a thousand times (Fisher's exact test). Of data
//! that disappeared, and over QUIC, where none was answered: those others count that were answered between the
//! first and the last for this name. A hello whose name is encrypted with Encrypted SNI counts as one name.
//!
//! **Source.** Sundara Raman et al. (SIGCOMM 2023) for the stages; the differential on one address is
//! what a router can see and a server cannot.
//!
//! **Worth.** Class P. C1: a server may refuse one of its own names. C2 beside a signature of another
//! class that says that somebody else answered; of silence, if one of the clients that got no answer was served
//! under another name at the same address since, or clients of four networks got none.
//!
//! **Look-alikes that it stays silent on.**
//! * A server that is down, or refuses everybody: then no other name is served.
//! * A name that sometimes works.
//! * A server that is overwhelmed for a while, in which this name was asked for and no other.
//!
//! A front that limits what one client may ask, or a device that protects it and drops what that client sends, stays
//! C1: nobody serves that client at all.

use probe_common::flow::{Side, Stage};

use super::{
    Account, Fired, Hit, QuicDetector, SilenceDetector, TcpDetector, ch_blackhole, measured,
    quic_sni_drop, supported,
};
use crate::{
    judge::{Attempt, Case, Contrast, Knowledge, Seen, Silent},
    report::finding::{
        Confidence,
        EvidenceClass::{self, H, S, T},
    },
};

/// Probability below which chance is out of the question.
const CHANCE: f64 = 1e-3;

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("STAGE_SNI", EvidenceClass::P, judge);

/// The same of connections whose first data disappeared: C2, since before a server's kernel all names
/// are equal.
pub static SILENT: SilenceDetector =
    SilenceDetector { id: "STAGE_SNI", class: EvidenceClass::P, judge: judge_silent };

/// The same of QUIC. Before a QUIC server names are not equal, and still it answers what it refuses.
pub static QUIC: QuicDetector =
    QuicDetector { id: "STAGE_SNI", class: EvidenceClass::P, judge: judge_quic };

fn judge<'a>(
    case: &'a Case,
    side: Side,
    knowledge: &'a Knowledge,
    others: &[Hit<'_>],
) -> Option<Fired<'a>> {
    if side == case.initiator() {
        return None;
    }
    let first = case.resets_of(side).next()?;
    if Stage::of(first.flow()) != Stage::PostPsh || first.flow().half(side).data != 0 {
        return None;
    }
    let name = case.subject.label()?;
    let contrast = knowledge.population().contrast(case.key.end(side).0, name)?;
    let backed = supported(others, &[H, S, T], Confidence::C1);
    let confidence = if backed { Confidence::C2 } else { Confidence::C1 };
    let chance = contrast.chance();
    fired(contrast, chance, confidence, case.burst_of(first).map(Seen::number).collect())
}

fn judge_silent<'a>(
    silent: &'a Silent,
    knowledge: &'a Knowledge,
    _: &[Hit<'_>],
) -> Option<Fired<'a>> {
    if !ch_blackhole::is_swallowed(silent) {
        return None;
    }
    let name = silent.subject.label()?;
    let server = silent.record.key.end(silent.record.initiator().other()).0;
    silence(knowledge.population().contrast(server, name)?)
}

fn judge_quic<'a>(
    attempt: &'a Attempt,
    knowledge: &'a Knowledge,
    _: &[Hit<'_>],
) -> Option<Fired<'a>> {
    quic_sni_drop::controls(attempt, knowledge)?;
    let name = attempt.subject.label()?;
    silence(knowledge.quic_names().contrast(attempt.to().0, name)?)
}

/// Nothing that was seen makes silence another's but that it is about a name. So it must neither be a time in which
/// nobody was served, nor a client that nobody serves.
fn silence<'a>(contrast: Contrast) -> Option<Fired<'a>> {
    let confidence = if contrast.witnessed { Confidence::C2 } else { Confidence::C1 };
    fired(contrast, contrast.chance_between(), confidence, Vec::new())
}

fn fired<'a>(
    contrast: Contrast,
    chance: f64,
    confidence: Confidence,
    packets: Vec<u64>,
) -> Option<Fired<'a>> {
    (chance <= CHANCE).then(|| Fired {
        confidence,
        packets,
        account: Account::of(move || {
            let measured = measured! {
                "cut": contrast.cut,
                "others_served": contrast.others_served,
                "others_served_between": contrast.between,
                "not_by_client": contrast.witnessed,
                "chance": chance,
            };
            (measured, format!(
                "at this address all {} connections for this name were cut and all {} for others since served",
                contrast.cut, contrast.others_served
            ))
        }),
    })
}
