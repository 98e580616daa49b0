//! `ECH_DROP`: a hello with Encrypted ClientHello disappears, and one with GREASE in its place does not.
//!
//! **Rule.** The client's first data was sent three times or more and never acknowledged (`CH_BLACKHOLE`),
//! or its QUIC hello got no answer (`QUIC_SNI_DROP`). The hello uses Encrypted ClientHello: its outer name
//! is a public one, or its key is one that a server announced or that others use, too. The same server
//! has answered a hello of at least the same length without it.
//!
//! **Source.** Russia drops hellos with the extension and the outer name cloudflare-ech.com, over TLS and
//! QUIC, since 2024-11-05 (net4people/bbs issue 417; Niere et al., 2025). RFC 9849.
//!
//! **Worth.** Class N. C2 if a hello with GREASE was answered, so that it is not the extension that
//! disturbs somebody; C1 if only hellos without it were. Beside `STAGE_SNI`, which sets the outer name
//! against the others of the server, it is an accusation.
//!
//! **Look-alikes that it stays silent on.**
//! * GREASE, which is in each hello of today's browsers, and what cannot be told from it.
//! * A path that loses large packets: no hello of that length was answered.

use super::{
    Account, Fired, Hit, QuicDetector, SilenceDetector, ch_blackhole, measured, quic_sni_drop,
};
use crate::{
    judge::{Attempt, Knowledge, Silent, Subject},
    names::tls::ech::{Sign, Use},
    report::finding::{Confidence, EvidenceClass},
};
use probe_common::wire::Address;

/// See the module.
pub static DETECTOR: SilenceDetector =
    SilenceDetector { id: "ECH_DROP", class: EvidenceClass::N, judge };

/// The same over QUIC.
pub static QUIC: QuicDetector =
    QuicDetector { id: "ECH_DROP", class: EvidenceClass::N, judge: judge_quic };

fn judge<'a>(silent: &'a Silent, knowledge: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let server = silent.record.key.end(silent.record.initiator().other()).0;
    let swallowed = ch_blackhole::is_swallowed(silent);
    if swallowed { fired(&silent.subject, server, knowledge) } else { None }
}

fn judge_quic<'a>(
    attempt: &'a Attempt,
    knowledge: &'a Knowledge,
    _: &[Hit<'_>],
) -> Option<Fired<'a>> {
    quic_sni_drop::controls(attempt, knowledge)?;
    fired(&attempt.subject, attempt.to().0, knowledge)
}

fn fired<'a>(subject: &Subject, server: Address, knowledge: &'a Knowledge) -> Option<Fired<'a>> {
    let (traits, Some(Use::Real(sign))) = (subject.traits?, subject.ech) else { return None };
    let (outer, answered) = (traits.outer?, knowledge.hellos().answered(server));
    let grease = answered.grease >= traits.length;
    if !grease && answered.plain < traits.length {
        return None;
    }
    let sign = match sign {
        Sign::PublicName => "public_name",
        Sign::Announced => "announced_key",
        _ => "same_key",
    };
    let others = if grease { "with GREASE" } else { "without it" };
    Some(Fired {
        confidence: if grease { Confidence::C2 } else { Confidence::C1 },
        packets: Vec::new(),
        account: Account::of(move || {
            let measured = measured! {
                "known_by": sign,
                "config_id": outer.config_id,
                "hello_bytes": traits.length,
                "answered_grease_bytes": answered.grease,
                "answered_plain_bytes": answered.plain,
            };
            (
                measured,
                format!(
                    "a hello with Encrypted ClientHello got no answer, and the same server answers one {others}"
                ),
            )
        }),
    })
}
