//! How a blocking is spread over flows: all, some paths, some clients, or a share as if by chance.

use super::{
    track::Run,
    verdict::{Pattern, Spread},
};

/// Share from which on a blocking counts as total: what remains is what observing misses.
const ALL: f64 = 0.9;

/// Flows in a path bucket from which on something is said of it.
const PATH_MIN: u32 = 10;

/// A bucket is affected, or is not, at these parts of its flows.
const PATH_YES: f64 = 0.7;
const PATH_NO: f64 = 0.1;

/// Part of the affected clients of whom every flow must be affected for it to be clients.
const ENTIRELY: f64 = 0.8;

/// The pattern of a run.
pub(super) fn of(run: &Run) -> Pattern {
    let share = (run.share() - run.any_share()).clamp(0.0, 1.0);
    let buckets = run.all.paths.iter().zip(run.signs.paths);
    let (mut yes, mut no, mut unclear) = (0u8, 0u8, 0u8);
    for (&all, bad) in buckets {
        if all < PATH_MIN {
            continue;
        }
        match f64::from(bad) / f64::from(all) {
            part if part >= PATH_YES => yes += 1,
            part if part <= PATH_NO => no += 1,
            _ => unclear += 1,
        }
    }
    let affected = run.entirely + run.partly;
    let entirely = run.entirely as f64 / affected.max(1) as f64;
    let spread = if share >= ALL {
        Spread::All
    } else if yes > 0 && no > 0 && unclear <= (yes + no) / 4 {
        Spread::SomePaths
    } else if affected > 0 && entirely >= ENTIRELY && run.not_at_all > 0 {
        Spread::SomeClients
    } else {
        Spread::ByChance
    };
    Pattern { spread, share, paths: (yes, yes + no + unclear), clients_entirely: entirely }
}

#[cfg(test)]
mod tests {
    use super::{Run, of};
    use crate::attribute::verdict::Spread;

    fn run(share: f64, paths: impl Fn(usize) -> u32) -> Run {
        let mut run = Run { n: 100.0, bad: 100.0 * share, ..Run::default() };
        run.all.paths = [40; 16];
        run.signs.paths = std::array::from_fn(paths);
        run
    }

    #[test]
    fn all_some_paths_some_clients_or_chance() {
        assert_eq!(of(&run(0.97, |_| 39)).spread, Spread::All);
        let paths = of(&run(0.25, |path| if path < 4 { 39 } else { 1 }));
        assert_eq!((paths.spread, paths.paths), (Spread::SomePaths, (4, 16)));
        let chance = Run { partly: 30, not_at_all: 70, ..run(0.3, |_| 12) };
        assert_eq!(of(&chance).spread, Spread::ByChance);
        let clients = Run { entirely: 30, not_at_all: 70, ..run(0.3, |_| 12) };
        assert_eq!(of(&clients).spread, Spread::SomeClients);
    }
}
