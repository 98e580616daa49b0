//! Files that somebody hands over.

use std::{
    io::Cursor,
    path::Path,
    sync::{Arc, LazyLock},
};

use probe_user::{
    config,
    ledger::{
        Clocks, FILE, LedgerError, Options, Reader, Recorder, RunStart, SystemClocks,
        row::{RunClock, RunKind, Window},
    },
    source::capture::CaptureReader,
    targets::{TargetSet, file},
};

/// A capture.
///
/// # Panics
///
/// If packets are numbered out of turn.
pub fn capture(data: &[u8]) {
    let input = Cursor::new(data.to_vec());
    let Ok(mut reader) = CaptureReader::from_reader(Path::new("fuzzed"), input) else { return };
    let mut before = 0;
    while let Ok(Some(frame)) = reader.next_frame() {
        assert!(frame.number > before, "packet {} after packet {before}", frame.number);
        before = frame.number;
    }
    let _ = reader.skipped().len();
}

/// A file of services.
pub fn targets(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        // Its error is a line that somebody has to understand, so it is made as well.
        let _ = file::parse(Path::new("fuzzed"), text).map_err(|error| error.to_string());
    }
}

/// A configuration.
pub fn config(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = config::check(Path::new("fuzzed"), text).map_err(|error| error.to_string());
    }
}

/// An octet of a ledger that is another: three of where, one of what.
const CHANGE: usize = 4;

/// A ledger in which some octets are others.
///
/// # Panics
///
/// If there is no room for one below the directory of temporary files.
pub fn ledger(data: &[u8]) {
    static SOUND: LazyLock<Vec<u8>> = LazyLock::new(sound);
    let mut octets = SOUND.clone();
    for change in data.chunks_exact(CHANGE) {
        let at = u32::from_be_bytes([0, change[0], change[1], change[2]]) as usize % octets.len();
        octets[at] = change[3];
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join(FILE), octets).expect("room for a ledger");
    let _ = read(dir.path()).map_err(|error| error.to_string());
}

/// Reads everything.
fn read(dir: &Path) -> Result<(), LedgerError> {
    let reader = Reader::open(dir)?;
    reader.name()?;
    reader.extent(reader.last_run()?)?;
    reader.services()?;
    for run in reader.runs(&Window::ALL)? {
        drop(run);
    }
    let mut findings = Vec::new();
    reader.findings::<LedgerError>(&Window::ALL, |row| {
        findings.push(row.id);
        Ok(())
    })?;
    for finding in findings {
        reader.evidence(finding)?;
    }
    reader.crowds(&Window::ALL)?;
    reader.cells::<LedgerError>(&Window::ALL, |_| Ok(()))?;
    reader.verdicts(&Window::ALL)?;
    reader.hours(&Window::ALL)?;
    reader.notices(&Window::ALL)?;
    Ok(())
}

/// A ledger with findings in it.
fn sound() -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let clocks: Box<dyn Clocks> = Box::new(SystemClocks);
    let start = RunStart {
        kind: RunKind::Replay,
        started: crate::craft::DAY,
        version: "0".into(),
        kernel: None,
        interfaces: Vec::new(),
        clock: RunClock::Capture,
        targets: Arc::new(TargetSet::builtin()),
    };
    let options = Options { keep: Default::default(), patient: true };
    let mut recorder = Recorder::start(dir.path(), start, options, clocks).expect("a ledger");
    for finding in super::seeds::findings() {
        recorder.finding(&finding);
    }
    recorder.close(crate::craft::DAY, &mut Default::default());
    std::fs::read(dir.path().join(FILE)).expect("the ledger that was written")
}
