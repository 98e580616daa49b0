//! Trying again what has failed: when, and what was said.

use std::{
    any::Any,
    time::{Duration, Instant},
};

/// When to try again: each wait is twice as long as the one before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    wait: Duration,
    due: Instant,
}

impl Backoff {
    /// At once, then after `first`, at last after `most` each time.
    pub(crate) const fn new(first: Duration, most: Duration, now: Instant) -> Self {
        Self { first, most, wait: first, due: now }
    }

    /// Whether it is time.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    /// It has failed. Returns how long is waited now.
    pub(crate) fn put_off(&mut self, now: Instant) -> Duration {
        let wait = self.wait;
        self.due = now + wait;
        self.wait = (wait * 2).min(self.most);
        wait
    }

    /// What failed before does not count any longer.
    pub(crate) const fn forget(&mut self) {
        self.wait = self.first;
    }
}

/// What a panic says.
pub(crate) fn last_words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words")
}
