//! Who speaks: conversations at a steady rate, each packet when it is due.
//!
//! On a busy machine a packet may be sent late. An answer then takes as much longer as anything of its
//! conversation was late, twice over: or a round trip would be measured that is longer than the way from
//! question to answer, which no network makes and a forger does.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use pnet::datalink::DataLinkSender;

use super::{
    score::Score,
    talk::{Kind, Talk},
};
use crate::craft::frame;

/// How long it sleeps at most, so that it sees when it is to end.
const LOOK: Duration = Duration::from_millis(20);

/// The most that a packet may be late. If what a forgery contradicts comes seconds after it, nobody could
/// know any more that the two belong together; such a conversation says nothing, and is counted apart.
const LATE_MAX: Duration = Duration::from_millis(500);

/// A conversation under way, by when its next packet is due.
struct Due {
    at: Instant,
    /// The most that one was late.
    late: Duration,
    talk: Talk,
}

impl Due {
    /// Notes that a packet was sent just now; says when the next is due, if there is one.
    fn next(&mut self, now: Instant) -> Option<Instant> {
        self.late = self.late.max(now.saturating_duration_since(self.at));
        let step = self.talk.steps.front()?;
        let stretch = if step.answers { self.late * 2 } else { Duration::ZERO };
        Some(now + step.after + stretch)
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

/// Speaks until it is `over`, `forged` a second of each kind that is forged, and ends what it has begun.
/// Returns how many packets it sent.
///
/// # Errors
///
/// If the device does not take a packet.
pub fn speak(
    device: &mut dyn DataLinkSender,
    forged: f64,
    score: &Score,
    over: &AtomicBool,
) -> anyhow::Result<u64> {
    let start = Instant::now();
    let rates = Kind::ALL.map(|(kind, rate)| (kind, if kind.is_forged() { forged } else { rate }));
    let mut begun = BTreeMap::<Kind, u64>::new();
    let mut waiting = BinaryHeap::new();
    let mut sent = 0;
    loop {
        let ends = over.load(Ordering::Relaxed);
        if ends && waiting.is_empty() {
            return Ok(sent);
        }
        if !ends {
            for (kind, rate) in rates {
                let number = begun.entry(kind).or_default();
                let wanted = (start.elapsed().as_secs_f64() * rate) as u64;
                while *number < wanted {
                    let now = Instant::now();
                    let talk = Talk::new(kind, *number);
                    waiting.push(Reverse(Due { at: now, late: Duration::ZERO, talk }));
                    *number += 1;
                }
            }
        }
        while let Some(Reverse(due)) = waiting.peek()
            && due.at <= Instant::now()
        {
            let Some(Reverse(mut due)) = waiting.pop() else { break };
            let Some(step) = due.talk.steps.pop_front() else { continue };
            let frame = frame::ethernet(&step.packet);
            device.send_to(&frame, None).context("no room for a packet")?.context("cannot send")?;
            sent += 1;
            let next = due.next(Instant::now());
            if due.talk.steps.is_empty() {
                score.said(due.talk.kind, due.talk.number, due.late <= LATE_MAX);
            } else if let Some(at) = next {
                due.at = at;
                waiting.push(Reverse(due));
            }
        }
        let next = waiting.peek().map(|Reverse(due)| due.at);
        let until = next.map_or(LOOK, |at| at.saturating_duration_since(Instant::now()));
        thread::sleep(until.min(LOOK).max(Duration::from_micros(200)));
    }
}
