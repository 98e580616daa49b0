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
fn a_recorder_that_is_dropped_has_recorded_and_not_ended() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder = recorder(dir.path());
    recorder.finding(&finding(1));
    drop(recorder);
    let reader = Reader::open(dir.path()).expect("a ledger");
    assert_eq!(findings(&reader).len(), 1);
    let runs = reader.runs(&Window::ALL).expect("runs");
    assert_eq!((runs[0].state, runs[0].ended), (RunState::Open, None));
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

#[test]
fn what_passed_is_told_later_if_the_queue_has_no_room_for_it() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder =
        Recorder::start(dir.path(), start(), Options::default(), Box::new(SystemClocks))
            .expect("a ledger");
    // Far more than the queue has room for, handed over faster than anybody writes.
    let mut packets = 0;
    while recorder.losses()["ledger_refused"] < 100 {
        packets += 1;
        recorder.traffic(NOON, Totals { packets, ..Totals::default() });
    }
    // Until one is taken: it has what all that were refused had.
    loop {
        let refused = recorder.losses()["ledger_refused"];
        std::thread::sleep(std::time::Duration::from_millis(10));
        recorder.traffic(NOON, Totals { packets, ..Totals::default() });
        if recorder.losses()["ledger_refused"] == refused {
            break;
        }
    }
    recorder.stop();
    let reader = Reader::open(dir.path()).expect("a ledger");
    let hours = reader.hours(&Window::ALL).expect("hours");
    let unrecorded = recorder.losses()["ledger_unrecorded"];
    assert_eq!(unrecorded, 0);
    assert_eq!(hours.iter().map(|hour| hour.packets).collect::<Vec<_>>(), [packets]);
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
    recorder.traffic(NOON, Totals { packets: 100, ..Totals::default() });
    wait(&recorder, &|recorder| recorder.counters()["ledger_recorded"] == 4);
    // It holds this one when it panics.
    recorder.finding(&finding(1));
    trap.store(1, Ordering::Relaxed);
    wait(&recorder, &|recorder| recorder.restarts() == 1);
    recorder.finding(&finding(2));
    recorder.traffic(NOON, Totals { packets: 130, ..Totals::default() });
    recorder.stop();
    let recorded = recorder.counters()["ledger_recorded"];
    let lost = recorder.losses().values().sum::<u64>();
    // The notice that nothing could be written for a while is an entry as well.
    assert_eq!(recorded + lost, 3 * 3 + 2 + 1, "recorded {recorded}, lost {lost}");
    assert!(lost > 0, "it held something");
    let reader = Reader::open(dir.path()).expect("a ledger");
    let times: Vec<_> = findings(&reader).iter().map(|row| row.time).collect();
    assert!(times.contains(&finding(0).time) && times.contains(&finding(2).time), "{times:?}");
    assert!(notices(&reader).contains(&NoticeKind::Unrecorded), "{:?}", notices(&reader));
    // Notices leave with reports, and a directory may be called after somebody.
    let place = dir.path().display().to_string();
    let told = reader.notices(&Window::ALL).expect("notices");
    assert!(told.iter().all(|notice| !notice.words.contains(&place)), "{told:?}");
    // As a new run, which has no packet of the one before.
    let hours = reader.hours(&Window::ALL).expect("hours");
    assert_eq!(hours.iter().map(|hour| hour.packets).collect::<Vec<_>>(), [130]);
}
