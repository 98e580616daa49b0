//! Captures of real tools, if a directory of them is at hand.

use std::fs;
use std::path::{Path, PathBuf};

use probe_user::source::capture::CaptureReader;

use crate::read_all;

/// Reads every capture below `FORGEWATCH_CORPUS` and prints what is in it, to be compared with
/// `capinfos -c -M`. Nothing in a real capture may be an error.
#[test]
fn every_capture_of_the_corpus_is_read_to_its_end() {
    let Some(directory) = std::env::var_os("FORGEWATCH_CORPUS") else {
        println!("skipped: FORGEWATCH_CORPUS names no directory of captures");
        return;
    };
    let mut files = Vec::new();
    collect(Path::new(&directory), &mut files);
    files.sort();
    assert!(!files.is_empty(), "no captures below {}", directory.display());
    for file in files {
        let reader = CaptureReader::open(&file).unwrap_or_else(|error| panic!("{error}"));
        let read = read_all(reader);
        let skipped: u64 = read.skipped.iter().map(|row| row.packets).sum();
        let packets = read.packets.len() as u64 + skipped;
        println!("{packets}\t{}\t{:?}", file.display(), read.skipped);
        assert!(read.end.is_ok(), "{:?}", read.end);
        assert!(packets > 0, "{} is empty", file.display());
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the corpus can be listed") {
        let path = entry.expect("the corpus can be listed").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            let name = path.to_string_lossy();
            if [".pcap", ".pcapng", ".cap", ".gz", ".zst"].iter().any(|end| name.ends_with(end)) {
                files.push(path);
            }
        }
    }
}
