//! `forgewatch run`.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;

use super::{DnsOptions, Failure, TargetOptions, state};
use crate::{
    agent,
    config::{
        layers::{Layers, Origin},
        settings::{RING_MAX, RING_MIN},
    },
    log::Form,
    privilege::{Sandbox, UserChoice},
    source::kernel::pins,
};

/// Arguments of `run`. What is given here counts before what a file says.
#[derive(Args)]
pub(super) struct Options {
    /// Configuration file
    /// [default: $FORGEWATCH_CONFIG, else /etc/forgewatch/forgewatch.toml if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Interface to watch, both directions; may be given several times
    #[arg(long = "iface", value_name = "IF")]
    ifaces: Vec<String>,
    /// One JSON object a line instead of lines for people
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    json: Option<bool>,
    /// End after so many seconds
    #[arg(long, value_name = "S")]
    duration: Option<f64>,
    /// Say in JSON every so many seconds what connections to each destination have met so far
    #[arg(long, value_name = "S")]
    destinations: Option<u64>,
    /// Follow every connection closely, not only those of the targets and controls: for a lab, or a
    /// router with little traffic
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    all: Option<bool>,
    /// User to run as once everything is ready, by name or number
    /// [default: for root, `forgewatch` if there is such a user]
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Whether to restrict files and system calls: as far as the kernel can, not without, or not at all
    /// [default: auto]
    #[arg(long, value_enum, value_name = "HOW")]
    sandbox: Option<Sandbox>,
    /// Size of the ring buffer between kernel and agent, in octets: a power of two
    #[arg(long, value_name = "OCTETS", value_parser = ring_octets)]
    ring: Option<u32>,
    /// Pin programs and tables, so that they outlive the agent, and take over what another one has left
    /// [default of DIR: /sys/fs/bpf/forgewatch]
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = pins::USUAL)]
    pin: Option<PathBuf>,
    /// How what is said beside findings looks: auto, human, json or journal [default: auto]
    #[arg(long, value_name = "FORM", value_parser = log_form)]
    log: Option<Form>,
    /// Address and port to serve Prometheus metrics on, as in 127.0.0.1:9617 [default: none]
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    #[command(flatten)]
    record: state::RecordOptions,
    #[command(flatten)]
    dns: DnsOptions,
    #[command(flatten)]
    targets: TargetOptions,
}

fn ring_octets(text: &str) -> Result<u32, String> {
    let octets: u32 = text.parse().map_err(|_| "not a number of octets".to_owned())?;
    if octets.is_power_of_two() && (RING_MIN..=RING_MAX).contains(&octets) {
        Ok(octets)
    } else {
        Err(format!("must be a power of two from {RING_MIN} to {RING_MAX}"))
    }
}

fn log_form(text: &str) -> Result<Form, String> {
    Form::named(text).ok_or_else(|| "must be auto, human, json or journal".into())
}

impl Options {
    /// What was said of how output looks, if anything was.
    #[cfg(feature = "live")]
    pub(super) const fn form_given(&self) -> Option<&'static str> {
        match (self.json, self.destinations, self.log) {
            (Some(_), ..) => Some("--json"),
            (_, Some(_), _) => Some("--destinations"),
            (.., Some(_)) => Some("--log"),
            _ => None,
        }
    }

    /// All layers: what these arguments say lies on top.
    pub(super) fn layers(&self) -> Result<Layers, Failure> {
        if self.duration.is_some_and(|seconds| !(0.0..=1e9).contains(&seconds)) {
            return Err(Failure::Usage("--duration takes a number of seconds from 0 on".into()));
        }
        if self.destinations == Some(0) {
            return Err(Failure::Usage(
                "--destinations takes a number of seconds from 1 on".into(),
            ));
        }
        let ports = self.dns.given()?;
        let mut layers = Layers::load(self.config.as_deref())?;
        layers.settings.duration = self.duration.map(Duration::from_secs_f64);
        layers.settings.destinations = self.destinations.map(Duration::from_secs);
        let said = Origin::CommandLine;
        if !self.ifaces.is_empty() {
            layers.set("interfaces", said, |to| to.interfaces.clone_from(&self.ifaces));
        }
        if let Some(json) = self.json {
            layers.set("json", said, |to| to.json = json);
        }
        if let Some(all) = self.all {
            layers.set("all", said, |to| to.all = all);
        }
        if let Some(octets) = self.ring {
            layers.set("kernel.ring_octets", said, |to| to.ring_octets = octets);
        }
        if let Some(pin) = &self.pin {
            // Empty: not, whatever the file says.
            let pin = Some(pin.clone()).filter(|pin| !pin.as_os_str().is_empty());
            layers.set("kernel.pin", said, |to| to.pin = pin);
        }
        if let Some(ports) = ports {
            layers.set("dns_ports", said, |to| to.dns_ports = ports);
        }
        if !self.targets.targets.is_empty() {
            layers.set("targets", said, |to| to.targets.clone_from(&self.targets.targets));
        }
        if let Some(form) = self.log {
            layers.set("log.form", said, |to| to.log_form = form);
        }
        if let Some(address) = self.metrics {
            layers.set("metrics.listen", said, |to| to.metrics_listen = Some(address));
        }
        if let Some(user) = &self.user {
            layers.set("privilege.user", said, |to| to.user = UserChoice::of(user));
        }
        if let Some(sandbox) = self.sandbox {
            layers.set("privilege.sandbox", said, |to| to.sandbox = sandbox);
        }
        self.record.set(&mut layers);
        layers.settings.check().map_err(Failure::Usage)?;
        Ok(layers)
    }
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Failure> {
    agent::run(&|| options.layers())
}
