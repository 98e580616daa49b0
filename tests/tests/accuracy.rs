//! The detectors find what there is, and accuse nobody who is innocent: the corpus of one seed, and a
//! small soak. What is demanded of them is in [`probe_tests::limits`].
//!
//! Larger ones are run by hand: `cargo xtask score`, `cargo xtask soak`.

use std::{sync::Arc, time::Instant};

use probe_tests::{
    corpus::{
        build::{self, Scale},
        dns, innocents,
    },
    limits,
    score::{self, Mistake, Sheet, captures},
    soak::{self, Connections, Count, Lookups, Stream},
};
use probe_user::targets::TargetSet;

/// Seed of all that is random here.
const SEED: u64 = 1;

/// Connections of the soak.
const CONNECTIONS: u64 = 60_000;

/// Pairs of a question and its answer in the soak of look-ups.
const PAIRS: u64 = 100_000;

/// How many of either begin in a second.
const RATE: u64 = 2_000;

/// Mistakes that a failure shows.
const SHOWN: usize = 10;

fn shown(mistakes: &[Mistake]) -> String {
    let each = mistakes.iter().take(SHOWN).map(|one| {
        format!("  {} ({}) {} - {}: {}", one.case, one.model, one.key.0, one.key.1, one.said)
    });
    each.collect::<Vec<_>>().join("\n")
}

/// The sums over the corpus' connections, or over its look-ups.
fn scored(lookups: bool) -> Sheet {
    let targets = Arc::new(TargetSet::builtin());
    let mut sheet = Sheet::default();
    for plan in build::plans().iter().filter(|plan| plan.is_lookup() == lookups) {
        // One at a time: all of them take much room.
        let directory = tempfile::tempdir().expect("room for a capture");
        plan.make(SEED, Scale::FULL).write(directory.path()).expect("room for a capture");
        let found = captures::labelled(directory.path()).expect("what was just written");
        assert_eq!(found.len(), 1, "{}", plan.name());
        sheet.add(score::judge(&found[0], &targets, false).expect("the engine refuses nothing"));
    }
    assert!(sheet.damaged.is_empty(), "{:?}", sheet.damaged);
    sheet
}

#[test]
fn forged_answers_are_found_at_their_frame_and_no_resolver_accused_falsely() {
    let start = Instant::now();
    let sheet = scored(true);
    let (total, answers) = (&sheet.total, &sheet.answers);
    println!("{answers:?}; {:?}", start.elapsed());
    assert!(answers.forged > 600 && answers.lied > 150 && answers.innocent > 10_000, "{answers:?}");
    let wrong = shown(&sheet.wrong);
    assert_eq!(total.falsely_accused, limits::FALSE, "falsely accused:\n{wrong}");
    assert_eq!(sheet.packets.3, 0, "genuine packets are named");
    let missed = shown(&sheet.missed);
    let least = |share: f64, of: u64| (share * of as f64) as u64;
    assert!(total.found >= least(limits::ANSWERS_FOUND, total.injected), "missed:\n{missed}");
    assert!(answers.at_frame >= least(limits::AT_FRAME, answers.forged), "{answers:?}");
    assert!(total.lied_found >= least(limits::LIES_FOUND, total.lied), "missed:\n{missed}");
    // What a resolver says itself nobody has injected.
    let resolvers = sheet.places.get("first resolver").expect("there are resolvers that lie");
    assert_eq!(resolvers.called_injected, 0, "{resolvers:?}");
}

#[test]
fn innocent_look_ups_are_not_accused() {
    let start = Instant::now();
    let behaviours = dns::innocents::all();
    let cast = Lookups { seed: SEED, behaviours: &behaviours };
    let mut stream = Stream::new(cast, PAIRS, RATE);
    let soaked = soak::run(&mut stream, |_, _| {}).expect("the engine refuses nothing");
    let accused = soaked.accused(&stream);
    println!("{PAIRS} pairs, {} packets: {accused:?}; {:?}", soaked.packets, start.elapsed());
    assert!(stream.counts.iter().all(|&count| count > 0), "a behaviour has no look-up");
    assert!(soaked.is_clean(&stream), "accused: {:?}", soaked.tally.examples);
}

#[test]
fn the_corpus_is_found_and_nobody_innocent_accused() {
    let start = Instant::now();
    let sheet = scored(false);
    let total = &sheet.total;
    println!(
        "{} of {} injected connections found, {} accused; {} of {} innocent ones accused; {:?}",
        total.found,
        total.injected,
        total.accused,
        total.falsely_accused,
        total.innocent,
        start.elapsed()
    );
    // That there was something to find, and somebody to accuse.
    assert!(total.injected > 2_000 && total.innocent > 2_000, "{total:?}");
    let wrong = shown(&sheet.wrong);
    assert_eq!(total.falsely_accused, limits::FALSE, "falsely accused:\n{wrong}");
    let least = limits::FOUND * total.injected as f64;
    assert!(total.found as f64 >= least, "too many missed:\n{}", shown(&sheet.missed));
}

#[test]
fn innocent_connections_are_not_accused() {
    let start = Instant::now();
    let behaviours = innocents::all();
    let mut stream =
        Stream::new(Connections { seed: SEED, behaviours: &behaviours }, CONNECTIONS, RATE);
    let soaked = soak::run(&mut stream, |_, _| {}).expect("the engine refuses nothing");
    let Count { certain, strong, suspect } = soaked.accused(&stream);
    println!(
        "{CONNECTIONS} connections, {} packets: {certain} accused at C3, {strong} at C2, {suspect} \
         suspected; {:?}",
        soaked.packets,
        start.elapsed()
    );
    assert!(soaked.packets > 10 * CONNECTIONS, "{} packets", soaked.packets);
    assert!(stream.counts.iter().all(|&count| count > 0), "a behaviour has no connection");
    let examples: Vec<String> = soaked
        .tally
        .examples
        .iter()
        .map(|((which, signatures), number)| {
            format!("  {} {number}: {signatures}", behaviours[*which].name)
        })
        .collect();
    assert!(soaked.is_clean(&stream), "accused:\n{}", examples.join("\n"));
}
