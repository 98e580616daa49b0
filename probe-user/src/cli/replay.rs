//! `forgewatch replay`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use probe_common::config::Config;

use super::attribute::Attribution;
use super::{DnsOptions, Failure, TargetOptions, report, state, summary};
use crate::{
    export::ExportError,
    judge::{Judge, Settings, Telling},
    ledger::{Recorder, Totals},
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
    /// Make reports of every form in this directory
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Record in the ledger of this directory, as a run of its own
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(flatten)]
    keep: state::KeepOptions,
    #[command(flatten)]
    terms: report::TermsOptions,
    #[command(flatten)]
    dns: DnsOptions,
    #[command(flatten)]
    targets: TargetOptions,
}

/// How much time passes in a capture between two records of what was counted, in nanoseconds: a minute.
const RECORD_EVERY: u64 = 60_000_000_000;

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
    let mut total = summary::begin(&targets, clock, kernel.clone());
    let ledger = Ledger::choose(options)?;
    let recorder = ledger
        .as_ref()
        .map(|ledger| state::start_replay(ledger.dir(), kernel, &targets, &options.keep));
    let mut recorder = recorder.transpose()?;

    let mut attribution = Attribution::new(&targets);

    // One bad file of many must not cost the findings of the others.
    let mut failure = None;
    for file in &options.files {
        let through = options.through_kernel;
        let told = Told { out: &mut out, total: &mut total, recorder: &mut recorder, error: None };
        match capture(file, through, config, &targets, told, &mut attribution) {
            Err(Failure::Output(ReportError::Closed { .. })) => return Ok(ExitCode::SUCCESS),
            Err(error @ Failure::Input(_)) => {
                eprintln!("forgewatch: {error}");
                failure = Some(error.code());
            }
            Err(error) => return Err(error),
            Ok(()) => {}
        }
    }
    let verdicts = attribution.finish(recorder.as_mut(), &mut total.lost);
    if let (Some(recorder), Some(ledger)) = (recorder, &ledger) {
        recorder.close(total.last_packet.unwrap_or_default(), &mut total);
        if let Some(dir) = &options.report {
            report::of_replay(ledger.dir(), dir, &options.terms)?;
        }
    }
    let written = verdicts.iter().try_for_each(|verdict| out.verdict(verdict));
    match written.and_then(|()| out.summary(&total)) {
        Ok(()) | Err(ReportError::Closed { .. }) => Ok(failure.unwrap_or(ExitCode::SUCCESS)),
        Err(error) => Err(error.into()),
    }
}

/// Where a replay is recorded.
enum Ledger {
    /// In a ledger of the user's.
    Kept(PathBuf),
    /// In one that is there for the report only: what may be published is in the report, and a ledger
    /// beside it has more.
    Passing(PathBuf),
}

impl Ledger {
    fn choose(options: &Options) -> Result<Option<Self>, Failure> {
        if let Some(dir) = &options.state {
            return Ok(Some(Self::Kept(dir.clone())));
        }
        let Some(report) = &options.report else { return Ok(None) };
        let dir = report.join(format!(".ledger-{}", std::process::id()));
        let made = fs::create_dir_all(report).and_then(|()| fs::create_dir(&dir));
        made.map_err(|error| ExportError::of_io(&dir.display().to_string(), &error))?;
        Ok(Some(Self::Passing(dir)))
    }

    fn dir(&self) -> &Path {
        match self {
            Self::Kept(dir) | Self::Passing(dir) => dir,
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if let Self::Passing(dir) = self {
            // What is left of it is in the way of nobody.
            let _ = fs::remove_dir_all(dir);
        }
    }
}

/// Judges one capture. What is damaged is reported as far as it could be read.
fn capture(
    file: &Path,
    through_kernel: bool,
    config: Config,
    targets: &Arc<TargetSet>,
    mut told: Told<'_>,
    attribution: &mut Attribution,
) -> Result<(), Failure> {
    let mut reader = CaptureReader::open(file)?;
    let mut driver = if through_kernel { Driver::kernel(&config)? } else { Driver::local(config) };
    driver.watch_names(&targets.names(config.hash_key));
    let mut judge =
        Judge::new(Settings { telling: Telling::AtClose, epoch: 0, targets: Arc::clone(targets) });
    judge.set_dns_ports(config.dns_ports);
    Attribution::prepare(&mut judge)?;
    let mut packets = Packets::new(driver);
    let mut recorded: Option<u64> = None;
    let mut damage: Option<CaptureError> = None;
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => {
                let time = frame.time;
                packets.take(&frame, &mut judge, |finding| told.tell(&finding))?;
                if time >= recorded.get_or_insert(time).saturating_add(RECORD_EVERY) {
                    recorded = Some(time);
                    told.record(time, &packets, &judge)?;
                    attribution.take(&mut judge);
                    attribution.record(time, told.recorder.as_mut());
                }
            }
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
    attribution.take(&mut judge);
    if let Some(last) = packets.last() {
        told.record(last, &packets, &judge)?;
    }
    if let Some(error) = told.error {
        return Err(error.into());
    }
    let total = told.total;
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
    recorder: &'a mut Option<Recorder>,
    error: Option<ReportError>,
}

impl Told<'_> {
    fn tell(&mut self, finding: &Finding) {
        if self.error.is_some() {
            return;
        }
        if let Some(recorder) = self.recorder {
            recorder.finding(finding);
        }
        self.total.findings.add(finding);
        self.error = self.out.finding(finding).err();
    }

    /// Records what was counted up to `time`, in the captures before and in this one.
    fn record(&mut self, time: u64, packets: &Packets, judge: &Judge) -> Result<(), Failure> {
        let Some(recorder) = self.recorder else { return Ok(()) };
        let mut so_far = self.total.clone();
        summary::add(&mut so_far, &packets.counts()?, judge);
        recorder.traffic(time, Totals::from(&so_far));
        Ok(())
    }
}
