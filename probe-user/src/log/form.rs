//! A message as a line.

use std::{
    fmt::{self, Write as _},
    io,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
};

use serde_json::{Map, Value};
use tracing::{
    Event, Level,
    field::{Field, Visit},
};

use super::limit::SPAN;
use crate::report::rfc3339;

/// Variable in which systemd says which file the journal reads.
const JOURNAL: &str = "JOURNAL_STREAM";

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Human = 0,
    /// One JSON object.
    Json = 1,
    /// For the journal, which has a time and a place of its own: the priority, then the words.
    Journal = 2,
    /// The journal's if the journal reads, else for people.
    Auto = 3,
}

impl Form {
    /// Those that a configuration can name.
    pub(crate) const NAMES: [(&str, Self); 4] = [
        ("auto", Self::Auto),
        ("human", Self::Human),
        ("json", Self::Json),
        ("journal", Self::Journal),
    ];

    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, form)| form)
    }

    pub(super) const fn of(number: u8) -> Self {
        match number {
            1 => Self::Json,
            2 => Self::Journal,
            _ => Self::Human,
        }
    }

    /// The form itself, or the one that fits what standard error is.
    pub(super) fn or_guess(self) -> Self {
        if self != Self::Auto {
            return self;
        }
        let reads = std::env::var(JOURNAL).is_ok_and(|stream| is_stderr(&stream));
        if reads { Self::Journal } else { Self::Human }
    }

    /// A message with its end of line; so many of its kind were left out before it.
    pub(super) fn line(self, event: &Event<'_>, left_out: u64) -> String {
        let mut said = Said::default();
        event.record(&mut said);
        if left_out > 0 {
            let seconds = SPAN.as_secs();
            let more = format!(
                " ({left_out} more like this were not written: there were too many within {seconds} s)"
            );
            said.message.push_str(&more);
        }
        let level = *event.metadata().level();
        match self {
            Self::Json => said.json(level, event.metadata().target(), left_out),
            Self::Journal => format!("<{}>{}\n", priority(level), said.words()),
            Self::Human | Self::Auto => format!("forgewatch: {}{}\n", prefix(level), said.words()),
        }
    }
}

/// Whether `stream`, a device and an inode, is standard error.
fn is_stderr(stream: &str) -> bool {
    let Ok(stderr) = io::stderr().as_fd().try_clone_to_owned() else { return false };
    std::fs::File::from(stderr)
        .metadata()
        .is_ok_and(|is| stream == format!("{}:{}", is.dev(), is.ino()))
}

/// As syslog has it.
const fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

const fn prefix(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error: ",
        Level::WARN => "warning: ",
        Level::INFO => "",
        _ => "debug: ",
    }
}

/// On one line, and without anything that a terminal would act on.
pub(crate) fn plain(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            let _ = write!(words, "{}", letter.escape_default());
        } else {
            words.push(letter);
        }
    }
    words
}

/// Message and fields.
#[derive(Default)]
struct Said {
    message: String,
    fields: Map<String, Value>,
}

impl Said {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => drop(self.fields.insert(name.to_owned(), value)),
        }
    }

    /// On one line, whatever is in it: what is said of a packet may have come from it.
    fn words(&self) -> String {
        let mut words = plain(&self.message);
        for (name, value) in &self.fields {
            let _ = write!(words, " {name}={value}");
        }
        words
    }

    fn json(self, level: Level, target: &str, left_out: u64) -> String {
        let now = crate::cli::state::now();
        let mut object = Map::new();
        object.insert("time".into(), rfc3339(now).into());
        object.insert("level".into(), level.as_str().to_ascii_lowercase().into());
        object.insert("message".into(), self.message.into());
        object.insert("target".into(), target.into());
        if left_out > 0 {
            object.insert("suppressed".into(), left_out.into());
        }
        object.extend(self.fields);
        format!("{}\n", Value::Object(object))
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}
