//! `forgewatch live`.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::Args;

use super::{Failure, run};
use crate::live;

/// Arguments of `live`: those of `run`, and one more. Without a group: `run` has one of that name.
#[derive(Args)]
#[group(skip)]
pub(super) struct Options {
    /// Do not watch; show what was written by `run --json` or `replay --json`, or is being written (-:
    /// standard input)
    #[arg(long, value_name = "FILE")]
    read: Option<PathBuf>,
    #[command(flatten)]
    run: run::Options,
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let args: Vec<OsString> =
        std::env::args_os().skip_while(|word| word != "live").skip(1).collect();
    if let Some(path) = &options.read {
        // `--read FILE` or `--read=FILE`.
        if args.len() > 2 {
            let more = "--read shows what is in a file, and watches nothing: it stands alone";
            return Err(Failure::Usage(more.into()));
        }
        return live::read(path);
    }
    if let Some(given) = options.run.form_given() {
        return Err(Failure::Usage(format!(
            "live reads itself what the agent says, and takes no {given}; give that to forgewatch run"
        )));
    }
    // Checked as `run` would, and then handed on as they are.
    let layers = options.run.layers()?;
    live::run(&args, &layers.settings.interfaces.join(", "))
}
