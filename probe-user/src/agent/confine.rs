//! What a run gives up between the last thing that it needs from the system and the first event that it reads.

use std::path::PathBuf;

use crate::{
    cli::{Failure, state::Place},
    config::{layers, settings::Settings},
    privilege::{self, Account, Places, Wanted, owner},
    source::kernel::{live::Live, pins::Pins},
};

/// Gives up privileges; see [`privilege`] for what, and in which order. `files` are read again on a signal, and `port`
/// is tried again. To be
/// called before the ledger is opened: its writer is a thread of its own, and its files belong to whom the agent
/// runs as.
pub(super) fn confine(
    settings: &Settings,
    account: Option<&Account>,
    place: Option<&Place>,
    files: impl Iterator<Item = PathBuf>,
    port: Option<u16>,
    live: &Live,
) -> Result<(), Failure> {
    let state = place.filter(|_| settings.record).map(|place| place.dir.clone());
    if let (Some(state), Some(account)) = (&state, account)
        && let Err(error) = owner::hand_over(state, account)
    {
        // Whether it can be used is found out when the ledger is opened.
        tracing::warn!("cannot hand {} over: {error}", state.display());
    }
    // What comes back after it was removed is pinned anew.
    let pins = live.pins().map(Pins::by_descriptor);
    if let (Some(pins), Some(account)) = (live.pins(), account)
        && let Err(error) = pins.hand_over(account)
    {
        tracing::warn!("cannot hand {} over: {error}", pins.path().display());
    }
    let wanted = Wanted {
        account: account.cloned(),
        capabilities: live.needed_capabilities()?,
        places: Places {
            own: state.into_iter().chain(pins).collect(),
            // The usual file may come to be there.
            reread: files.chain([layers::USUAL.into()]).collect(),
            port,
            ..Places::default()
        },
        sandbox: settings.sandbox,
    };
    let done = privilege::confine(&wanted)?;
    if done.is_complete() {
        tracing::info!("confined: {done}");
    } else {
        tracing::warn!("confined: {done}");
    }
    Ok(())
}
