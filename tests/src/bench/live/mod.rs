//! Packets per second through a pair of veth devices: with nothing attached, with a program that does
//! nothing, and with the probe, in turns within one run.
//!
//! The kernel makes the packets (live frames of `BPF_PROG_TEST_RUN`), each of another flow. Making,
//! sending and receiving take turns on one CPU, so a throughput is that of all three; what making and
//! sending alone take is told beside it.

pub mod send;
pub mod stage;

use probe_common::{bench::Vary, wire::tcp_flag};

use self::{
    send::Load,
    stage::{Attached, Direction, Loads, Stage},
};
use super::{
    cost,
    group::Request,
    packets::{self, Below, From, UNWATCHED, Varied, WATCHED},
    sample::Sample,
    table::{Budget, Row, Table},
};
use crate::lab::road::ROUTER;

/// What the probe must leave of the throughput with a program that does nothing.
const LEFT: Budget = Budget::AtLeast(90.0);

/// Packets in a run are parts of this size, or a mix would be none.
const PART: u32 = 1 << 12;

/// Parts of a run.
const PARTS: u32 = 32;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Effort {
    /// Runs, in each of which everything has its turn.
    runs: usize,
    /// Rounds through the parts in a run.
    rounds: u32,
}

/// Kinds of packets, with how many of [`PARTS`] each has.
pub(super) struct Traffic {
    pub(super) name: &'static str,
    kinds: Vec<(Varied, u32)>,
}

/// The group.
///
/// # Errors
///
/// If the kernel refuses something, or the probe does not see what passes.
pub fn group(request: &Request, table: &mut Table) -> anyhow::Result<()> {
    let effort =
        if request.quick { Effort { runs: 7, rounds: 1 } } else { Effort { runs: 25, rounds: 4 } };
    let mut stage = Stage::new(&cost::config(), 1)?;
    for direction in [Direction::Ingress, Direction::Egress] {
        for traffic in traffic() {
            let name = format!("{}, {}", direction.name(), traffic.name);
            if request.wants(&name) {
                measure(
                    &mut stage,
                    direction,
                    &name,
                    &traffic.loads(direction, effort.rounds),
                    effort,
                    table,
                )?;
            }
        }
    }
    Ok(())
}

/// The bulk of unwatched flows, in large packets and in the smallest; and a mix, as a network of
/// subscribers has it.
pub(super) fn traffic() -> Vec<Traffic> {
    use Below::V4;
    let bulk = || packets::bulk(V4, From::Client, UNWATCHED);
    let [query, _] = packets::lookup(V4, "www.example.org");
    vec![
        Traffic { name: "bulk data", kinds: vec![(bulk(), PARTS)] },
        Traffic { name: "64 octets", kinds: vec![(packets::ack(V4, UNWATCHED), PARTS)] },
        Traffic {
            name: "a mix",
            kinds: vec![
                (bulk(), 18),
                (packets::ack(V4, UNWATCHED), 6),
                (packets::other(V4), 5),
                (packets::bulk(V4, From::Client, WATCHED), 1),
                (packets::flood(V4, UNWATCHED, tcp_flag::SYN), 1),
                (query, 1),
            ],
        },
    ]
}

impl Direction {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

impl Traffic {
    pub(super) fn loads(&self, direction: Direction, rounds: u32) -> Vec<(Load, Vary)> {
        let kinds = self.kinds.iter();
        kinds
            .map(|(kind, parts)| (load(kind, direction, rounds * parts * PART), kind.vary))
            .collect()
    }
}

/// `count` packets of a kind, on their way.
pub fn load(kind: &Varied, direction: Direction, count: u32) -> Load {
    let mut frame = kind.frame.clone();
    if direction == Direction::Egress {
        frame[..6].copy_from_slice(&ROUTER);
    }
    // At least as long as Ethernet wants it, and in any case longer than the IP packet in it: then the
    // stack does not try to join it with others, for which it would add up the whole segment. A network
    // card does that.
    frame.resize((frame.len() + 1).max(60), 0);
    Load { frame, count }
}

fn measure(
    stage: &mut Stage,
    direction: Direction,
    name: &str,
    loads: &Loads,
    effort: Effort,
    table: &mut Table,
) -> anyhow::Result<()> {
    let mut turns = vec![Attached::Nothing, Attached::Empty, Attached::Probe];
    if direction == Direction::Ingress {
        turns.push(Attached::Drop);
    }
    let mut figures = vec![Vec::new(); turns.len()];
    let mut left = Vec::new();
    let mut lost = 0;
    for _ in 0..effort.runs {
        for (figures, &attached) in figures.iter_mut().zip(&turns) {
            let passed = stage.run(direction, attached, loads, &[0])?;
            figures.push(passed.per_second());
            lost += passed.sent - passed.received;
        }
        let last = figures.iter().map(|figures| figures.last().copied().unwrap_or(f64::NAN));
        let last = last.collect::<Vec<f64>>();
        left.push(100.0 * last[2] / last[1]);
    }
    for (figures, attached) in figures.into_iter().zip(turns) {
        let what = format!("{name}: {}", attached.name());
        table.add(Row::new("live", what, &Sample::new(figures), "/s"));
    }
    let row = Row::new("live", format!("{name}: left by the probe"), &Sample::new(left), "%");
    table.add(row.budget(LEFT).note(format!("{lost} packets did not arrive")));
    Ok(())
}

impl Attached {
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing attached",
            Self::Empty => "a program that passes",
            Self::Probe => "the probe",
            Self::Drop => "made and sent only",
        }
    }
}
