//! How fast a capture is read and judged, on one thread, beside others who read the same.
//!
//! All run on one CPU, in turns. What starting takes is measured on a capture of a single
//! scene and taken off, of all of them alike.

pub mod readers;
pub mod traffic;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use self::readers::{OTHERS, Pinned, Reader};
pub use self::traffic::{Held, write};
use super::{
    group::Request,
    sample::Sample,
    table::{Budget, Row, Table},
};

/// Packets in a second that are to be judged.
const RATE: f64 = 5e6;

/// How many times as many as Suricata reads.
const TIMES_SURICATA: f64 = 20.0;

/// What Suricata 7.0.10 reads in a second on a machine like that of the figures in the documentation:
/// for where it is not there to be measured.
const SURICATA_ELSEWHERE: f64 = 197_000.0;

/// Seed of the capture.
const SEED: u64 = 1;

/// How much is measured.
struct Effort {
    packets: u64,
    /// How often each reads.
    rounds: usize,
}

/// A reader, and what was measured of it.
struct Timed {
    reader: Reader,
    program: PathBuf,
    /// Seconds that starting takes.
    start: f64,
    rates: Vec<f64>,
}

/// Measures the group.
///
/// # Errors
///
/// If the capture cannot be made, or a reader that is there fails.
pub fn group(request: &Request, table: &mut Table) -> anyhow::Result<()> {
    let effort = if request.quick {
        Effort { packets: 600_000, rounds: 3 }
    } else {
        Effort { packets: 3_000_000, rounds: 5 }
    };
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in("target")?;
    let folder = folder.path().canonicalize()?;
    let (capture, first) = (folder.join("town.pcap"), folder.join("first.pcap"));
    let held = write(&capture, SEED, effort.packets).context("cannot write the capture")?;
    write(&first, SEED, 1).context("cannot write the capture")?;
    let _pinned = Pinned::to_one()?;
    let wanted = [Reader::Forgewatch].into_iter().chain(OTHERS);
    let wanted = wanted.filter(|reader| request.wants(reader.what()));
    let (mut timed, mut absent) = (Vec::new(), Vec::new());
    for reader in wanted {
        match reader.find() {
            Some(program) => timed.push(Timed::ready(reader, program, &first)?),
            None => absent.push(reader.name()),
        }
    }
    for _ in 0..effort.rounds {
        for one in &mut timed {
            let seconds = one.reader.read(&one.program, &capture)? - one.start;
            one.rates.push(held.packets as f64 / seconds);
        }
    }
    tell(&timed, &absent, held, table);
    Ok(())
}

impl Timed {
    fn ready(reader: Reader, program: PathBuf, first: &Path) -> anyhow::Result<Self> {
        let starts = Sample::take(3, || reader.read(&program, first))?;
        Ok(Self { reader, program, start: starts.median(), rates: Vec::new() })
    }
}

fn tell(timed: &[Timed], absent: &[&str], held: Held, table: &mut Table) {
    let rates = |reader| timed.iter().find(|one| one.reader == reader).map(|one| &one.rates);
    let size = held.octets / held.packets.max(1);
    for one in timed {
        let rate = Sample::new(one.rates.clone());
        let row = Row::new("replay", one.reader.what(), &rate, "pkt/s");
        table.add(if one.reader == Reader::Forgewatch {
            let gigabits = rate.median() * size as f64 * 8.0 / 1e9;
            row.budget(Budget::AtLeast(RATE))
                .note(format!("{size} octets a packet: {gigabits:.1} Gbit/s"))
        } else {
            row
        });
    }
    let Some(ours) = rates(Reader::Forgewatch) else { return };
    let suricata = rates(Reader::Suricata);
    let ratios = ours
        .iter()
        .enumerate()
        .map(|(round, ours)| ours / suricata.map_or(SURICATA_ELSEWHERE, |rates| rates[round]));
    let row = Row::new("replay", "times as fast as suricata", &Sample::new(ratios.collect()), "x");
    let mut note = String::new();
    if suricata.is_none() {
        note = format!("held against {SURICATA_ELSEWHERE} a second of such machines; ");
    }
    if !absent.is_empty() {
        note += &format!("not installed here: {}", absent.join(", "));
    }
    table.add(row.budget(Budget::AtLeast(TIMES_SURICATA)).note(note));
}
