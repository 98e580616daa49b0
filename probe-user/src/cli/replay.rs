//! `forgewatch replay`.

use std::{io, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Args;
use probe_common::config::Config;

use super::{DnsOptions, Failure, TargetOptions, summary};
use crate::{
    judge::{Judge, Settings, Telling},
    report::{Clients, Form},
    report::{
        Finding, ReportError, Summary, Writer,
        pseudonym::Pseudonyms,
        summary::{Clock, ClockSource},
    },
    source::{
        capture::{CaptureError, CaptureReader},
        replay::{Driver, Packets},
    },
    targets::TargetSet,
};

/// Arguments of `replay`.
#[derive(Args)]
pub(super) struct Options {
    /// Captures to judge
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// One JSON object a line instead of lines for people
    #[arg(long)]
    json: bool,
    /// Show clients by address and port (they are in the capture already)
    #[arg(long)]
    clear_clients: bool,
    /// Send each packet through the real BPF program instead of the same code in userspace
    #[arg(long)]
    through_kernel: bool,
    #[command(flatten)]
    dns: DnsOptions,
    #[command(flatten)]
    targets: TargetOptions,
}

type Out = Writer<io::StdoutLock<'static>>;

pub(super) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let config = Config { dns_ports: options.dns.ports()?, ..Config::replay() };
    let targets = Arc::new(options.targets.load()?);
    let stdout = io::stdout();
    let form = Form::of(options.json, &stdout);
    let clients = if options.clear_clients {
        Clients::Clear
    } else {
        Clients::Pseudonyms(Pseudonyms::new().map_err(|error| Failure::Other(error.to_string()))?)
    };
    let mut out = Writer::new(stdout.lock(), form, clients);
    let kernel = if options.through_kernel { summary::kernel() } else { None };
    let clock = Clock { source: ClockSource::Capture, synchronised: None };
    let mut total = summary::begin(&targets, clock, kernel);

    // One bad file of many must not cost the findings of the others.
    let mut failure = None;
    for file in &options.files {
        match capture(file, options.through_kernel, config, &targets, &mut out, &mut total) {
            Err(Failure::Output(ReportError::Closed { .. })) => return Ok(ExitCode::SUCCESS),
            Err(error @ Failure::Input(_)) => {
                eprintln!("forgewatch: {error}");
                failure = Some(error.code());
            }
            Err(error) => return Err(error),
            Ok(()) => {}
        }
    }
    match out.summary(&total) {
        Ok(()) | Err(ReportError::Closed { .. }) => Ok(failure.unwrap_or(ExitCode::SUCCESS)),
        Err(error) => Err(error.into()),
    }
}

/// Judges one capture. What is damaged is reported as far as it could be read.
fn capture(
    file: &std::path::Path,
    through_kernel: bool,
    config: Config,
    targets: &Arc<TargetSet>,
    out: &mut Out,
    total: &mut Summary,
) -> Result<(), Failure> {
    let mut reader = CaptureReader::open(file)?;
    let mut driver = if through_kernel { Driver::kernel(&config)? } else { Driver::local(config) };
    driver.watch_names(&targets.names(config.hash_key));
    let mut judge =
        Judge::new(Settings { telling: Telling::AtClose, epoch: 0, targets: Arc::clone(targets) });
    let mut packets = Packets::new(driver);
    let mut told = Told { out, total, error: None };
    let mut damage: Option<CaptureError> = None;
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => packets.take(&frame, &mut judge, |finding| told.tell(&finding))?,
            Ok(None) => break,
            Err(error) => {
                damage = Some(error);
                break;
            }
        }
        if told.error.is_some() {
            break;
        }
    }
    packets.scan_last(&mut judge, |finding| told.tell(&finding));
    judge.finish(|finding| told.tell(&finding));
    if let Some(error) = told.error {
        return Err(error.into());
    }
    summary::add(total, &packets.counts()?, &judge);
    summary::histograms(total, &judge);
    let skipped: u64 = reader.skipped().iter().map(|skipped| skipped.packets).sum();
    *total.lost.entry("capture_packets_skipped".into()).or_default() += skipped;
    for skipped in reader.skipped() {
        eprintln!("forgewatch: {}: {skipped}", file.display());
    }
    total.first_packet = earliest(total.first_packet, packets.first());
    total.last_packet = total.last_packet.max(packets.last());
    damage.map_or(Ok(()), |error| Err(error.into()))
}

fn earliest(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Writes findings and counts them; remembers the first error.
struct Told<'a> {
    out: &'a mut Out,
    total: &'a mut Summary,
    error: Option<ReportError>,
}

impl Told<'_> {
    fn tell(&mut self, finding: &Finding) {
        if self.error.is_some() {
            return;
        }
        self.total.findings.add(finding);
        self.error = self.out.finding(finding).err();
    }
}
