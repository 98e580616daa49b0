//! One list of events, told in many ways.

use std::sync::Arc;

use probe_common::config::Config;
use probe_tests::{
    craft::{self, Capture, MS, Rng, corpus},
    duel::{Told, difference},
};
use probe_user::{
    fingerprint::FingerprintId,
    judge::{Judge, QUIET, Settings, Telling},
    report::Finding,
    source::local::Local,
    targets::TargetSet,
};

/// When the judge is told the time between one event and the next.
#[derive(Clone, Copy, Debug)]
enum Clock {
    /// Never: the events' own times have to do.
    Events,
    /// Every so many nanoseconds, as a live run does.
    Every(u64),
    /// At times drawn at random, some of them that of the next event.
    Random(u64),
    /// Just before, at, and just after the moment at which something may be due.
    AtTheEdge,
}

const CLOCKS: &[Clock] =
    &[Clock::Every(100 * MS), Clock::Random(1), Clock::Random(2), Clock::AtTheEdge];

/// Events taken of each capture: all of most, the beginning of the large ones.
const EVENTS_MAX: usize = 4_000;

/// Nothing is due later than this after the last event.
const SETTLED: u64 = QUIET + 200 * MS;

/// Ids of devices, and on how many connections each was met.
type Devices = Vec<(FingerprintId, u64)>;

fn findings(events: &[Told], telling: Telling, clock: Clock) -> (Vec<Finding>, Devices) {
    let targets = Arc::new(TargetSet::builtin());
    let mut judge = Judge::new(Settings { telling, epoch: 0, targets });
    let mut told = Vec::new();
    let mut recent: Vec<u64> = Vec::new();
    let mut before = None;
    for event in events {
        let event = event.event();
        let after = before.unwrap_or(event.time());
        for now in times(clock, &recent, after, event.time()) {
            judge.advance(now, |finding| told.push(finding));
        }
        judge.event(&event, |finding| told.push(finding));
        recent.retain(|&time| time.saturating_add(SETTLED) > event.time());
        recent.push(event.time());
        before = Some(event.time());
    }
    let last = before.unwrap_or(0);
    for now in times(clock, &recent, last, last.saturating_add(SETTLED)) {
        judge.advance(now, |finding| told.push(finding));
    }
    judge.finish(|finding| told.push(finding));
    let devices = judge.clusters().iter().map(|cluster| (cluster.id, cluster.count)).collect();
    (told, devices)
}

/// The times that are told from `after` to `before`, where `recent` are those of the last events.
fn times(clock: Clock, recent: &[u64], after: u64, before: u64) -> Vec<u64> {
    let until = before.min(after.saturating_add(SETTLED));
    let mut times: Vec<u64> = match clock {
        Clock::Events => Vec::new(),
        Clock::Every(step) => (after / step + 1..=until / step).map(|tick| tick * step).collect(),
        Clock::Random(seed) => {
            let mut rng = Rng::new(seed ^ after);
            (0..rng.below(4))
                .map(|_| after + rng.below((until.saturating_sub(after)) as usize + 1) as u64)
                .collect()
        }
        Clock::AtTheEdge => recent
            .iter()
            .flat_map(|time| [QUIET - 1, QUIET, QUIET + 1].map(|more| time.saturating_add(more)))
            .filter(|time| (after..=before).contains(time))
            .collect(),
    };
    times.sort_unstable();
    times
}

/// The events of a capture, in the order of their time, as a judge wants them.
fn events(capture: &Capture) -> Vec<Told> {
    let config = Config { flow_mask: 255, dns_mask: 63, ..Config::replay() };
    let mut local = Local::new(config);
    let mut events = Vec::new();
    for frame in capture.frames() {
        local.packet(&frame, |event| events.push(Told::of(&event)));
    }
    events.sort_by_key(|told| told.event().time());
    events.truncate(EVENTS_MAX);
    events
}

#[test]
fn findings_do_not_depend_on_when_the_time_is_told() {
    let (mut captures, mut total) = (0, 0);
    for capture in craft::captures().into_iter().chain(corpus::captures()) {
        let events = events(&capture);
        for telling in [Telling::AtOnce, Telling::AtClose] {
            let (plain, devices) = findings(&events, telling, Clock::Events);
            for &clock in CLOCKS {
                let (other, as_often) = findings(&events, telling, clock);
                assert!(
                    plain == other,
                    "{}, told {telling:?}, {} findings by the events' own clock, {} with {clock:?}: {}",
                    capture.name,
                    plain.len(),
                    other.len(),
                    difference(["so", "otherwise"], &plain, &other)
                );
                assert_eq!(devices, as_often, "{}, told {telling:?}, {clock:?}", capture.name);
            }
            total += plain.len();
        }
        captures += 1;
    }
    println!("{total} findings of {captures} captures, each in {} ways", CLOCKS.len() + 1);
    assert!(total > 100, "{total} findings are too few to compare");
}

#[test]
fn judging_twice_gives_the_same_octets() {
    for capture in craft::captures() {
        let [one, other] = [0, 1].map(|_| {
            let events = events(&capture);
            let (findings, _) = findings(&events, Telling::AtClose, Clock::Events);
            format!("{events:?}{findings:?}")
        });
        assert!(one == other, "{}", capture.name);
    }
}
