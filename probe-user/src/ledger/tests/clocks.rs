//! Clocks that jump or are not to be believed.

use super::*;

#[test]
fn a_clock_that_jumps_is_noted_and_nothing_is_reordered_or_lost() {
    let dir = TempDir::new().expect("a directory");
    let clocks = Set::at_noon();
    let mut recorder = Recorder::start(
        dir.path(),
        RunStart { clock: RunClock::Free, ..start() },
        Options { patient: true, ..Options::default() },
        Box::new(clocks.clone()),
    )
    .expect("a ledger");
    recorder.finding(&finding(10));
    clocks.apart.fetch_sub(5_000_000_000, Ordering::Relaxed);
    let earlier = Finding { time: NOON - 5_000_000_000, ..finding(11) };
    recorder.finding(&earlier);
    recorder.stop();
    let reader = Reader::open(dir.path()).expect("a ledger");
    let times: Vec<u64> = findings(&reader).iter().map(|row| row.time).collect();
    assert_eq!(times, [NOON + 10_000_000, NOON - 5_000_000_000]);
    let notices = reader.notices(&Window::ALL).expect("notices");
    assert_eq!(notices.len(), 1);
    assert!(notices[0].words.contains("jumped back by 5.000 s"), "{}", notices[0].words);
    drop(reader);

    // And back between two runs.
    let mut ledger = Ledger::open(dir.path()).expect("a ledger");
    ledger.begin(&RunStart { started: NOON - 100_000_000_000, ..start() }).expect("a run");
    drop(ledger);
    let reader = Reader::open(dir.path()).expect("a ledger");
    assert_eq!(self::notices(&reader), [NoticeKind::Clock, NoticeKind::Clock]);
}

#[test]
fn a_clock_that_is_not_to_be_believed_throws_nothing_away() {
    let dir = TempDir::new().expect("a directory");
    let ledger = recorded(dir.path(), 10);
    drop(ledger);
    let keep = Keep { age: DAY_NANOS, ..Keep::default() };
    // Twice in the year 2038, with a clock that nobody has set.
    let doomsday = 2_147_483_647_000_000_000;
    for clock in [RunClock::Free, RunClock::Unknown] {
        let mut ledger = Ledger::open(dir.path()).expect("a ledger");
        ledger.begin(&RunStart { started: doomsday, clock, ..start() }).expect("a run");
        ledger.write(&[], doomsday).expect("a batch");
        let now = Now { wall: doomsday, lasted: 60_000_000_000, synchronised: false };
        assert_eq!(ledger.expire(&keep, now).expect("nothing").by_age, 0);
        assert_eq!(count(&ledger, "findings"), 10);
    }
    // A clock that is not synchronised is believed as far as time has passed here.
    let mut ledger = Ledger::open(dir.path()).expect("a ledger");
    let started = NOON + DAY_NANOS;
    ledger.begin(&RunStart { started, clock: RunClock::Free, ..start() }).expect("a run");
    let now = |lasted| Now { wall: started + lasted, lasted, synchronised: false };
    assert_eq!(ledger.expire(&keep, now(60)).expect("nothing").by_age, 0);
    assert!(ledger.expire(&keep, now(2 * DAY_NANOS)).expect("rows").by_age > 0);
}
