//! `forgewatch config`.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

use super::{Failure, print, run};
use crate::config::{EXAMPLE, layers::Layers};

/// What to do with the configuration.
#[derive(Subcommand)]
pub(super) enum Action {
    /// Tell whether a file, and the target files that it names, can be understood
    Check(Check),
    /// Print what a run with these arguments would go by, and where each value comes from
    Show(Box<run::Options>),
    /// Print a file with every key, its default, and why
    Example,
}

/// Arguments of `config check`.
#[derive(Args)]
pub(super) struct Check {
    /// The file [default: $FORGEWATCH_CONFIG, else /etc/forgewatch/forgewatch.toml if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(action: &Action) -> Result<ExitCode, Failure> {
    let text = match action {
        Action::Check(options) => check(options)?,
        Action::Show(options) => show(options)?,
        Action::Example => EXAMPLE.to_owned(),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn check(options: &Check) -> Result<String, Failure> {
    let layers = Layers::load(options.config.as_deref())?;
    layers.settings.check().map_err(Failure::Usage)?;
    let targets = layers.settings.load_targets()?;
    let services = targets.services().len();
    Ok(match &layers.file {
        Some(file) => format!(
            "{}: understood; keys not at their default: {}; services and controls: {services}\n",
            file.display(),
            layers.said_by_file(),
        ),
        None => format!("no file is read: every key is at its default; services: {services}\n"),
    })
}

fn show(options: &run::Options) -> Result<String, Failure> {
    let layers = options.layers()?;
    let file = layers.file.as_ref().map_or("none".into(), |file| file.display().to_string());
    Ok(format!("# file: {file}\n{}", layers.shown()))
}
