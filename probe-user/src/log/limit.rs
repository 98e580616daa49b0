//! How many messages of one kind are written.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

/// Messages of one kind (one place in the source) that are written in a window; further ones are counted.
pub(super) const BURST: u32 = 10;

/// How long a window is.
pub(super) const SPAN: Duration = Duration::from_secs(60);

/// What becomes of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is written; so many of its kind were not since the last that was.
    Write { suppressed: u64 },
    /// It is not.
    Suppress,
}

struct Window {
    since: Instant,
    written: u32,
    suppressed: u64,
}

/// Windows by kind: as many as there are places in the source that say something.
pub(super) struct Limiter<K>(HashMap<K, Window>);

impl<K: Eq + Hash> Limiter<K> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    pub(super) fn ask(&mut self, kind: K, now: Instant) -> Verdict {
        let window = self.0.entry(kind).or_insert(Window { since: now, written: 0, suppressed: 0 });
        if now.duration_since(window.since) >= SPAN {
            window.since = now;
            window.written = 0;
        }
        if window.written == BURST {
            window.suppressed += 1;
            return Verdict::Suppress;
        }
        window.written += 1;
        Verdict::Write { suppressed: std::mem::take(&mut window.suppressed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_is_limited_and_others_are_not() {
        let (mut limiter, begin) = (Limiter::new(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(limiter.ask('a', begin), Verdict::Write { suppressed: 0 });
        }
        for _ in 0..7 {
            assert_eq!(limiter.ask('a', begin + SPAN / 2), Verdict::Suppress);
        }
        assert_eq!(limiter.ask('b', begin), Verdict::Write { suppressed: 0 });
        assert_eq!(limiter.ask('a', begin + SPAN), Verdict::Write { suppressed: 7 });
        assert_eq!(limiter.ask('a', begin + SPAN), Verdict::Write { suppressed: 0 });
    }
}
