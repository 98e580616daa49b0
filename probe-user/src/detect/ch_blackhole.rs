//! `CH_BLACKHOLE`: the handshake works, and the client's first data disappears.
//!
//! **Rule.** The handshake is complete; the client's first data was sent three times or more; the
//! server has acknowledged none of it, and sent nothing. The client may have given up since.
//!
//! **Source.** ClientHellos dropped by name: China on ESNI (net4people/bbs issue 43), Kazakhstan
//! (OONI, 2024), Russia's TSPU (Xue et al., IMC 2022).
//!
//! **Worth.** Class N. C1; C2 beside `STAGE_SNI`, if the data fitted into a packet that every path passes, or the same
//! server has answered a hello of at least that length. A server's kernel acknowledges before anybody has looked
//! at a name, so a name cannot make a difference there.
//!
//! **Look-alikes that it stays silent on.**
//! * A path that loses large packets, without a word (RFC 2923, section 2.1): names differ in how long their hellos
//!   are, by what servers have given clients to resume with. The hello of two segments is worth no more than C1.
//! * A slow server: its kernel acknowledges all the same.
//! * A way on which nothing of the client arrives any more, as behind a firewall that sees one direction only: the
//!   server sends its SYN+ACK again.

use probe_common::flow::state;

use super::{Account, Fired, Hit, SilenceDetector, measured, supported};
use crate::{
    judge::{Knowledge, SMALL, Silent},
    report::finding::{Confidence, EvidenceClass},
};

/// Repetitions that make it more than a lost packet.
const REPEATED: u16 = 2;

/// See the module.
pub static DETECTOR: SilenceDetector =
    SilenceDetector { id: "CH_BLACKHOLE", class: EvidenceClass::N, judge };

fn judge<'a>(silent: &'a Silent, knowledge: &'a Knowledge, others: &[Hit<'_>]) -> Option<Fired<'a>> {
    if !is_swallowed(silent) {
        return None;
    }
    let client = silent.client();
    let sent = client.end.wrapping_sub(client.syn.isn.wrapping_add(1));
    let server = silent.record.key.end(silent.record.initiator().other()).0;
    let answered = knowledge.hellos().answered(server);
    let length = silent.subject.traits.map_or(u32::MAX, |traits| traits.length);
    let passes = sent <= SMALL || sent <= mss(silent) && answered.plain.max(answered.grease) >= length;
    let named = supported(others, &[EvidenceClass::P], Confidence::C2);
    Some(Fired {
        confidence: if named && passes { Confidence::C2 } else { Confidence::C1 },
        packets: Vec::new(),
        account: Account::of(move || {
            let measured = measured! {
                "octets_unacknowledged": sent,
                "repeated": client.repeated,
                "silent_s": silent.seconds(),
            };
            (
                measured,
                format!(
                    "the client's first {sent} octets were sent {} times and never acknowledged",
                    u32::from(client.repeated) + 1
                ),
            )
        }),
    })
}

/// The longest segment that the server takes.
fn mss(silent: &Silent) -> u32 {
    /// Of a path of which nothing is known: Ethernet's.
    const USUAL: u32 = 1_460;
    match silent.server().syn.mss {
        0 => USUAL,
        mss => mss.into(),
    }
}

/// Whether nothing of the client's data was acknowledged though it was sent again and again.
pub fn is_swallowed(silent: &Silent) -> bool {
    let (client, server) = (silent.client(), silent.server());
    // A repeated SYN counts as a repetition too.
    let repeated = client.repeated.saturating_sub(u16::from(silent.record.is(state::SYN_REPEATED)));
    silent.record.is(state::FOLLOWED | state::ESTABLISHED)
        && client.data_segments >= 1
        // Else it offers the connection again: the ACK that passed here has not arrived, either, which has no name.
        && server.repeated == 0
        && repeated >= REPEATED
        && server.data == 0
        && server.acked == client.syn.isn.wrapping_add(1)
}
