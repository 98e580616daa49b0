//! `forgewatch detach`.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use clap::Args;

use super::{Failure, print};
use crate::{
    config::layers::Layers,
    log,
    source::kernel::{
        attach,
        pins::{self, PinError, Standing},
    },
};

/// Arguments of `detach`.
#[derive(Args)]
pub(super) struct Options {
    /// Interface to take programs off, and all that were watched together with it; may be given several times
    #[arg(long = "iface", value_name = "IF", required_unless_present = "all")]
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
    let mut said = Said::default();
    let done = take_off(options, &base, &mut said);
    print(&said.lines)?;
    done.map(|()| ExitCode::SUCCESS)
}

/// What was done so far: it is to be read also if something fails then.
#[derive(Default)]
struct Said {
    lines: String,
    /// Interfaces of which something was taken off.
    on: Vec<String>,
}

impl Said {
    fn say(&mut self, line: &str) {
        // Others choose what their pins, and interfaces, are called.
        let _ = writeln!(self.lines, "{}", log::plain(line));
    }
}

fn take_off(options: &Options, base: &std::path::Path, said: &mut Said) -> Result<(), Failure> {
    let mut held = None;
    let sets = pins::standing(base)?;
    let others = if options.all { pins::others(base)? } else { Vec::new() };
    for Standing { interfaces, .. } in sets.iter().filter(|set| options.concerns(&set.interfaces)) {
        let names = interfaces.join(", ");
        match pins::detach(base, interfaces) {
            Ok(Some(gone)) => {
                said.say(&format!("{names}: took off {}", gone.taken.join(", ")));
                if !gone.left.is_empty() {
                    let left = gone.left.join(", ");
                    said.say(&format!("{names}: left what no agent has pinned: {left}"));
                }
                said.on.extend_from_slice(interfaces);
            }
            // Somebody else was faster.
            Ok(None) => {}
            // Others may have ended.
            Err(error @ PinError::Busy { .. }) => held = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    for interface in attach::stale_filters(&options.ifaces) {
        said.say(&format!("{interface}: took off the filter of an agent that was killed"));
        said.on.push(interface);
    }
    if !others.is_empty() {
        let (base, others) = (base.display(), others.join(", "));
        said.say(&format!("{base}: left what no agent has pinned: {others}"));
    }
    if let Some(error) = held {
        return Err(error.into());
    }
    if options.all && said.on.is_empty() {
        said.say("nothing is left by an agent");
    }
    let without: Vec<_> = options
        .ifaces
        .iter()
        .filter(|iface| !said.on.contains(iface))
        .map(String::as_str)
        .collect();
    if !without.is_empty() {
        said.say(&format!("nothing is left on {}", without.join(", ")));
    }
    Ok(())
}
