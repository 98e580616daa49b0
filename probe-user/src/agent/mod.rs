//! The agent at work on a router: from what it is told to the summary at the end.
//!
//! * [`settings`] is what it is told.
//! * [`start`] gets everything it needs from the system, in the order in which that can fail.
//! * [`session`] is the loop: one thread, which owns all that is known, and in which the ring comes last
//!   and is never kept waiting.
//! * [`told`] is where findings go.
//! * [`reload`] takes over what may change while it runs.
//! * [`close`] detaches, takes what is left, and sums up.

mod close;
mod reload;
mod session;
pub(crate) mod settings;
mod start;
mod told;

use std::process::ExitCode;

use settings::Settings;

use crate::cli::Failure;

/// Watches until a signal, the end of the given time, or an error.
pub(crate) fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(format!("cannot start the runtime: {error}")))?;
    runtime.block_on(watch(settings))
}

async fn watch(settings: &Settings) -> Result<ExitCode, Failure> {
    let (mut session, signals) = start::start(settings)?;
    let ended = session.until_told(settings, signals).await;
    session.close(ended)
}
