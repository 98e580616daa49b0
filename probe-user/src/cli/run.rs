//! `forgewatch run`.

use std::process::ExitCode;

use clap::Args;

use super::{Failure, TargetOptions};

/// Arguments of `run`.
#[derive(Args)]
pub(super) struct Options {
    /// Interface to watch, both directions; may be given several times
    #[arg(long = "iface", value_name = "IF", required = true)]
    ifaces: Vec<String>,
    /// One JSON object a line instead of lines for people
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    targets: TargetOptions,
}

pub(super) fn run(_options: &Options) -> Result<ExitCode, Failure> {
    Ok(ExitCode::SUCCESS)
}
