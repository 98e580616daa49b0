//! A thousand worlds from a seed, and what the attributor says of each: methods, shares, numbers of
//! clients, the day's load, loss; and everything that only looks like blocking.

pub mod censor;
pub mod innocent;
pub mod ordinary;
pub mod run;
pub mod score;
pub mod world;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

pub use run::{Record, Scenario, of_each};
pub use score::Score;
pub use world::Size;

use probe_user::targets::TargetSet;

/// The services of the simulated world.
///
/// # Panics
/// When the file beside this one is gone.
pub fn targets() -> Arc<TargetSet> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/simulate/targets.toml");
    Arc::new(TargetSet::load(&[file]).expect("the file beside this module"))
}

/// Runs the `numbers` of what `seed` stands for, on all CPUs, and returns them in this order. `done` is
/// told after each how many there are.
pub fn runs(
    seed: u64,
    size: Size,
    numbers: impl Iterator<Item = u64>,
    done: impl Fn(usize) + Sync,
) -> Vec<Record> {
    let targets = targets();
    let numbers: Vec<u64> = numbers.collect();
    let (next, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let records = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&number) = numbers.get(place) else { break };
                    let record = run::run(seed, number, size, &targets);
                    records.lock().unwrap_or_else(PoisonError::into_inner).push((place, record));
                    done(finished.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    let mut records = records.into_inner().unwrap_or_else(PoisonError::into_inner);
    records.sort_by_key(|(place, _)| *place);
    records.into_iter().map(|(_, record)| record).collect()
}
