//! `QUIC_SNI_DROP`: a client's QUIC hello is sent again and again, and nothing comes back.
//!
//! **Rule.** The client has sent its first Initial packets three times or more, each time after a wait;
//! the server has sent no datagram, and nobody an ICMP error. Within ten minutes before or since, the
//! same server has sent data over TCP on port 443; it has answered another attempt over QUIC; and
//! somebody has answered this client over QUIC.
//!
//! **Source.** China drops a client's datagrams after a decrypted Initial with a name on its list, for
//! 180 s and only if the client's port is above the server's (Zohaib et al., USENIX Security 2025).
//! Russia dropped datagrams of 1,001 octets or more to port 443 of version 1, and looks at names since
//! 2023 (net4people/bbs issue 654). Waits: RFC 9002 section 6.2.
//!
//! **Worth.** C2, class N. Alone it is a suspicion: in QUIC nobody acknowledges before the name has been
//! looked at, so that a server may be silent of its own will. Beside `STAGE_SNI` it is an accusation.
//!
//! **Look-alikes that it stays silent on.**
//! * A network that blocks UDP: nobody answers this client over QUIC.
//! * A server that does not speak QUIC, or no longer: it answers nobody.
//! * A client that gives up, and takes what it got over TCP, before the third time.
//! * A hello that is dropped for Encrypted ClientHello, whatever the name: see `ECH_DROP`.
//! * A host that is down: TCP gets no answer, either.
//! * A port that is closed, a filter that says so: an ICMP error comes.

use super::{Account, Fired, Hit, QuicDetector, measured, supported};
use crate::{
    judge::{Attempt, Knowledge, is_fresh},
    report::finding::{Confidence, EvidenceClass},
};

/// Times that a hello is sent before its silence is more than loss.
const FLIGHTS: u16 = 3;

/// See the module.
pub static DETECTOR: QuicDetector =
    QuicDetector { id: "QUIC_SNI_DROP", class: EvidenceClass::N, judge };

fn judge<'a>(
    attempt: &'a Attempt,
    knowledge: &'a Knowledge,
    others: &[Hit<'_>],
) -> Option<Fired<'a>> {
    // Not for its name, if it is for the extension: see `ECH_DROP`.
    let for_extension = supported(others, &[EvidenceClass::N], Confidence::C2);
    if for_extension || attempt.subject.label().is_none() {
        return None;
    }
    let controls = controls(attempt, knowledge)?;
    let seconds = |time: u64| (time.abs_diff(attempt.opened) / 1_000_000) as f64 / 1e3;
    Some(Fired {
        confidence: Confidence::C2,
        packets: Vec::new(),
        account: Account::of(move || {
            let measured = measured! {
                "flights": attempt.flights,
                "datagrams": attempt.datagrams,
                "longest_bytes": attempt.longest,
                "version": format!("{:#010x}", attempt.version),
                "tried_s": attempt.tried(),
                "silent_s": attempt.seconds(),
                "client_port_above_server_port": attempt.from().1 > attempt.to().1,
                "tcp_answered_s_apart": seconds(controls.tcp),
                "quic_answered_s_apart": seconds(controls.quic),
            };
            (
                measured,
                format!(
                    "the client sent its QUIC hello {} times and nothing came back; the same server answers \
                 over TCP, and others over QUIC",
                    attempt.flights
                ),
            )
        }),
    })
}

/// When the same server answered last: over TCP, and others over QUIC.
pub struct Controls {
    tcp: u64,
    quic: u64,
}

/// The controls of an attempt that got no answer though it was made often enough; none if they do not
/// say that there should have been one.
pub fn controls(attempt: &Attempt, knowledge: &Knowledge) -> Option<Controls> {
    let reach = knowledge.reach();
    let server = reach.server(attempt.to().0);
    let client = reach.client(attempt.from().0);
    let there = |time| is_fresh(time, attempt.opened);
    let all = there(server.tcp) && there(server.quic) && there(client);
    (attempt.flights >= FLIGHTS && all).then_some(Controls { tcp: server.tcp, quic: server.quic })
}
