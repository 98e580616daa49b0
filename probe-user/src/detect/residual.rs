//! `RESIDUAL`: what is innocent fails too, for a while after a connection was cut.
//!
//! **Rule.** Within seven minutes after an accused connection, another one between the same client,
//! server and port is reset although it has not said a name yet, or says one that is not watched;
//! before, the server had answered that client. Over QUIC: it gets no answer, and says a name that is not
//! watched.
//!
//! **Source.** Residual censorship lasts from 60 to 420 s (Bock et al., WOOT 2021; Xue et al., IMC
//! 2022).
//!
//! **Worth.** Class R. C1 alone, C2 beside a signature of another class, which for silence there always
//! is: it accuses nobody without another of C2. How long it lasts names the censor.
//!
//! **Look-alikes that it stays silent on.**
//! * The client's own second attempt for the same name: it is cut for what it asks.
//! * A client that resets its own attempts.

use probe_common::flow::{FlowRecord, Side, Stage};

use super::{
    Account, Fired, Hit, QuicDetector, SilenceDetector, TcpDetector, measured, quic_sni_drop,
    supported,
};
use crate::{
    judge::{Attempt, Case, Knowledge, Seen, Silent, Subject},
    report::finding::{
        Confidence,
        EvidenceClass::{self, H, S, T},
    },
};

/// See the module.
pub static DETECTOR: TcpDetector = TcpDetector::new("RESIDUAL", EvidenceClass::R, judge);

/// The same of connections that fell silent.
pub static SILENT: SilenceDetector =
    SilenceDetector { id: "RESIDUAL", class: EvidenceClass::R, judge: judge_silent };

/// The same of QUIC.
pub static QUIC: QuicDetector =
    QuicDetector { id: "RESIDUAL", class: EvidenceClass::R, judge: judge_quic };

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
    let (flow, time) = (first.flow(), first.packet().time);
    let since = since(&case.subject, flow, time, knowledge)?;
    let backed = supported(others, &[H, S, T], Confidence::C2);
    let confidence = if backed { Confidence::C2 } else { Confidence::C1 };
    Some(fired(
        since,
        Stage::of(flow),
        confidence,
        case.burst_of(first).map(Seen::number).collect(),
    ))
}

fn judge_silent<'a>(
    silent: &'a Silent,
    knowledge: &'a Knowledge,
    _: &[Hit<'_>],
) -> Option<Fired<'a>> {
    let time = silent.record.opened;
    let since = since(&silent.subject, &silent.record, time, knowledge)?;
    Some(fired(since, Stage::of(&silent.record), Confidence::C2, Vec::new()))
}

fn judge_quic<'a>(
    attempt: &'a Attempt,
    knowledge: &'a Knowledge,
    _: &[Hit<'_>],
) -> Option<Fired<'a>> {
    quic_sni_drop::controls(attempt, knowledge)?;
    let trigger =
        knowledge.quic_residual().trigger(attempt.from().0, attempt.to(), attempt.opened)?;
    let harmless = attempt.subject.name.is_some() && !attempt.subject.watched;
    if !harmless || trigger.name == attempt.subject.name {
        return None;
    }
    let since = attempt.opened.saturating_sub(trigger.time);
    Some(Fired {
        confidence: Confidence::C2,
        packets: Vec::new(),
        account: Account::of(move || {
            let measured = measured! { "after_s": (since / 1_000_000) as f64 / 1e3 };
            (measured, words(since))
        }),
    })
}

/// How long ago the trigger was that this connection may suffer from, in nanoseconds, if it gave no
/// cause of its own.
fn since(subject: &Subject, flow: &FlowRecord, time: u64, knowledge: &Knowledge) -> Option<u64> {
    let stage = Stage::of(flow);
    let early = matches!(stage, Stage::PostSyn | Stage::PostAck);
    let harmless = subject.name.is_some() && !subject.watched;
    let gives_cause = !(early || harmless && stage == Stage::PostPsh);
    if gives_cause {
        return None;
    }
    let initiator = flow.initiator();
    let (client, server) = (flow.key.end(initiator).0, flow.key.end(initiator.other()));
    let trigger = knowledge.residual().trigger(client, server, time)?;
    let again = trigger.name.is_some() && trigger.name == subject.name;
    if again { None } else { Some(time.saturating_sub(trigger.time)) }
}

fn fired<'a>(since: u64, stage: Stage, confidence: Confidence, packets: Vec<u64>) -> Fired<'a> {
    Fired {
        confidence,
        packets,
        account: Account::of(move || {
            let seconds = (since / 1_000_000) as f64 / 1e3;
            (measured! { "after_s": seconds, "stage": stage.name() }, words(since))
        }),
    }
}

fn words(since: u64) -> String {
    let seconds = (since / 100_000_000) as f64 / 10.0;
    format!("cut {seconds} s after a connection to the same server was")
}
