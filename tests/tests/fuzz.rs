//! What the fuzzer begins with, through every target, as it is and damaged: a moment of what
//! `cargo xtask fuzz` does for hours, and what has been a crash once.

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use probe_tests::{
    craft::{Rng, SEED, mutate},
    docs,
    fuzz::{INPUT_MAX, TARGETS, Target, seeds},
};

/// Damaged inputs of each target, of those that take longer a tenth.
const DAMAGED: usize = 4_000;

/// Targets that take longer: they write a file, or make tables anew.
const SLOW: [&str; 3] = ["ledger", "packets", "events"];

fn corpus(name: &str) -> PathBuf {
    docs::root().join("fuzz/corpus").join(name)
}

/// Inputs of `name` that are kept, in the order of their names.
fn kept(name: &str) -> Vec<Vec<u8>> {
    let folder = corpus(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let paths: BTreeSet<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.iter().map(|path| fs::read(path).expect("an input")).collect()
}

#[test]
fn each_target_begins_with_what_the_lab_makes() {
    let bless = env::var_os("FORGEWATCH_BLESS").is_some();
    for (name, _) in TARGETS {
        for (seed, octets) in seeds::of(name) {
            let path = corpus(name).join(&seed);
            assert!(octets.len() <= INPUT_MAX, "{name}/{seed}: {} octets", octets.len());
            if bless {
                fs::create_dir_all(corpus(name)).expect("a folder");
                fs::write(&path, &octets).expect("a seed written");
            }
            // Not that it is still the same: any that was made once is as good to begin with.
            assert!(path.exists(), "{name}/{seed} is not there; FORGEWATCH_BLESS=1 writes it");
        }
    }
}

#[test]
fn the_fuzzer_has_each_target() {
    let folder = docs::root().join("fuzz/fuzz_targets");
    let there: BTreeSet<String> = fs::read_dir(&folder)
        .expect("the folder of targets")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    let known: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(there, known);
}

/// Runs `target` on what is kept, and on that damaged.
fn run(name: &str, target: Target) {
    let inputs = kept(name);
    assert!(!inputs.is_empty(), "{name} begins with nothing");
    for input in &inputs {
        target(input);
    }
    let mut rng = Rng::new(SEED);
    let count = if SLOW.contains(&name) { DAMAGED / 10 } else { DAMAGED };
    for _ in 0..count {
        let mut input = rng.of(&inputs).clone();
        for _ in 0..1 + rng.below(6) {
            mutate::anywhere(&mut rng, &mut input);
        }
        target(&input);
    }
}

macro_rules! damaged {
    ($($test:ident: $name:literal),+ $(,)?) => {
        $(
            #[test]
            fn $test() {
                let target = TARGETS.iter().find(|(name, _)| *name == $name).expect("a target");
                run($name, target.1);
            }
        )+
    };
}

damaged! {
    frames_damaged: "packets",
    events_damaged: "events",
    messages_damaged: "dns",
    hellos_damaged: "tls",
    datagrams_damaged: "quic",
    pages_damaged: "http",
    captures_damaged: "capture",
    targets_damaged: "targets",
    configurations_damaged: "config",
    ledgers_damaged: "ledger",
}
