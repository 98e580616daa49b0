//! What engine and judge say of a few small captures, compared with what is written down.
//!
//! A change that is meant is written down by `cargo xtask goldens --bless` and looked at in the
//! difference.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use probe_tests::golden;

/// Set: write down instead of comparing.
const BLESS: &str = "FORGEWATCH_BLESS";

/// Largest capture, in octets: they are kept for ever.
const LARGEST: u64 = 20_000;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens")
}

#[test]
fn what_is_said_is_what_is_written_down() {
    let bless = env::var_os(BLESS).is_some();
    let mut different = Vec::new();
    for name in golden::CASES {
        let case = directory().join(name);
        let capture = case.join("capture.pcap");
        if bless {
            fs::create_dir_all(&case).unwrap();
            if !capture.exists() {
                golden::make(name, &capture).unwrap();
            }
        }
        assert!(fs::metadata(&capture).unwrap().len() <= LARGEST, "{name} is large");
        let (events, findings) = golden::replay(&capture).unwrap();
        for (file, now) in [("events.ndjson", events), ("findings.ndjson", findings)] {
            let path = case.join(file);
            if bless {
                fs::write(&path, now).unwrap();
                continue;
            }
            let then = fs::read_to_string(&path).unwrap_or_default();
            different.extend(difference(&then, &now).map(|line| format!("{name}/{file}{line}")));
        }
    }
    assert!(different.is_empty(), "differs from what is written down:\n{}", different.join("\n"));
}

/// The first line that differs.
fn difference(then: &str, now: &str) -> Option<String> {
    if then == now {
        return None;
    }
    let (mut old, mut new) = (then.lines(), now.lines());
    let mut number = 0;
    loop {
        number += 1;
        let pair = (old.next(), new.next());
        if pair.0 != pair.1 {
            let [was, is] = [pair.0, pair.1].map(|line| line.unwrap_or("(nothing)"));
            return Some(format!(":{number}\n  was {was}\n  is  {is}"));
        }
    }
}

#[test]
fn every_golden_is_of_a_case() {
    for entry in fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(golden::CASES.contains(&name.as_str()), "{name} is not in the list of goldens");
    }
}
