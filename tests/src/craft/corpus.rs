//! Captures from elsewhere, if a directory of them is at hand.

use std::{
    fs,
    path::{Path, PathBuf},
};

use probe_user::source::capture::CaptureReader;

use super::{Capture, Packet};

/// Names a directory of captures to be tried besides those made here.
const VARIABLE: &str = "FORGEWATCH_CORPUS";

/// Every capture below the directory, as far as it can be read; none if there is no directory.
///
/// # Panics
///
/// If the directory cannot be listed: it was named on purpose.
pub fn captures() -> impl Iterator<Item = Capture> {
    let mut files = Vec::new();
    if let Some(directory) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        collect(Path::new(&directory), &mut files);
    }
    files.sort();
    files.into_iter().filter_map(|file| read(&file))
}

fn read(file: &Path) -> Option<Capture> {
    // Whether the reader reads every file is the reader's own suite's to say.
    let mut reader = CaptureReader::open(file).ok()?;
    let mut capture = Capture::new(file.display().to_string());
    while let Ok(Some(frame)) = reader.next_frame() {
        capture.packets.push(Packet {
            time: frame.time,
            wire_len: frame.wire_len,
            data: frame.data.to_vec(),
        });
    }
    Some(capture)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("cannot list {}: {error}", directory.display()));
    for entry in entries {
        let path = entry.expect("an entry of a directory").path();
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
