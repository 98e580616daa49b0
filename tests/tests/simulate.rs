//! The attributor names the method and the onset in simulated worlds, and accuses nobody who is
//! innocent. What is demanded is in [`probe_tests::simulate::score`].
//!
//! A thousand worlds are judged by `cargo xtask simulate`.

use std::time::Instant;

use probe_tests::simulate::{self, Score};

/// Seed of all that is random here.
const SEED: u64 = 7;

/// Worlds: each method and each innocent world once or twice.
const WORLDS: u64 = 40;

#[test]
fn methods_and_onsets_are_named_and_outages_are_not_accused() {
    let begun = Instant::now();
    let records = simulate::runs(SEED, WORLDS, |_| {});
    let mut score = Score::default();
    records.iter().for_each(|record| score.add(record));
    println!("{}{WORLDS} worlds, {:.0?}", score.table(), begun.elapsed());
    assert!(score.wrong.is_empty(), "accused wrongly: {:#?}", score.wrong);
    let missed = score.missed_figures();
    assert!(missed.is_empty(), "{missed:#?}\n{:#?}", score.missed);
    // That there was something to find.
    let decided: u64 = score.methods.values().map(|line| line.decided).sum();
    assert!(decided * 4 >= WORLDS, "{decided} of {WORLDS} decided");
}

#[test]
fn a_world_is_the_same_whatever_else_is_run() {
    let said = |records: &[simulate::Record]| {
        let verdicts = &records[1].verdicts;
        serde_json::to_string(verdicts).expect("verdicts")
    };
    assert_eq!(said(&simulate::runs(SEED, 2, |_| {})), said(&simulate::runs(SEED, 3, |_| {})));
}
