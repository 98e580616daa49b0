//! The agent at work on a router: from what it is told to the summary at the end.
//!
//! * [`start`] gets everything it needs from the system, in the order in which that can fail.
//! * [`session`] is the loop: one thread, which owns all that is known, and in which the ring comes last
//!   and is never kept waiting.
//! * [`confine`] gives up what is not needed any more once everything is ready.
//! * [`record`] begins the ledger's part.
//! * [`told`] is where findings go.
//! * [`reload`] takes over what may change while it runs.
//! * [`memory`] gives back what is not used.
//! * [`sleep`] has the judge know of it when the machine slept.
//! * [`measure`] is what it knows of itself, and [`pace`] how often it says so; [`supervise`] looks after what runs beside detection.
//! * [`status`] is what it says of itself, and [`notify`] tells the service manager.
//! * [`close`] detaches, takes what is left, and sums up.

mod close;
mod confine;
mod measure;
mod memory;
mod notify;
mod pace;
mod record;
mod reload;
mod session;
mod sleep;
mod start;
mod status;
mod supervise;
mod told;

use std::process::ExitCode;

use crate::{cli::Failure, config::layers::Layers, log};

/// Reads the configuration: at the start, and again when told to.
pub(crate) type Load<'a> = &'a dyn Fn() -> Result<Layers, Failure>;

/// Watches until a signal, the end of the given time, or an error.
pub(crate) fn run(load: Load<'_>) -> Result<ExitCode, Failure> {
    memory::prepare();
    let layers = load()?;
    log::configure(&layers.settings);
    if layers.settings.interfaces.is_empty() {
        let more = layers.file.map_or_else(
            || "as `interfaces` in a file (forgewatch config example)".to_owned(),
            |file| format!("as `interfaces` in {}", file.display()),
        );
        return Err(Failure::Usage(format!(
            "no interface to watch: give it as --iface IF, or {more}"
        )));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(format!("cannot start the runtime: {error}")))?;
    // Also when it panics.
    let _said = log::Last;
    runtime.block_on(async {
        let (mut session, signals) = start::start(layers)?;
        let ended = session.until_told(load, signals).await;
        session.close(ended)
    })
}
