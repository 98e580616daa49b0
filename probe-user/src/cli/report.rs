//! `forgewatch report`, and the reports of `forgewatch replay --report`.

use std::{
    fs,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp, civil, tz::Offset};

use super::{Failure, state};
use crate::{
    attribute::verdict::Period,
    export::{self, ExportError, Publication, Terms, file::Destination, publish::K},
    ledger::{Reader, row::Window},
    privilege::{Places, confine_reader},
};

/// Arguments of `report`.
#[derive(Args)]
pub(super) struct Options {
    #[command(flatten)]
    state: state::StateOptions,
    /// From when on: RFC 3339, a date, or how long ago (90s, 30m, 12h, 7d, 2w) [default: all there is]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Moment>,
    /// Until when, likewise; `now` is a time as well
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Moment>,
    /// One run only, by its number
    #[arg(long, value_name = "N")]
    run: Option<i64>,
    /// Form of the report; several, separated by commas, go into a directory
    #[arg(long = "format", value_name = "FORM", value_delimiter = ',', default_value = "ndjson")]
    formats: Vec<Form>,
    /// File, or directory, to write to; `-` is standard output, where text goes by default
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    #[command(flatten)]
    terms: TermsOptions,
}

impl Options {
    /// Leaves what a report needs: to read the ledger, and to write where it is to go.
    fn confine(&self) -> Result<(), Failure> {
        let mut own = vec![self.state.dir()?];
        if let Some(out) = self.out.as_deref().filter(|out| *out != Path::new("-")) {
            if matches!(self.formats.as_slice(), [form] if form.is_file()) && !out.is_dir() {
                own.push(Destination::of(out).place());
            } else {
                // Whoever writes there says why it cannot be made.
                let _ = fs::create_dir_all(out);
                own.push(out.to_owned());
            }
        }
        confine_reader(&Places { own, ..Places::default() });
        Ok(())
    }
}

/// On which terms a report is made.
#[derive(Args)]
pub(super) struct TermsOptions {
    /// Networks of clients (/24 or /48) that have to stand behind a figure that leaves; 1 is for a lab,
    /// and marks the report
    #[arg(long, value_name = "N", default_value_t = K, value_parser = clap::value_parser!(u64).range(1..))]
    k: u64,
    /// Autonomous system to name as the observer's
    #[arg(long, value_name = "N")]
    probe_asn: Option<u32>,
    /// Country to name as the observer's (ISO 3166-1, two letters)
    #[arg(long, value_name = "CC", value_parser = country)]
    probe_cc: Option<String>,
}

impl TermsOptions {
    fn terms(&self) -> Terms {
        Terms {
            k: self.k,
            probe_asn: self.probe_asn,
            probe_cc: self.probe_cc.clone(),
            created: state::now(),
        }
    }
}

/// Form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// One page for people: verdicts, figures, evidence, limits; to read, print and send
    Html,
    /// Packets of findings, each with a comment, for Wireshark
    Pcapng,
    /// Everything, one JSON object a line
    Ndjson,
    /// OONI's measurement format, one measurement a line
    Ooni,
    /// Findings and cells as two Parquet files
    #[cfg(feature = "parquet")]
    Parquet,
    /// How TCP connections ended, as Cloudflare Radar has it
    Radar,
}

impl Form {
    /// All of them.
    const ALL: &[Self] = &[
        Self::Html,
        Self::Pcapng,
        Self::Ndjson,
        Self::Ooni,
        #[cfg(feature = "parquet")]
        Self::Parquet,
        Self::Radar,
    ];

    /// What it is called in a directory.
    const fn file(self) -> &'static str {
        match self {
            Self::Html => "report.html",
            Self::Pcapng => "evidence.pcapng",
            Self::Ndjson => "report.ndjson",
            Self::Ooni => "ooni.jsonl",
            #[cfg(feature = "parquet")]
            Self::Parquet => "findings.parquet",
            Self::Radar => "radar.json",
        }
    }

    /// Whether it is one stream of text.
    const fn is_text(self) -> bool {
        match self {
            Self::Html | Self::Ndjson | Self::Ooni | Self::Radar => true,
            Self::Pcapng => false,
            #[cfg(feature = "parquet")]
            Self::Parquet => false,
        }
    }

    /// Whether it is one file.
    const fn is_file(self) -> bool {
        matches!(self, Self::Pcapng) || self.is_text()
    }

    fn write(
        self,
        publication: &Publication<'_>,
        output: &mut impl io::Write,
    ) -> Result<(), ExportError> {
        match self {
            Self::Html => export::page::write(publication, output),
            Self::Pcapng => export::page::write_evidence(publication, output),
            Self::Ndjson => export::ndjson::write(publication, output),
            Self::Ooni => export::ooni::write(publication, output),
            #[cfg(feature = "parquet")]
            Self::Parquet => Ok(()),
            Self::Radar => export::radar::write(publication, output),
        }
    }

    /// Writes it into a directory.
    fn write_into(self, dir: &Path, publication: &Publication<'_>) -> Result<(), ExportError> {
        match self {
            #[cfg(feature = "parquet")]
            Self::Parquet => export::parquet::write(publication, dir),
            _ => {
                export::whole_file(&dir.join(self.file()), |output| self.write(publication, output))
            }
        }
    }
}

