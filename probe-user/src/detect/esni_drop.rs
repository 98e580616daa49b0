//! `ESNI_DROP`: a hello with Encrypted SNI disappears, and others do not.
//!
//! **Rule.** The client's first data was sent three times or more and never acknowledged
//! (`CH_BLACKHOLE`). It is a hello with the extension 0xffce. The same server has answered a hello of at
//! least the same length without it.
//!
//! **Source.** China, since July 2020: whatever the name, a hello with this extension is dropped, and all
//! that the client sends to that server for 120 to 180 s (net4people/bbs issue 43). The extension is
//! that of draft-ietf-tls-esni-02 to -06; clients sent it until 2021.
//!
//! **Worth.** C2, class N. Beside `STAGE_SNI`, which counts hellos with an encrypted name as one name, it
//! is an accusation; what fails in the minutes after that is told by `RESIDUAL`.
//!
//! **Look-alikes that it stays silent on.**
//! * Encrypted ClientHello, which has another extension: see `ECH_DROP`.
//! * A path that loses large packets: no hello of that length was answered.
//! * A server that does not know the extension: it answers and leaves it out.

use super::{Account, Fired, Hit, SilenceDetector, ch_blackhole, measured};
use crate::{
    judge::{Knowledge, Silent},
    report::finding::{Confidence, EvidenceClass},
};

/// See the module.
pub static DETECTOR: SilenceDetector =
    SilenceDetector { id: "ESNI_DROP", class: EvidenceClass::N, judge };

fn judge<'a>(silent: &'a Silent, knowledge: &'a Knowledge, _: &[Hit<'_>]) -> Option<Fired<'a>> {
    let traits = silent.subject.traits.filter(|traits| traits.esni)?;
    let server = silent.record.key.end(silent.record.initiator().other()).0;
    let answered = knowledge.hellos().answered(server).plain;
    if !ch_blackhole::is_swallowed(silent) || answered < traits.length {
        return None;
    }
    Some(Fired {
        confidence: Confidence::C2,
        packets: Vec::new(),
        account: Account::of(move || {
            let measured = measured! {
                "hello_bytes": traits.length,
                "answered_plain_bytes": answered,
                "repeated": silent.client().repeated,
                "silent_s": silent.seconds(),
            };
            (
                measured,
                "a hello with Encrypted SNI got no answer, and the same server answers others"
                    .into(),
            )
        }),
    })
}
