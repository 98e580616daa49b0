//! What is said beside findings: on standard error, for people, for programs, or for the journal.
//!
//! * [`form`] writes a message in one of these forms.
//! * [`limit`] keeps one kind of message from drowning all others.

mod form;
mod limit;

use std::{
    io::{self, Write as _},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

pub(crate) use form::{Form, plain};
use limit::{Limiter, Verdict};
use tracing::{Event, Level, Subscriber, callsite::Identifier};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    layer::{Context, SubscriberExt as _},
    reload,
    util::SubscriberInitExt as _,
};

use crate::{
    config::{layers::LOG, settings::Settings},
    pen::Pen,
};

/// Levels that a configuration can ask for; `auto` is `info`, or `warn` where findings are written as JSON.
pub(crate) const LEVELS: [&str; 6] = ["auto", "error", "warn", "info", "debug", "trace"];

static FORM: AtomicU8 = AtomicU8::new(0);
static SUPPRESSED: AtomicU64 = AtomicU64::new(0);
static PEN: OnceLock<Pen> = OnceLock::new();
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Begins to write: warnings and worse, for people, until [`configure`] says otherwise.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env(LOG).unwrap_or_else(|_| EnvFilter::new("warn"));
    let (filter, handle) = reload::Layer::new(filter);
    let lines = Lines { limiter: Mutex::new(Limiter::new()) };
    // Somebody who embeds this may have set another one up.
    if tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok() {
        let _ = FILTER.set(handle);
    }
}

/// Goes by a configuration.
pub(crate) fn configure(settings: &Settings) {
    FORM.store(settings.log_form.or_guess() as u8, Ordering::Relaxed);
    let level = match settings.log_level.as_str() {
        "auto" if settings.json => "warn",
        "auto" => "info",
        level => level,
    };
    // What libraries have to say is worth a level less.
    let filter = match level {
        "info" => "warn,probe_user=info",
        "debug" => "info,probe_user=debug",
        other => other,
    };
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
    if let Some(handle) = FILTER.get() {
        // It fails only when nobody writes any more.
        let _ = handle.reload(filter);
    }
}

/// How many messages were not written because there were too many of their kind.
pub(crate) fn suppressed() -> u64 {
    SUPPRESSED.load(Ordering::Relaxed)
}

/// How long the end waits for whoever reads standard error.
const PATIENCE: Duration = Duration::from_secs(1);

/// Has another thread write from now on, so that nobody who says something waits for it to be read.
///
/// # Errors
///
/// If there can be no more threads.
pub(crate) fn hand_over() -> io::Result<()> {
    let pen = Pen::new("log", io::stderr())?;
    // One is enough.
    let _ = PEN.set(pen);
    Ok(())
}

/// How many messages were not written because what was said before was not read.
pub(crate) fn refused() -> u64 {
    PEN.get().map_or(0, Pen::refused)
}

/// When it is dropped, what was said last is written, if anybody reads it.
pub(crate) struct Last;

impl Drop for Last {
    fn drop(&mut self) {
        if let Some(pen) = PEN.get() {
            // There is nobody to be told that nobody can be told.
            let _ = pen.drain(Some(PATIENCE));
        }
    }
}

/// Writes each message as a line.
struct Lines {
    limiter: Mutex<Limiter<Identifier>>,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut left_out = 0;
        // Who asks for details gets all of them.
        if *metadata.level() <= Level::INFO {
            let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
            match limiter.ask(metadata.callsite(), Instant::now()) {
                Verdict::Write { suppressed } => left_out = suppressed,
                Verdict::Suppress => {
                    SUPPRESSED.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            }
        }
        let line = Form::of(FORM.load(Ordering::Relaxed)).line(event, left_out);
        // As in `Last`.
        let _ = match PEN.get() {
            Some(pen) => pen.put(line.as_bytes()),
            None => io::stderr().lock().write_all(line.as_bytes()),
        };
    }
}
