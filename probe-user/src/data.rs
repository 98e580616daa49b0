//! What lists of dated facts have in common: where a file is wrong, and from when to when a fact
//! holds.
//!
//! Knowledge about censors ages. So it is data, in TOML, each entry with its source and its dates,
//! and it is read strictly: an unknown field or a slip is refused with file, line and what is
//! allowed, since an entry that silently never matches looks exactly like a world without censors.

use std::{
    collections::HashSet,
    ops::Range,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::Date, tz::Offset};
use serde::de::DeserializeOwned;
use toml::Spanned;

/// Longest id of an entry, in bytes: it becomes part of findings and of metric labels.
pub const ID_MAX: usize = 48;

/// Why a file was not taken. Every message is one line.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file could not be read.
    #[error("{what} file {}: {source}; give a file as {docs} describes", path.display())]
    Read {
        /// What kind of file.
        what: &'static str,
        /// Where the form is described.
        docs: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file's content is not as it has to be.
    #[error("{what} file {}, line {line}, column {column}: {reason}", path.display())]
    Invalid {
        /// What kind of file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong and what is allowed.
        reason: String,
    },
}

/// What is wrong, and where in the text.
pub(crate) type Fault = (Range<usize>, String);

/// A kind of file: what its errors call it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// `fingerprint`, as in "fingerprint file x.toml".
    pub what: &'static str,
    /// The page that describes it.
    pub docs: &'static str,
}

impl Form {
    /// Reads a file from disk.
    pub(crate) fn read(self, path: &Path) -> Result<String, DataError> {
        std::fs::read_to_string(path).map_err(|source| DataError::Read {
            what: self.what,
            docs: self.docs,
            path: path.to_owned(),
            source,
        })
    }

    /// Parses `text` and has `check` look at the result; what either finds wrong gets its place.
    pub(crate) fn parse<T: DeserializeOwned, R>(
        self,
        path: &Path,
        text: &str,
        check: impl FnOnce(T) -> Result<R, Fault>,
    ) -> Result<R, DataError> {
        toml::from_str::<T>(text)
            .map_err(|error| fault_of(&error))
            .and_then(check)
            .map_err(|fault| self.invalid(path, text, fault))
    }

    /// A fault in `text`, with its place.
    pub(crate) fn invalid(self, path: &Path, text: &str, (span, reason): Fault) -> DataError {
        let (line, column) = place(text, span.start);
        DataError::Invalid { what: self.what, path: path.to_owned(), line, column, reason }
    }
}

/// What TOML's parser objects to.
pub(crate) fn fault_of(error: &toml::de::Error) -> Fault {
    (error.span().unwrap_or(0..0), error.message().trim().replace('\n', "; "))
}

/// Line and column, both from 1, of the octet `at`.
pub(crate) fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    (line, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
}

/// An id: lowercase letters, digits and hyphens.
pub(crate) fn check_id(id: &Spanned<String>) -> Result<String, Fault> {
    let text = id.as_ref();
    let valid = !text.is_empty()
        && text.len() <= ID_MAX
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if valid {
        Ok(text.clone())
    } else {
        Err((id.span(), format!("id {text:?}: allowed are 1 to {ID_MAX} of a-z, 0-9 and hyphen")))
    }
}

/// The same, of an entry that comes after those whose ids are in `taken`.
pub(crate) fn check_new_id(
    id: &Spanned<String>,
    taken: &mut HashSet<String>,
) -> Result<String, Fault> {
    let text = check_id(id)?;
    if taken.insert(text.clone()) {
        return Ok(text);
    }
    Err((id.span(), format!("there is an entry {text:?} already; an id is given once")))
}

/// Text that must say something.
pub(crate) fn check_text(name: &str, text: Spanned<String>) -> Result<String, Fault> {
    if text.as_ref().trim().is_empty() {
        return Err((text.span(), format!("{name} is empty; allowed is text that says something")));
    }
    Ok(text.into_inner())
}

/// A country by its ISO 3166-1 code of two letters.
pub(crate) fn check_country(code: Spanned<String>) -> Result<String, Fault> {
    if code.as_ref().len() == 2 && code.as_ref().bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Ok(code.into_inner());
    }
    let reason = format!("country {:?}: allowed is an ISO 3166-1 code as in RU", code.as_ref());
    Err((code.span(), reason))
}

/// A day.
pub(crate) fn check_date(text: &Spanned<String>) -> Result<Date, Fault> {
    text.as_ref().parse().map_err(|_| {
        let reason = format!("date {:?}: allowed is a day as in 2026-06-17", text.as_ref());
        (text.span(), reason)
    })
}

/// What every entry about a censor says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Short name for reports.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// Where it stood, by ISO 3166-1 code; None for what stands anywhere.
    pub country: Option<String>,
    /// Who described it, where.
    pub source: String,
    /// When it was seen to be so.
    pub valid: Period,
    /// What else looks the same; a match then says little.
    pub ambiguous: Option<String>,
}

