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
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

pub use run::{Record, Scenario};
pub use score::Score;

use probe_user::targets::TargetSet;

/// The services of the simulated world.
///
/// # Panics
/// When the file beside this one is gone.
pub fn targets() -> Arc<TargetSet> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/simulate/targets.toml");
    Arc::new(TargetSet::load(&[file]).expect("the file beside this module"))
}

/// Runs numbers `0..runs` of what `seed` stands for, on all CPUs, and returns them in order. `done` is
/// told after each how many there are.
pub fn runs(seed: u64, runs: u64, done: impl Fn(u64) + Sync) -> Vec<Record> {
    let targets = targets();
    let (next, finished) = (AtomicU64::new(0), AtomicU64::new(0));
    let records = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= runs {
                        break;
                    }
                    let record = run::run(seed, number, &targets);
                    records.lock().unwrap_or_else(PoisonError::into_inner).push(record);
                    done(finished.fetch_add(1, Ordering::Relaxed) + 1);
                }
            });
        }
    });
    let mut records = records.into_inner().unwrap_or_else(PoisonError::into_inner);
    records.sort_by_key(|record| record.number);
    records
}
