//! The command line.

pub(crate) mod attribute;
mod config;
mod detach;
mod doctor;
mod exit;
#[cfg(feature = "live")]
mod live;
mod observer;
mod replay;
mod report;
mod run;
pub(crate) mod state;
pub(crate) mod summary;

use std::{
    fmt,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
pub use exit::Failure;
use probe_common::config::DNS_PORTS;

use crate::{config::settings::Settings, log, report::ReportError, targets::TargetSet};

const ABOUT: &str = "Watches a Linux router for forged TCP resets and forged DNS answers, and says \
                     which service they cut off, how, and how sure that is.";

const AFTER: &str = "\
Exit codes:
  0  ran to the end, whatever it found
  1  anything not listed here (a full disk, say)
  2  wrong usage, or a configuration or target file that cannot be understood
  3  missing privileges
  4  no such interface, or one that cannot be watched
  5  a capture that cannot be read, or not to its end (what was read is reported); a file that is no run's
  6  the kernel lacks something, or the BPF object was not built in
  7  a state directory or ledger that cannot be used
  8  another agent has what is pinned there

Forgewatch only looks. It never delays, changes or drops a packet, and says nothing that names a \
client.";

#[derive(Parser)]
#[command(name = "forgewatch", version, about = ABOUT, after_help = AFTER)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Watch live packets on the interfaces of this router
    #[command(after_help = "\
Examples:
  forgewatch run --iface eth0                   the upstream interface of a router
  forgewatch run --iface eth0 --duration 60     for a minute, then the summary
  forgewatch run --iface lan0 --iface wan0      both sides; behind NAT give one only
  forgewatch run --iface eth0 --json            one JSON object a line, for programs
  forgewatch run --config mine.toml             all that a file says (see forgewatch config)")]
    Run(run::Options),
    /// The same on a terminal, to look at: what connections to each destination meet, and of each
    /// finding the evidence
    #[cfg(feature = "live")]
    #[command(after_help = "\
Examples:
  forgewatch live --iface eth0      arrows and Enter go from a destination to its findings to their evidence
  forgewatch live --read run.json   what was written elsewhere, by run or replay with --json

What is recorded, and the exit codes, are those of run; q or Ctrl-C ends both.")]
    Live(live::Options),
    /// Judge captures (pcap or pcapng, plain, gzip or zstd), each on its own
    #[command(after_help = "\
Examples:
  forgewatch replay capture.pcap
  forgewatch replay --json *.pcap.gz | jq 'select(.verdict == \"injected\")'
  forgewatch replay --through-kernel capture.pcap   by the real BPF program (needs root)")]
    Replay(replay::Options),
    /// Make reports out of what runs have recorded; needs no privileges
    #[command(after_help = "\
Examples:
  forgewatch report                                     everything, as NDJSON
  forgewatch report --from 7d --format ooni             the last week, as OONI measurements
  forgewatch report --format ndjson,radar --out report  two forms, into a directory
  forgewatch report --state /srv/probe --k 1            of a lab: nothing is withheld")]
    Report(report::Options),
    /// Check, show or print the configuration of `run`
    #[command(subcommand)]
    Config(config::Action),
    /// Take off what an agent with --pin has left: programs, their links and their tables
    #[command(after_help = "\
Examples:
  forgewatch detach --iface eth0    what is left on one interface
  forgewatch detach --all           on all of them

It is no error if there is nothing. What a running agent has is left alone (exit code 8): end it first.")]
    Detach(detach::Options),
    /// Tell whether this machine and these interfaces are fit, and what to do if not
    Doctor(doctor::Options),
}

/// What to watch.
#[derive(Args)]
struct TargetOptions {
    /// File of services to watch, in place of LinkedIn; may be given several times
    // Not `files`: `replay` has an argument of that name, and both would be taken for one.
    #[arg(long = "targets", value_name = "FILE")]
    targets: Vec<PathBuf>,
}

impl TargetOptions {
    fn load(&self) -> Result<TargetSet, Failure> {
        TargetSet::load(&self.targets).map_err(|error| Failure::Usage(error.to_string()))
    }
}

/// Where DNS is spoken.
#[derive(Args)]
struct DnsOptions {
    /// Port taken for DNS, over UDP and TCP, in place of 53; may be given up to four times
    #[arg(long = "dns-port", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    ports: Vec<u16>,
}

impl DnsOptions {
    /// Those that were given.
    fn given(&self) -> Result<Option<Vec<u16>>, Failure> {
        if self.ports.len() > DNS_PORTS {
            return Err(Failure::Usage(format!(
                "--dns-port was given {} times, and there is room for {DNS_PORTS} ports",
                self.ports.len()
            )));
        }
        Ok((!self.ports.is_empty()).then(|| self.ports.clone()))
    }

    fn ports(&self) -> Result<[u16; DNS_PORTS], Failure> {
        let mut settings = Settings::default();
        if let Some(ports) = self.given()? {
            settings.dns_ports = ports;
        }
        Ok(settings.ports())
    }
}

/// The command line as it is understood: what man pages and completions are made of.
pub fn command() -> clap::Command {
    <Command as clap::CommandFactory>::command()
}

/// Parses the arguments, does what they say, and returns the exit code.
pub fn main() -> ExitCode {
    let command = Command::parse();
    log::start();
    let done = match command.action {
        Action::Run(options) => run::run(&options),
        #[cfg(feature = "live")]
        Action::Live(options) => live::run(&options),
        Action::Replay(options) => replay::run(&options),
        Action::Report(options) => report::run(&options),
        Action::Config(action) => config::run(&action),
        Action::Detach(options) => detach::run(&options),
        Action::Doctor(options) => doctor::run(&options),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            complain(&failure);
            failure.code()
        }
    }
}

/// Says on standard error what is wrong: without what a terminal would act on, as names of files and interfaces may
/// have it, and whether or not anybody is there to hear it.
fn complain(what: &impl fmt::Display) {
    let _ = writeln!(io::stderr(), "forgewatch: {}", log::plain(&what.to_string()));
}

/// Writes what a command has to say. A reader that has seen enough is no failure.
fn print(text: &str) -> Result<(), Failure> {
    const WHAT: &str = "to standard output";
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written.map_err(|error| ReportError::of_io(WHAT, error)) {
        Ok(()) | Err(ReportError::Closed { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn no_two_arguments_are_taken_for_one() {
        super::Command::command().debug_assert();
    }
}
