//! The target file: TOML, strict, with errors that say where and what is allowed.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::{Operator, Role, Service};
use crate::data::{Fault, fault_of, place};

/// Shortest IPv4 prefix taken. A shorter one is a slip, and would give the traffic of half of the
/// world to one service.
pub const SHORTEST_V4: u8 = 8;
/// Shortest IPv6 prefix taken.
pub const SHORTEST_V6: u8 = 16;
/// Longest service id, in bytes: it becomes part of every finding and of metric labels.
pub const ID_MAX: usize = 32;

/// Why a target file was not taken. Every message is one line.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The file could not be read.
    #[error("target file {}: {source}; give a file as docs/targets.md describes", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file's content is not as it has to be.
    #[error("target file {}, line {line}, column {column}: {reason}", path.display())]
    Invalid {
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

/// What the files read so far have given to which service, so that nothing belongs to two.
#[derive(Debug, Default)]
pub(super) struct Seen {
    ids: HashSet<String>,
    suffixes: HashMap<String, String>,
    prefixes: HashMap<IpNet, String>,
    operators: HashSet<String>,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Services, in the order of the file.
    pub services: Vec<Service>,
    /// Operators, likewise.
    pub operators: Vec<Operator>,
}

impl Seen {
    /// What files may refer to without giving it.
    pub(super) fn of(operators: &[Operator]) -> Self {
        let operators = operators.iter().map(|operator| operator.id.clone()).collect();
        Self { operators, ..Self::default() }
    }

    /// A built-in service without what the files have taken; None when nothing is left.
    pub(super) fn without_taken(&self, mut service: Service) -> Option<Service> {
        service.suffixes.retain(|suffix| !self.suffixes.contains_key(suffix));
        service.prefixes.retain(|prefix| !self.prefixes.contains_key(prefix));
        let left = !(service.suffixes.is_empty() && service.prefixes.is_empty());
        (left && !self.ids.contains(&service.id)).then_some(service)
    }
}

/// Reads a file from disk.
pub(super) fn read(path: &Path, seen: &mut Seen) -> Result<Parsed, TargetError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| TargetError::Read { path: path.to_owned(), source })?;
    parse_after(path, &text, seen)
}

