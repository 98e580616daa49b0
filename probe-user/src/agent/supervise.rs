//! What runs beside detection: if it ends, it is started again, later each time, and detection goes on.

use std::{
    io,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::again::{Backoff, last_words};

/// How long to wait before the first restart.
const WAIT: Duration = Duration::from_secs(1);

/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// Who ran so long starts again without a history.
const WELL: Duration = Duration::from_secs(600);

/// A thread that must not end.
pub(super) struct Supervised {
    name: &'static str,
    start: Box<dyn FnMut() -> io::Result<JoinHandle<()>>>,
    thread: Option<JoinHandle<()>>,
    started: Instant,
    backoff: Backoff,
    restarts: u64,
}

impl Supervised {
    /// Starts it; if that fails, so that it is tried again.
    pub(super) fn new(
        name: &'static str,
        now: Instant,
        start: impl FnMut() -> io::Result<JoinHandle<()>> + 'static,
    ) -> Self {
        let mut this = Self {
            name,
            start: Box::new(start),
            thread: None,
            started: now,
            backoff: Backoff::new(WAIT, WAIT_MAX, now),
            restarts: 0,
        };
        this.try_to_start(now);
        this
    }

    /// Its name, and how often it was started again.
    pub(super) const fn restarts(&self) -> (&'static str, u64) {
        (self.name, self.restarts)
    }

    /// Looks after it; takes no time if all is well.
    pub(super) fn look(&mut self, now: Instant) {
        if let Some(thread) = self.thread.take_if(|thread| thread.is_finished()) {
            let why = match thread.join() {
                Ok(()) => "it ended".to_owned(),
                Err(panic) => format!("it panicked: {}", last_words(&*panic)),
            };
            if now.duration_since(self.started) >= WELL {
                self.backoff.forget();
            }
            self.put_off(now, &why);
        }
        if self.thread.is_none() && self.backoff.is_due(now) {
            self.restarts += 1;
            self.try_to_start(now);
        }
    }

    fn try_to_start(&mut self, now: Instant) {
        match (self.start)() {
            Ok(thread) => {
                self.thread = Some(thread);
                self.started = now;
            }
            Err(error) => self.put_off(now, &error.to_string()),
        }
    }

    fn put_off(&mut self, now: Instant, why: &str) {
        let wait = self.backoff.put_off(now);
        tracing::warn!(
            task = self.name,
            "{}: {why}; detection goes on, and it is tried again in {} s",
            self.name,
            wait.as_secs()
        );
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    /// Waits until its thread has ended: they do nothing but that.
    fn end(task: &Supervised) {
        while !task.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_ends_is_started_again_later_each_time() {
        let starts = Rc::new(RefCell::new(0_u32));
        let counted = Rc::clone(&starts);
        let begin = Instant::now();
        let mut task = Supervised::new("test", begin, move || {
            *counted.borrow_mut() += 1;
            Ok(std::thread::spawn(|| panic!("on purpose")))
        });
        let mut at = begin;
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let before = *starts.borrow();
            end(&task);
            task.look(at);
            at += Duration::from_secs(wait);
            task.look(at - Duration::from_millis(1));
            assert_eq!(*starts.borrow(), before, "too early after {wait} s");
            task.look(at);
            assert_eq!(*starts.borrow(), before + 1, "not after {wait} s");
        }
        assert_eq!(task.restarts(), ("test", 11));

        // One that did well for long is no beginner.
        at += WELL;
        end(&task);
        task.look(at);
        task.look(at + WAIT);
        assert_eq!(task.restarts(), ("test", 12));
    }

    #[test]
    fn what_cannot_be_started_is_tried_again() {
        let mut tries = 0;
        let begin = Instant::now();
        let mut task = Supervised::new("test", begin, move || {
            tries += 1;
            if tries < 3 { Err(io::Error::other("not yet")) } else { Ok(std::thread::spawn(|| ())) }
        });
        task.look(begin + WAIT);
        assert!(task.thread.is_none());
        task.look(begin + WAIT * 3);
        assert!(task.thread.is_some());
    }
}
