//! Reads values of a configuration file. Each reader says what is allowed where a value is not.

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf};

use clap::ValueEnum as _;
use toml::{Spanned, Value, de::DeValue};

use crate::{
    data::Fault,
    log::Form,
    privilege::{Sandbox, UserChoice},
};

/// A value, and where it stands.
pub(super) type Found<'a> = Spanned<DeValue<'a>>;

fn fault<T>(found: &Found<'_>, allowed: &str) -> Result<T, Fault> {
    let value = match found.get_ref() {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        other => format!("this {}", other.type_str()),
    };
    Err((found.span(), format!("{value} is not allowed here; allowed is {allowed}")))
}

/// `true` or `false`.
pub(super) fn flag(found: &Found<'_>) -> Result<bool, Fault> {
    found.get_ref().as_bool().map_or_else(|| fault(found, "true or false"), Ok)
}

fn integer(found: &Found<'_>) -> Option<u64> {
    let number = found.get_ref().as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A whole number of a range.
pub(super) fn number<T>(found: &Found<'_>, range: RangeInclusive<T>) -> Result<T, Fault>
where
    T: Copy + PartialOrd + TryFrom<u64> + std::fmt::Display,
{
    let number = integer(found).and_then(|number| T::try_from(number).ok());
    number.filter(|number| range.contains(number)).map_or_else(
        || fault(found, &format!("a whole number from {} to {}", range.start(), range.end())),
        Ok,
    )
}

/// A power of two of a range.
pub(super) fn power(found: &Found<'_>, range: RangeInclusive<u32>) -> Result<u32, Fault> {
    let number = integer(found).and_then(|number| u32::try_from(number).ok());
    number.filter(|number| number.is_power_of_two() && range.contains(number)).map_or_else(
        || fault(found, &format!("a power of two from {} to {}", range.start(), range.end())),
        Ok,
    )
}

/// A list of at most `most`.
fn list<T>(
    found: &Found<'_>,
    most: usize,
    allowed: &str,
    read: impl Fn(&Found<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    match found.get_ref() {
        DeValue::Array(items) if items.len() <= most => items.iter().map(read).collect(),
        _ => fault(found, allowed),
    }
}

fn text<'a>(found: &'a Found<'_>, allowed: &str) -> Result<&'a str, Fault> {
    let text = found.get_ref().as_str().filter(|text| !text.is_empty());
    text.map_or_else(|| fault(found, allowed), Ok)
}

/// Names of interfaces.
pub(super) fn interfaces(found: &Found<'_>) -> Result<Vec<String>, Fault> {
    const MOST: usize = probe_common::config::INTERFACES;
    let allowed = format!("a list of up to {MOST} names of interfaces as in [\"eth0\"]");
    let name = "the name of an interface as in \"eth0\"";
    let names = list(found, MOST, &allowed, |item| text(item, name).map(str::to_owned))?;
    match named_twice(&names) {
        None => Ok(names),
        Some(name) => Err((found.span(), twice(name))),
    }
}

/// The first name that is there before: its packets would be judged twice.
pub(super) fn named_twice(names: &[String]) -> Option<&str> {
    let before = |(place, name): &(usize, &String)| names[..*place].contains(*name);
    names.iter().enumerate().find(before).map(|(_, name)| name.as_str())
}

/// What is said of it.
pub(super) fn twice(name: &str) -> String {
    format!("the interface `{name}` is named twice; name each one once")
}

/// Ports.
pub(super) fn ports(found: &Found<'_>) -> Result<Vec<u16>, Fault> {
    const MOST: usize = probe_common::config::DNS_PORTS;
    let allowed = format!("a list of up to {MOST} ports as in [53]");
    list(found, MOST, &allowed, |item| number(item, 1..=u16::MAX))
}

/// Paths of files.
pub(super) fn paths(found: &Found<'_>) -> Result<Vec<PathBuf>, Fault> {
    let allowed = "a list of files as in [\"/etc/forgewatch/mine.toml\"]";
    let name = "the path of a file";
    list(found, usize::MAX, allowed, |item| text(item, name).map(PathBuf::from))
}

/// A path, or none where it is empty.
pub(super) fn path(found: &Found<'_>) -> Result<Option<PathBuf>, Fault> {
    match found.get_ref().as_str() {
        Some("") => Ok(None),
        Some(text) => Ok(Some(text.into())),
        None => {
            fault(found, "a path as in \"/var/lib/forgewatch\", or \"\" for what holds without it")
        }
    }
}

/// One of a few words.
pub(super) fn word(found: &Found<'_>, words: &[&str]) -> Result<String, Fault> {
    let word = found.get_ref().as_str().filter(|word| words.contains(word));
    let allowed = || words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    word.map_or_else(|| fault(found, &allowed()), |word| Ok(word.to_owned()))
}

/// The form of a log.
pub(super) fn form(found: &Found<'_>) -> Result<Form, Fault> {
    let word = word(found, &Form::NAMES.map(|(name, _)| name))?;
    Ok(Form::named(&word).unwrap_or(Form::Auto))
}

/// An address with a port, or none where it is empty.
pub(super) fn address(found: &Found<'_>) -> Result<Option<SocketAddr>, Fault> {
    let allowed =
        "an address with a port as in \"127.0.0.1:9617\" or \"[::1]:9617\", or \"\" for none";
    match found.get_ref().as_str() {
        Some("") => Ok(None),
        text => text
            .and_then(|text| text.parse().ok())
            .map_or_else(|| fault(found, allowed), |at| Ok(Some(at))),
    }
}

/// A user, or the usual one where it is empty.
pub(super) fn user(found: &Found<'_>) -> Result<UserChoice, Fault> {
    found.get_ref().as_str().map_or_else(
        || fault(found, "a user by name or number as in \"forgewatch\", or \"\" for the usual one"),
        |text| Ok(UserChoice::of(text)),
    )
}

/// How strictly the agent is confined.
pub(super) fn sandbox(found: &Found<'_>) -> Result<Sandbox, Fault> {
    let named = found.get_ref().as_str().and_then(|text| Sandbox::from_str(text, false).ok());
    named.map_or_else(|| fault(found, "\"auto\", \"required\" or \"off\""), Ok)
}

/// How a value is written in a file.
pub(super) trait Shown {
    fn shown(&self) -> Value;
}

impl Shown for bool {
    fn shown(&self) -> Value {
        Value::Boolean(*self)
    }
}

macro_rules! shown_as_integer {
    ($($kind:ty),+) => {
        $(impl Shown for $kind {
            fn shown(&self) -> Value {
                // Every bound of these keys is far below.
                Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        })+
    };
}

shown_as_integer!(u16, u32, u64);

impl Shown for String {
    fn shown(&self) -> Value {
        Value::String(self.clone())
    }
}

impl Shown for Form {
    fn shown(&self) -> Value {
        let known = Self::NAMES.into_iter().find(|(_, form)| form == self);
        Value::String(known.map_or("auto", |(name, _)| name).to_owned())
    }
}

impl Shown for SocketAddr {
    fn shown(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl Shown for UserChoice {
    fn shown(&self) -> Value {
        Value::String(match self {
            Self::Usual => String::new(),
            Self::Named(name) => name.clone(),
        })
    }
}

impl Shown for Sandbox {
    fn shown(&self) -> Value {
        let name = self.to_possible_value().map(|value| value.get_name().to_owned());
        Value::String(name.unwrap_or_default())
    }
}

impl Shown for PathBuf {
    fn shown(&self) -> Value {
        Value::String(self.display().to_string())
    }
}

impl<T: Shown> Shown for Vec<T> {
    fn shown(&self) -> Value {
        Value::Array(self.iter().map(Shown::shown).collect())
    }
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> Value {
        self.as_ref().map_or_else(|| Value::String(String::new()), Shown::shown)
    }
}
