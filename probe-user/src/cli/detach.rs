//! `forgewatch detach`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::Failure;
use crate::{
    config::layers::Layers,
    source::kernel::{
        attach,
        pins::{self, Standing},
    },
};

/// Arguments of `detach`.
#[derive(Args)]
#[group(id = "which", required = true, args = ["ifaces", "all"])]
pub(super) struct Options {
    /// Interface to take programs off, and all that were watched together with it; may be given several times
    #[arg(long = "iface", value_name = "IF")]
    ifaces: Vec<String>,
    /// Everything that agents have left
    #[arg(long, conflicts_with = "ifaces")]
    all: bool,
    /// Where it is pinned [default: as configured, else /sys/fs/bpf/forgewatch]
    #[arg(long, value_name = "DIR")]
    pin: Option<PathBuf>,
}

impl Options {
    fn concerns(&self, interfaces: &[String]) -> bool {
        self.all || interfaces.iter().any(|interface| self.ifaces.contains(interface))
    }
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let base = match &options.pin {
        Some(base) => base.clone(),
        None => Layers::load(None)?.settings.pin.unwrap_or_else(|| pins::USUAL.into()),
    };
    let mut held = None;
    let mut nothing = true;
    let sets = pins::standing(&base)?;
    for Standing { interfaces, .. } in sets.iter().filter(|set| options.concerns(&set.interfaces)) {
        match pins::detach(&base, interfaces) {
            Ok(gone) => {
                nothing &= gone.is_empty();
                println!("{}: took off {}", interfaces.join(", "), gone.join(", "));
            }
            // Others may have ended.
            Err(error @ pins::PinError::Busy { .. }) => held = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    for interface in attach::stale_filters(&options.ifaces) {
        nothing = false;
        println!("{interface}: took off the filter of an agent that was killed");
    }
    match held {
        Some(error) => Err(error.into()),
        None => {
            if nothing {
                println!("nothing is left by an agent");
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}
