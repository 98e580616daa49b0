//! `forgewatch replay`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use probe_common::config::Config;

use super::attribute::{self, Attribution};
use super::observer::Observer;
use super::{DnsOptions, Failure, TargetOptions, report, state, summary};
use crate::{
    export::ExportError,
    ledger::{FILE, Recorder, Totals, Unrecorded},
    privilege::{Places, confine_reader},
    report::{Clients, Form},
    report::{
        Finding, ReportError, Summary, Writer,
        pseudonym::Pseudonyms,
        summary::{Clock, ClockSource},
    },
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
    /// What to call the observer who made a capture; once for each capture, in their order. They are then
    /// read side by side, as of one time, and what is said tells the observers apart
    #[arg(long = "vantage", value_name = "NAME")]
    vantages: Vec<String>,
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

impl Options {
    /// How many captures are of one time.
    fn observers(&self) -> Result<usize, Failure> {
        let (names, files) = (self.vantages.len(), self.files.len());
        if names == 0 {
            return Ok(1);
        }
        if names != files {
            return Err(Failure::Usage(format!(
                "--vantage is given {names} times, and there are {files} captures: each needs one"
            )));
        }
        Ok(files)
    }

    /// Leaves what a replay needs: to read the captures, to write what is asked for. To be called before there
    /// is another thread.
    fn confine(&self, ledger: Option<&Ledger>) {
        let own = [ledger.map(Ledger::dir), self.report.as_deref()];
        let own: Vec<PathBuf> = own.into_iter().flatten().map(Path::to_owned).collect();
        for dir in &own {
            // Whoever writes there says why it cannot be made.
            let _ = fs::create_dir_all(dir);
        }
        confine_reader(&Places { own, read: self.files.clone(), ..Places::default() });
    }
}

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
    let mut text = Text { out: Writer::new(stdout.lock(), form, clients), error: None };
    let kernel = if options.through_kernel { summary::kernel() } else { None };
    let clock = Clock { source: ClockSource::Capture, synchronised: None };
    let mut total = summary::begin(&targets, clock, kernel.clone());
    let ledger = Ledger::choose(options)?;
    if !options.through_kernel {
        options.confine(ledger.as_ref());
    }
    let recorder = ledger.as_ref().map(|ledger| {
        state::start_replay(ledger.dir(), kernel, &options.vantages, &targets, &options.keep)
    });
    let mut recorder = recorder.transpose()?;

    let mut attribution = Attribution::new(&targets, attribute::LATE_REPLAY);

    // One bad file of many must not cost the findings of the others.
    let mut failure = None;
    let open = |file: &Path| Observer::open(file, options.through_kernel, config, &targets);
    for files in options.files.chunks(options.observers()?) {
        let told = Told { text: &mut text, total: &mut total, recorder: &mut recorder };
        match side_by_side(files, open, told, &mut attribution) {
            Err(Failure::Output(ReportError::Closed { .. })) => return Ok(ExitCode::SUCCESS),
            Err(error @ Failure::Input(_)) => {
                super::complain(&error);
                failure = Some(error.code());
            }
            Err(error) => return Err(error),
            Ok(()) => {}
        }
    }
    let verdicts = attribution.finish(recorder.as_mut(), &mut total.lost);
    let last = total.last_packet.unwrap_or_default();
    let unrecorded = recorder.and_then(|recorder| recorder.close(last, &mut total));
    // What was found is told, whatever becomes of records and reports.
    verdicts.iter().for_each(|verdict| text.put(|out| out.verdict(verdict)));
    text.put(|out| out.summary(&total));
    if let Some(ledger) = &ledger {
        ledger.conclude(options, unrecorded)?;
    }
    match text.error {
        None | Some(ReportError::Closed { .. }) => Ok(failure.unwrap_or(ExitCode::SUCCESS)),
        Some(error) => Err(error.into()),
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
        made.map_err(|error| ExportError::of_io(&report.display().to_string(), &error))?;
        Ok(Some(Self::Passing(dir)))
    }

    /// Makes the reports that are asked for, and says what could not be recorded: of a part only they would
    /// not be the capture's.
    fn conclude(&self, options: &Options, unrecorded: Option<Unrecorded>) -> Result<(), Failure> {
        let reported = options
            .report
            .as_ref()
            .map_or(Ok(()), |dir| report::of_replay(self.dir(), dir, &options.terms));
        let whose = match (self, &options.report) {
            (Self::Passing(_), Some(report)) => format!("the reports in {}", report.display()),
            _ => self.dir().join(FILE).display().to_string(),
        };
        match (unrecorded, reported) {
            (Some(unrecorded), _) => Err(Failure::Other(format!(
                "{whose}: {unrecorded}; what was found has been told: make room, and replay it again"
            ))),
            // Nobody knows the directory of one that passes.
            (None, Err(Failure::State(error))) if matches!(self, Self::Passing(_)) => {
                Err(Failure::Other(format!("{whose}: {}; replay it again", error.reason())))
            }
            (None, reported) => reported,
        }
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

/// Judges captures side by side, each by what its own observer saw: one, or several of the same time. What
/// is damaged is reported as far as it could be read.
fn side_by_side(
    files: &[PathBuf],
    open: impl Fn(&Path) -> Result<Observer, Failure>,
    mut told: Told<'_>,
    attribution: &mut Attribution,
) -> Result<(), Failure> {
    let mut observers: Vec<Observer> =
        files.iter().map(|file| open(file)).collect::<Result<_, _>>()?;
    if let Some((first, _)) = next(&observers) {
        attribution.captures(first);
    }
    let mut recorded: Option<u64> = None;
    while !told.is_over()
        && let Some((time, at)) = next(&observers)
    {
        observers[at].take(|finding| told.tell(&finding))?;
        if time >= recorded.get_or_insert(time).saturating_add(RECORD_EVERY) {
            recorded = Some(time);
            // Those who see nothing at present live in the same time.
            for observer in &mut observers {
                observer.advance(time, |finding| told.tell(&finding));
            }
            told.record(time, &observers)?;
            attribution.take_all(observers.iter_mut().map(|observer| &mut observer.judge));
            attribution.record(time, told.recorder.as_mut());
        }
    }
    for observer in &mut observers {
        observer.finish(|finding| told.tell(&finding));
    }
    attribution.take_all(observers.iter_mut().map(|observer| &mut observer.judge));
    if let Some(last) = observers.iter().filter_map(Observer::last).max() {
        told.record(last, &observers)?;
    }
    if told.is_over()
        && let Some(error) = told.text.error.take()
    {
        return Err(error.into());
    }
    for observer in &observers {
        observer.sum_up(told.total)?;
    }
    let mut damaged = observers.into_iter().filter_map(Observer::damage);
    let Some(first) = damaged.next() else { return Ok(()) };
    // The caller says the first.
    damaged.for_each(|other| super::complain(&other));
    Err(first.into())
}

/// The time of the frame that comes next, and whose it is.
fn next(observers: &[Observer]) -> Option<(u64, usize)> {
    let times = observers.iter().enumerate();
    times.filter_map(|(at, observer)| Some((observer.time()?, at))).min()
}

/// Standard output, as long as it can be written.
struct Text {
    out: Out,
    /// Why it cannot be written any more.
    error: Option<ReportError>,
}

impl Text {
    fn put(&mut self, write: impl FnOnce(&mut Out) -> Result<(), ReportError>) {
        if self.error.is_none() {
            self.error = write(&mut self.out).err();
        }
    }
}

/// Writes findings, records and counts them.
struct Told<'a> {
    text: &'a mut Text,
    total: &'a mut Summary,
    recorder: &'a mut Option<Recorder>,
}

impl Told<'_> {
    /// Nobody is left to be told. Whoever reads may go early, as `head` does after its lines; what is recorded
    /// is whole all the same.
    const fn is_over(&self) -> bool {
        match &self.text.error {
            None => false,
            Some(ReportError::Closed { .. }) => self.recorder.is_none(),
            Some(_) => true,
        }
    }

    fn tell(&mut self, finding: &Finding) {
        if self.is_over() {
            return;
        }
        if let Some(recorder) = self.recorder {
            recorder.finding(finding);
        }
        self.total.findings.add(finding);
        self.text.put(|out| out.finding(finding));
    }

    /// Records what was counted up to `time`, in the captures before and in these.
    fn record(&mut self, time: u64, observers: &[Observer]) -> Result<(), Failure> {
        let Some(recorder) = self.recorder else { return Ok(()) };
        let mut so_far = self.total.clone();
        for observer in observers {
            observer.count(&mut so_far)?;
        }
        recorder.traffic(time, Totals::from(&so_far));
        Ok(())
    }
}
