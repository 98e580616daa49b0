//! `forgewatch run`.

use std::{process::ExitCode, time::Duration};

use clap::Args;

use super::{DnsOptions, Failure, TargetOptions, state};
use crate::agent::{self, settings::Settings};

/// Arguments of `run`.
#[derive(Args)]
pub(super) struct Options {
    /// Interface to watch, both directions; may be given several times
    #[arg(long = "iface", value_name = "IF", required = true)]
    ifaces: Vec<String>,
    /// One JSON object a line instead of lines for people
    #[arg(long)]
    json: bool,
    /// End after so many seconds
    #[arg(long, value_name = "S")]
    duration: Option<f64>,
    /// Follow every connection closely, not only those of the targets and controls: for a lab, or a
    /// router with little traffic
    #[arg(long)]
    all: bool,
    /// Size of the ring buffer between kernel and agent, in octets: a power of two
    #[arg(long, value_name = "OCTETS", value_parser = ring_octets)]
    ring: Option<u32>,
    #[command(flatten)]
    record: state::RecordOptions,
    #[command(flatten)]
    dns: DnsOptions,
    #[command(flatten)]
    targets: TargetOptions,
}

/// Smallest ring buffer: a page.
const RING_MIN: u32 = 4_096;

/// Largest ring buffer.
const RING_MAX: u32 = 1 << 30;

fn ring_octets(text: &str) -> Result<u32, String> {
    let octets: u32 = text.parse().map_err(|_| "not a number of octets".to_owned())?;
    if octets.is_power_of_two() && (RING_MIN..=RING_MAX).contains(&octets) {
        Ok(octets)
    } else {
        Err(format!("must be a power of two from {RING_MIN} to {RING_MAX}"))
    }
}

pub(super) fn run(options: Options) -> Result<ExitCode, Failure> {
    if options.duration.is_some_and(|seconds| !(0.0..=1e9).contains(&seconds)) {
        return Err(Failure::Usage("--duration takes a number of seconds from 0 on".into()));
    }
    agent::run(&Settings {
        dns_ports: options.dns.ports()?,
        interfaces: options.ifaces,
        json: options.json,
        duration: options.duration.map(Duration::from_secs_f64),
        all: options.all,
        ring: options.ring,
        targets: options.targets.targets,
        record: options.record,
    })
}
