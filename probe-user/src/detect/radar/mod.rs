//! The 19 signatures of Cloudflare Radar, for either direction: how a connection ended, in the order
//! of its flags.
//!
//! **Source.** Sundara Raman et al., *Global, Passive Detection of Connection Tampering* (SIGCOMM
//! 2023), and Radar's glossary for the stages. There they are read off what a server receives; here
//! off the resets in the name of one end, whichever that is, and off silence.
//!
//! **Worth.** Bookkeeping: one connection in five ends in one of these shapes for innocent reasons.
//! Each is counted by direction, so that figures compare. A finding of C1, class P, is made only of
//! resets after the client's first data and before any answer, of a server's that has just accepted
//! the connection, and, for a watched service, of a refusal.

pub use probe_common::flow::Stage;
use probe_common::{flow::Side, wire::tcp_flag};

use super::{Account, Fired, measured};
use crate::{
    judge::{Case, Seen},
    report::finding::Confidence,
};

/// One signature.
#[derive(Debug)]
pub struct Radar {
    /// `T01` to `T19`, in Radar's order.
    pub id: &'static str,
    /// As the paper writes it: what came last, and what ended it.
    pub pattern: &'static str,
    /// Radar's stage.
    pub stage: Stage,
    /// Whether the resets are of this shape.
    pub matches: fn(&Shape) -> bool,
}

/// How the resets of one side look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Without ACK.
    pub bare: usize,
    /// With ACK.
    pub with_ack: usize,
    /// Distinct acknowledgment numbers.
    pub acks: usize,
    /// Whether one of those is 0.
    pub ack_zero: bool,
}

impl Shape {
    /// The shape of the resets in the name of `side`.
    pub fn of(case: &Case, side: Side) -> Self {
        let mut shape = Self::default();
        let mut acks: Vec<u32> = Vec::new();
        for packet in case.resets_of(side).map(Seen::packet) {
            if packet.has(tcp_flag::ACK) {
                shape.with_ack += 1;
            } else {
                shape.bare += 1;
            }
            acks.push(packet.ack);
        }
        shape.ack_zero = acks.contains(&0);
        acks.sort_unstable();
        acks.dedup();
        shape.acks = acks.len();
        shape
    }

    /// Whether there are no resets.
    pub const fn is_silent(&self) -> bool {
        self.bare == 0 && self.with_ack == 0
    }
}

macro_rules! signatures {
    ($($module:ident),+ $(,)?) => {
        $(pub mod $module;)+

        /// All of them; the first that matches is the one.
        pub static ALL: &[&Radar] = &[$(&$module::SIGNATURE),+];
    };
}

// T17 before T15 and T16: it is the more special one.
signatures! {
    t01_syn_silence,
    t02_syn_rst,
    t03_syn_rst_ack,
    t04_syn_rst_and_rst_ack,
    t05_ack_silence,
    t06_ack_rst,
    t07_ack_rst_rst,
    t08_ack_rst_ack,
    t09_ack_rst_ack_rst_ack,
    t10_psh_silence,
    t11_psh_rst,
    t12_psh_rst_ack,
    t13_psh_rst_and_rst_ack,
    t14_psh_rst_ack_rst_ack,
    t17_psh_rst_rst0,
    t15_psh_rst_eq_rst,
    t16_psh_rst_ne_rst,
    t18_data_rst,
    t19_data_rst_ack,
}

/// The signature of a connection that ended in `stage` with resets of this shape.
pub fn classify(stage: Stage, shape: &Shape) -> Option<&'static Radar> {
    ALL.iter().find(|radar| radar.stage == stage && (radar.matches)(shape)).copied()
}

/// The signature of the resets in the name of `side`, and what it is worth as evidence.
pub fn judge(case: &Case, side: Side) -> Option<(&'static Radar, Option<Fired<'_>>)> {
    let first = case.resets_of(side).next()?;
    let stage = Stage::of(first.flow());
    let radar = classify(stage, &Shape::of(case, side))?;
    let from_server = side != case.initiator();
    let responder = case.initiator().other();
    let unanswered = first.flow().half(responder).data == 0;
    let worth_telling = match stage {
        Stage::PostPsh => unanswered,
        // A server that has accepted and then resets, or one that is watched.
        Stage::PostSyn | Stage::PostAck => {
            from_server && (case.subject.watched || first.flow().half(side).has_baseline())
        }
        Stage::Later | Stage::NoMatch => false,
    };
    let fired = worth_telling.then(|| Fired {
        confidence: Confidence::C1,
        packets: case.resets_of(side).map(Seen::number).collect(),
        account: Account::of(move || {
            let measured = measured! { "pattern": radar.pattern, "resets": case.reset_count(side) };
            (
                measured,
                match stage {
                    Stage::PostPsh if from_server => {
                        "a reset is all that the client's first data met".into()
                    }
                    Stage::PostPsh => "the client reset it right after its first data".into(),
                    _ if first.flow().half(side).has_baseline() => {
                        "the server accepted the connection and reset it".into()
                    }
                    _ => "the connection was refused".into(),
                },
            )
        }),
    });
    Some((radar, fired))
}

#[cfg(test)]
mod tests {
    use super::{ALL, Shape, Stage, classify};

    #[test]
    fn there_are_nineteen_each_with_its_own_name() {
        let mut ids: Vec<&str> = ALL.iter().map(|radar| radar.id).collect();
        ids.sort_unstable();
        let expected: Vec<String> = (1..=19).map(|number| format!("T{number:02}")).collect();
        assert_eq!(ids, expected);
    }

    #[test]
    fn every_shape_of_every_stage_has_a_name() {
        for stage in [Stage::PostSyn, Stage::PostAck, Stage::PostPsh] {
            // Radar has no name for both kinds right after the handshake.
            let both = if stage == Stage::PostAck { (0, 1) } else { (1, 1) };
            for (bare, with_ack) in [(0, 0), (1, 0), (2, 0), (0, 1), (0, 2), both] {
                let shape = Shape { bare, with_ack, acks: 1, ack_zero: false };
                assert!(classify(stage, &shape).is_some(), "{stage:?} {shape:?}");
            }
        }
        let zero = Shape { bare: 2, with_ack: 0, acks: 2, ack_zero: true };
        assert_eq!(classify(Stage::PostPsh, &zero).map(|radar| radar.id), Some("T17"));
    }
}
