//! `forgewatch doctor`.

use std::process::ExitCode;

use clap::Args;

use super::{Failure, print};
use crate::{config::layers::Layers, doctor, log, source::kernel::pins};

/// Arguments of `doctor`.
#[derive(Args)]
pub(super) struct Options {
    /// Interface that is to be watched; may be given several times
    #[arg(long = "iface", value_name = "IF")]
    ifaces: Vec<String>,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Failure> {
    // A configuration that is no good is told by `config check` and `run`.
    let pins = Layers::load(None).ok().and_then(|layers| layers.settings.pin);
    let report = doctor::examine(&doctor::Options {
        ifaces: options.ifaces.clone(),
        pins: Some(pins.unwrap_or_else(|| pins::USUAL.into())),
    });
    let said = if options.json {
        format!("{}\n", report.to_json())
    } else {
        // Others choose what interfaces and programs are called.
        report.to_string().lines().map(|line| log::plain(line) + "\n").collect()
    };
    print(&said)?;
    Ok(ExitCode::from(report.outcome().exit_code()))
}
