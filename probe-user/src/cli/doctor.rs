//! `forgewatch doctor`.

use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::doctor;

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
    let report = doctor::examine(&doctor::Options { ifaces: options.ifaces.clone() });
    if options.json {
        println!("{}", report.to_json());
    } else {
        print!("{report}");
    }
    Ok(ExitCode::from(report.outcome().exit_code()))
}