/// The same as it stands in a file. An entry has these fields beside its own: refusing unknown fields
/// does not go together with fields that are taken in from elsewhere.
pub(crate) struct RawFact {
    pub id: Spanned<String>,
    pub title: Spanned<String>,
    pub country: Option<Spanned<String>>,
    pub source: Spanned<String>,
    pub valid: [Option<Spanned<String>>; 2],
    pub ambiguous: Option<Spanned<String>>,
}

impl Fact {
    /// Reads an entry that comes after those whose ids are in `taken`.
    pub(crate) fn check(raw: RawFact, taken: &mut HashSet<String>) -> Result<Self, Fault> {
        let [from, to] = &raw.valid;
        Ok(Self {
            id: check_new_id(&raw.id, taken)?,
            valid: Period::check(from.as_ref(), to.as_ref())?,
            title: check_text("title", raw.title)?,
            country: raw.country.map(check_country).transpose()?,
            source: check_text("source", raw.source)?,
            ambiguous: raw.ambiguous.map(|text| check_text("ambiguous", text)).transpose()?,
        })
    }
}

/// From when to when something is known to have been so; an open end is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Period {
    /// First day.
    pub from: Option<Date>,
    /// Last day.
    pub to: Option<Date>,
}

impl Period {
    /// Reads both ends. A year or a month alone means its first day at the beginning, and its last
    /// day at the end.
    pub(crate) fn check(
        from: Option<&Spanned<String>>,
        to: Option<&Spanned<String>>,
    ) -> Result<Self, Fault> {
        let read = |text: Option<&Spanned<String>>, last: bool| {
            let Some(text) = text else { return Ok(None) };
            day(text.as_ref(), last).map(Some).ok_or_else(|| {
                let reason = format!(
                    "date {:?}: allowed is a day, month or year as in 2026-06-17, 2026-06, 2026",
                    text.as_ref()
                );
                (text.span(), reason)
            })
        };
        let period = Self { from: read(from, false)?, to: read(to, true)? };
        match (period.from, period.to, to) {
            (Some(first), Some(last), Some(text)) if last < first => {
                Err((text.span(), "valid_to is before valid_from; allowed is a later date".into()))
            }
            _ => Ok(period),
        }
    }

    /// Whether `nanoseconds` since 1970-01-01 UTC lie within.
    #[must_use]
    pub fn holds_at(&self, nanoseconds: u64) -> bool {
        // Every 64-bit number of nanoseconds is in range; the epoch stands for what cannot happen.
        let time =
            Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or(Timestamp::UNIX_EPOCH);
        let day = Offset::UTC.to_datetime(time).date();
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from == to => write!(out, "on {from}"),
            (Some(from), Some(to)) => write!(out, "from {from} to {to}"),
            (Some(from), None) => write!(out, "since {from}"),
            (None, Some(to)) => write!(out, "until {to}"),
            (None, None) => out.write_str("without dates"),
        }
    }
}

fn day(text: &str, last: bool) -> Option<Date> {
    let digits = |text: &str| -> Option<i16> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
    };
    let start = |year: &str, month: i8| Date::new(digits(year)?, month, 1).ok();
    match (text.len(), text.split('-').collect::<Vec<_>>().as_slice()) {
        (4, [year]) => {
            let date = start(year, if last { 12 } else { 1 })?;
            Some(if last { date.last_of_month() } else { date })
        }
        (7, [year, month]) => {
            let date = start(year, i8::try_from(digits(month)?).ok()?)?;
            Some(if last { date.last_of_month() } else { date })
        }
        (10, [_, _, _]) => text.parse().ok(),
        _ => None,
    }
}

/// The middle of a day, in nanoseconds since 1970-01-01 UTC.
#[cfg(test)]
pub(crate) fn noon(date: Date) -> u64 {
    let time = Offset::UTC.to_timestamp(date.at(12, 0, 0, 0)).unwrap();
    u64::try_from(time.as_nanosecond()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_may_be_as_coarse_as_the_source() {
        assert_eq!(day("2024", false), "2024-01-01".parse().ok());
        assert_eq!(day("2024", true), "2024-12-31".parse().ok());
        assert_eq!(day("2024-02", true), "2024-02-29".parse().ok());
        assert_eq!(day("2024-02-03", true), "2024-02-03".parse().ok());
        for wrong in ["", "24", "2024-13", "2024-2", "2024-02-30", "+024", "yesterday"] {
            assert_eq!(day(wrong, false), None, "{wrong}");
        }
    }

    #[test]
    fn a_period_includes_both_ends() {
        let period = Period { from: day("2024-02", false), to: day("2024-02", true) };
        let holds = |text: &str| period.holds_at(noon(text.parse().unwrap()));
        assert!(holds("2024-02-01") && holds("2024-02-29"));
        assert!(!holds("2024-01-31") && !holds("2024-03-01"));
        assert!(Period::default().holds_at(0));
        assert_eq!(period.to_string(), "from 2024-02-01 to 2024-02-29");
    }
}