/// Reads the text of one file; `path` is for messages only.
///
/// # Errors
/// [`TargetError::Invalid`] at the first thing that is not as `docs/targets.md` says.
pub fn parse(path: &Path, text: &str) -> Result<Parsed, TargetError> {
    parse_after(path, text, &mut Seen::default())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    service: Vec<Spanned<RawService>>,
    #[serde(default)]
    operator: Vec<RawOperator>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawService {
    id: Spanned<String>,
    title: String,
    role: Role,
    #[serde(default)]
    asns: Vec<u32>,
    #[serde(default)]
    names: Vec<RawNames>,
    #[serde(default)]
    networks: Vec<RawNetworks>,
    #[serde(default)]
    fronts: Vec<RawFronts>,
    #[serde(default)]
    filtered: Vec<RawFiltered>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOperator {
    id: Spanned<String>,
    title: String,
    #[serde(default)]
    asns: Vec<u32>,
    source: Spanned<String>,
    date: Spanned<String>,
    prefixes: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFronts {
    source: Spanned<String>,
    date: Spanned<String>,
    #[serde(default)]
    operators: Vec<Spanned<String>>,
    #[serde(default)]
    prefixes: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFiltered {
    source: Spanned<String>,
    date: Spanned<String>,
    suffixes: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNames {
    source: Spanned<String>,
    date: Spanned<String>,
    suffixes: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNetworks {
    source: Spanned<String>,
    date: Spanned<String>,
    asn: Option<u32>,
    prefixes: Vec<Spanned<String>>,
}

pub(super) fn parse_after(path: &Path, text: &str, seen: &mut Seen) -> Result<Parsed, TargetError> {
    let parsed = toml::from_str::<File>(text)
        .map_err(|error| fault_of(&error))
        .and_then(|file| check_file(file, seen));
    parsed.map_err(|(span, reason)| {
        let (line, column) = place(text, span.start);
        TargetError::Invalid { path: path.to_owned(), line, column, reason }
    })
}

fn check_file(file: File, seen: &mut Seen) -> Result<Parsed, Fault> {
    if file.service.is_empty() && file.operator.is_empty() {
        return Err((0..0, "missing field `service`".into()));
    }
    // First, since services refer to them.
    let operators = file.operator.into_iter().map(|operator| check_operator(operator, seen));
    let operators = operators.collect::<Result<_, _>>()?;
    let services = file.service.into_iter().map(|service| check(service, seen));
    Ok(Parsed { services: services.collect::<Result<_, _>>()?, operators })
}

fn check_operator(raw: RawOperator, seen: &mut Seen) -> Result<Operator, Fault> {
    let id = check_id(&raw.id).map_err(|reason| (raw.id.span(), reason))?;
    if !seen.operators.insert(id.clone()) {
        let reason = format!("there is an operator {id:?} already; an id is given once");
        return Err((raw.id.span(), reason));
    }
    check_origin(&raw.source, &raw.date)?;
    let prefixes = check_prefixes(&raw.prefixes)?;
    Ok(Operator { id, title: raw.title, asns: raw.asns, prefixes })
}

fn check(service: Spanned<RawService>, seen: &mut Seen) -> Result<Service, Fault> {
    let span = service.span();
    let raw = service.into_inner();
    let id = check_id(&raw.id).map_err(|reason| (raw.id.span(), reason))?;
    if !seen.ids.insert(id.clone()) {
        return Err((
            raw.id.span(),
            format!("there is a service {id:?} already; an id is given once"),
        ));
    }
    let (mut suffixes, mut prefixes, mut asns) = (Vec::new(), Vec::new(), raw.asns);
    for names in &raw.names {
        check_origin(&names.source, &names.date)?;
        for suffix in &names.suffixes {
            let name = check_suffix(suffix.as_ref())
                .and_then(|name| once(&mut seen.suffixes, name, &id))
                .map_err(|reason| (suffix.span(), reason))?;
            suffixes.push(name);
        }
    }
    for networks in &raw.networks {
        check_origin(&networks.source, &networks.date)?;
        asns.extend(networks.asn);
        for prefix in &networks.prefixes {
            let network = check_prefix(prefix.as_ref())
                .and_then(|network| once(&mut seen.prefixes, network, &id))
                .map_err(|reason| (prefix.span(), reason))?;
            prefixes.push(network);
        }
    }
    if suffixes.is_empty() && prefixes.is_empty() {
        let reason =
            format!("service {id:?} has neither a suffix nor a prefix, so nothing matches it");
        return Err((span.start..span.start, reason));
    }
    suffixes.sort();
    suffixes.dedup();
    prefixes.sort();
    prefixes.dedup();
    asns.sort_unstable();
    asns.dedup();
    let (mut operators, mut fronts, mut filtered) = (Vec::new(), Vec::new(), Vec::new());
    for front in &raw.fronts {
        check_origin(&front.source, &front.date)?;
        fronts.extend(check_prefixes(&front.prefixes)?);
        for operator in &front.operators {
            operators.push(check_reference(operator, seen)?);
        }
    }
    for names in &raw.filtered {
        check_origin(&names.source, &names.date)?;
        for suffix in &names.suffixes {
            filtered.push(check_suffix(suffix.as_ref()).map_err(|why| (suffix.span(), why))?);
        }
    }
    let (title, role) = (raw.title, raw.role);
    let former = Vec::new();
    Ok(Service { id, title, role, suffixes, former, prefixes, asns, operators, fronts, filtered })
}

fn check_prefixes(texts: &[Spanned<String>]) -> Result<Vec<IpNet>, Fault> {
    let prefix = |text: &Spanned<String>| {
        check_prefix(text.as_ref()).map_err(|reason| (text.span(), reason))
    };
    texts.iter().map(prefix).collect()
}

fn check_reference(operator: &Spanned<String>, seen: &Seen) -> Result<String, Fault> {
    let id = operator.as_ref();
    if seen.operators.contains(id) {
        return Ok(id.clone());
    }
    let mut known: Vec<&str> = seen.operators.iter().map(String::as_str).collect();
    known.sort_unstable();
    let reason = format!("no operator {id:?}: allowed are {}", known.join(", "));
    Err((operator.span(), reason))
}

/// Notes who has something; an error when somebody else had it before.
fn once<T>(taken: &mut HashMap<T, String>, thing: T, id: &str) -> Result<T, String>
where
    T: Hash + Eq + Clone + std::fmt::Display,
{
    let owner = taken.entry(thing.clone()).or_insert_with(|| id.to_owned());
    if owner == id {
        Ok(thing)
    } else {
        Err(format!("{thing} belongs to service {owner:?} already"))
    }
}

fn check_id(id: &Spanned<String>) -> Result<String, String> {
    let text = id.as_ref();
    let valid = !text.is_empty()
        && text.len() <= ID_MAX
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if valid {
        Ok(text.clone())
    } else {
        Err(format!("id {text:?}: allowed are 1 to {ID_MAX} of a-z, 0-9 and hyphen"))
    }
}

/// A list nobody can trace or date is not evidence.
fn check_origin(source: &Spanned<String>, date: &Spanned<String>) -> Result<(), Fault> {
    if source.as_ref().trim().is_empty() {
        return Err((source.span(), "source is empty; say where the list comes from".into()));
    }
    date.as_ref().parse::<jiff::civil::Date>().map(drop).map_err(|_| {
        (date.span(), format!("date {:?}: allowed is a day as in 2026-06-17", date.as_ref()))
    })
}

fn check_suffix(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label_valid = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if name.len() <= 253 && name.contains('.') && name.split('.').all(label_valid) {
        Ok(name)
    } else {
        Err(format!(
            "suffix {text:?}: allowed is a host name of two or more labels as in linkedin.com, \
             without * or leading dot (all names under it are included)"
        ))
    }
}

fn check_prefix(text: &str) -> Result<IpNet, String> {
    let network: IpNet = text.parse().map_err(|_| {
        format!("prefix {text:?}: allowed is a network as in 108.174.0.0/23 or 2620:109:c00a::/48")
    })?;
    if network.trunc() != network {
        return Err(format!(
            "prefix {text:?} has bits beyond its length; meant is {}",
            network.trunc()
        ));
    }
    let shortest = if network.addr().is_ipv4() { SHORTEST_V4 } else { SHORTEST_V6 };
    if network.prefix_len() < shortest {
        return Err(format!(
            "prefix {text:?} is too wide for one service; allowed is /{shortest} or longer"
        ));
    }
    Ok(network)
}
