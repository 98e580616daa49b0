//! What is lost is counted.

use super::*;

#[test]
fn a_run_without_an_end_is_marked() {
    let dir = TempDir::new().expect("a directory");
    drop(recorded(dir.path(), 1));
    let state =
        |dir: &Path| Reader::open(dir).and_then(|reader| reader.runs(&Window::ALL)).expect("runs");
    assert_eq!(state(dir.path())[0].state, RunState::Open);
    recorder(dir.path()).stop();
    let runs = state(dir.path());
    assert_eq!([runs[0].state, runs[1].state], [RunState::CutShort, RunState::Ended]);
    let reader = Reader::open(dir.path()).expect("a ledger");
    assert_eq!(notices(&reader), [NoticeKind::CutShort]);
}

#[test]
fn a_queue_that_nobody_empties_refuses_and_counts() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder =
        Recorder::start(dir.path(), start(), Options::default(), Box::new(SystemClocks))
            .expect("a ledger");
    for number in 0..8_000 {
        recorder.finding(&finding(number));
    }
    recorder.stop();
    let (lost, counted) =
        (recorder.losses()["ledger_refused"], recorder.counters()["ledger_recorded"]);
    assert_eq!(lost + counted, 3 * 8_000, "every entry is recorded or counted");
}

/// A clock that panics when it is told to, once.
struct Trap(Arc<AtomicU64>);

impl Clocks for Trap {
    fn wall(&self) -> u64 {
        NOON
    }

    fn steady(&self) -> u64 {
        assert_ne!(self.0.swap(0, Ordering::Relaxed), 1, "on purpose");
        1_000
    }

    fn synchronised(&self) -> bool {
        true
    }
}

#[test]
fn a_thread_that_panics_goes_on_anew_and_every_entry_is_recorded_or_counted() {
    let dir = TempDir::new().expect("a directory");
    let trap = Arc::new(AtomicU64::new(0));
    let clocks = Box::new(Trap(Arc::clone(&trap)));
    let mut recorder =
        Recorder::start(dir.path(), start(), Options::default(), clocks).expect("a ledger");
    let wait = |recorder: &Recorder, done: &dyn Fn(&Recorder) -> bool| {
        while !done(recorder) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    };
    recorder.finding(&finding(0));
    wait(&recorder, &|recorder| recorder.counters()["ledger_recorded"] == 3);
    // It holds this one when it panics.
    recorder.finding(&finding(1));
    trap.store(1, Ordering::Relaxed);
    wait(&recorder, &|recorder| recorder.restarts() == 1);
    recorder.finding(&finding(2));
    recorder.stop();
    let recorded = recorder.counters()["ledger_recorded"];
    let lost = recorder.losses().values().sum::<u64>();
    // The notice that nothing could be written for a while is an entry as well.
    assert_eq!(recorded + lost, 3 * 3 + 1, "recorded {recorded}, lost {lost}");
    assert!(lost > 0, "it held something");
    let reader = Reader::open(dir.path()).expect("a ledger");
    let times: Vec<_> = findings(&reader).iter().map(|row| row.time).collect();
    assert!(times.contains(&finding(0).time) && times.contains(&finding(2).time), "{times:?}");
    assert!(notices(&reader).contains(&NoticeKind::Unrecorded), "{:?}", notices(&reader));
}