pub(super) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let reader = state::open(&options.state.dir()?)?;
    let now = state::now();
    let period = Period {
        from: options.from.map_or(0, |moment| moment.at(now)),
        to: options.to.map_or(i64::MAX.cast_unsigned(), |moment| moment.at(now)),
    };
    if period.from >= period.to {
        return Err(Failure::Usage("--from is not before --to: there is nothing between".into()));
    }
    let window = Window { period, run: options.run };
    if let Some(run) = options.run
        && reader.runs(&window)?.is_empty()
    {
        return Err(Failure::Usage(format!("--run {run}: the ledger has no such run")));
    }
    options.confine()?;
    let publication = Publication::new(&reader, window, options.terms.terms())?;
    match write(options, &publication) {
        // As `head` does after its lines: no failure.
        Ok(()) | Err(Failure::Export(ExportError::Closed { .. })) => Ok(ExitCode::SUCCESS),
        Err(failure) => Err(failure),
    }
}

fn write(options: &Options, publication: &Publication<'_>) -> Result<(), Failure> {
    let out = options.out.as_deref().filter(|out| *out != Path::new("-"));
    match (out, options.formats.as_slice()) {
        (None, [form]) if form.is_text() => {
            let mut output = BufWriter::new(io::stdout().lock());
            form.write(publication, &mut output)?;
            output.flush().map_err(|error| ExportError::of_io("the report", &error))?;
            Ok(())
        }
        (None, _) => Err(Failure::Usage(
            "--out DIR is needed for several forms, and for those that are no text".into(),
        )),
        (Some(path), [form]) if form.is_file() && !path.is_dir() => {
            Ok(export::whole_file(path, |output| form.write(publication, output))?)
        }
        (Some(dir), forms) => into(dir, forms, publication),
    }
}

fn into(dir: &Path, forms: &[Form], publication: &Publication<'_>) -> Result<(), Failure> {
    fs::create_dir_all(dir)
        .map_err(|error| ExportError::of_io(&dir.display().to_string(), &error))?;
    for form in forms {
        form.write_into(dir, publication)?;
    }
    Ok(())
}

/// Writes every form of the last run of the ledger in `state` into `dir`.
pub(super) fn of_replay(state: &Path, dir: &Path, terms: &TermsOptions) -> Result<(), Failure> {
    let reader = Reader::open(state)?;
    let run = reader.last_run()?;
    let publication = Publication::new(&reader, Window { run, ..Window::ALL }, terms.terms())?;
    into(dir, Form::ALL, &publication)
}

/// A moment on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Nanoseconds since 1970-01-01 UTC.
    At(u64),
    /// Nanoseconds before now.
    Ago(u64),
}

impl Moment {
    fn at(self, now: u64) -> u64 {
        match self {
            Self::At(time) => time,
            Self::Ago(time) => now.saturating_sub(time),
        }
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    const UNITS: [(char, i64); 5] =
        [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400), ('w', 604_800)];
    if text == "now" {
        return Ok(Moment::Ago(0));
    }
    for (unit, seconds) in UNITS {
        if let Some(number) = text.strip_suffix(unit).and_then(|number| number.parse::<u32>().ok())
        {
            let ago = SignedDuration::from_secs(i64::from(number) * seconds);
            return u64::try_from(ago.as_nanos())
                .map(Moment::Ago)
                .map_err(|_| "too long ago".into());
        }
    }
    let date = || {
        let date: civil::Date = text.parse().ok()?;
        Offset::UTC.to_timestamp(date.to_datetime(civil::Time::midnight())).ok()
    };
    let time: Timestamp = text.parse().ok().or_else(date).ok_or(
        "not a time as 2026-11-24T10:00:00Z, a date as 2026-11-24, or a time ago as 12h, 7d, 2w",
    )?;
    u64::try_from(time.as_nanosecond()).map(Moment::At).map_err(|_| "before 1970".into())
}

fn country(text: &str) -> Result<String, String> {
    if text.len() == 2 && text.bytes().all(|letter| letter.is_ascii_alphabetic()) {
        Ok(text.to_ascii_uppercase())
    } else {
        Err("not two letters".into())
    }
}

#[cfg(test)]
mod tests {
    use super::{Moment, moment};

    #[test]
    fn times_are_dates_moments_and_times_ago() {
        let at = 1_795_514_400_000_000_000;
        assert_eq!(moment("2026-11-24T10:00:00Z"), Ok(Moment::At(at)));
        assert_eq!(moment("2026-11-24T12:00:00+02:00"), Ok(Moment::At(at)));
        assert_eq!(moment("2026-11-24"), Ok(Moment::At(at - 36_000_000_000_000)));
        assert_eq!(moment("7d"), Ok(Moment::Ago(604_800_000_000_000)));
        assert_eq!(moment("90s"), Ok(Moment::Ago(90_000_000_000)));
        assert_eq!(moment("now"), Ok(Moment::Ago(0)));
        for bad in ["", "d", "yesterday", "7 d", "1969-12-31", "2026-13-01", "-7d"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
        assert_eq!(Moment::Ago(7).at(5), 0);
    }
}
