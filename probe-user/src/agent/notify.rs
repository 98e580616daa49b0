//! What the service manager is told: `sd_notify(3)`. Without one (`NOTIFY_SOCKET` is not set) all this does
//! nothing.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// Tells the service manager.
pub(super) struct Manager {
    /// How often it wants to hear that the loop turns: half of what it waits for.
    watchdog: Option<Duration>,
    heard: Instant,
}

impl Manager {
    pub(super) fn new() -> Self {
        let watchdog = sd_notify::watchdog_enabled().map(|period| period / 2);
        Self { watchdog, heard: Instant::now() }
    }

    /// The programs are attached and the ring is read.
    pub(super) fn ready(&self, words: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(words)]);
    }

    pub(super) fn status(&self, words: &str) {
        tell(&[NotifyState::Status(words)]);
    }

    /// The configuration is about to be read; [`Manager::ready`] says that it has been.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!("cannot read the clock for the service manager: {error}"),
        }
    }

    pub(super) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// The loop turns: by itself, so that nobody is told that it does when it does not.
    pub(super) fn turn(&mut self) {
        if self.watchdog.is_some_and(|period| self.heard.elapsed() >= period) {
            self.heard = Instant::now();
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("cannot tell the service manager: {error}");
    }
}
