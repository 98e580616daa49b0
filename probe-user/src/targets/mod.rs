//! Which service a name or an address belongs to: the watched ones, and the controls beside them.
//!
//! The lists are data with a source and a date ([`mod@file`]), not code: LinkedIn is the default, any
//! other service is a file. Names decide first, since a front serves many services from one address.

pub mod file;
mod names;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use foldhash::fast::FixedState;
use ipnet::IpNet;
use sha2::{Digest as _, Sha256};

pub use file::TargetError;

use crate::networks::Networks;

const LINKEDIN: &str = include_str!("../../../targets/linkedin.toml");
const CONTROLS: &str = include_str!("../../../targets/controls.toml");
const OPERATORS: &str = include_str!("../../../targets/operators.toml");

/// Why a service is in the set.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Its blocking is what is looked for.
    Target,
    /// It has to be healthy for a target to be called blocked.
    Control,
}

/// A service: what to call it, and how to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Short name for reports: lowercase letters, digits and hyphens.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// Target or control.
    pub role: Role,
    /// Names it goes by; each stands for itself and all names under it. Sorted; or see
    /// [`after`](TargetSet::after).
    pub suffixes: Vec<String>,
    /// Those of them by which it goes no more, and which have their place only.
    pub former: Vec<String>,
    /// Networks that serve it and nothing else. Sorted.
    pub prefixes: Vec<IpNet>,
    /// Autonomous systems of its operator. Sorted.
    pub asns: Vec<u32>,
    /// Ids of operators whose networks serve it, and others.
    pub operators: Vec<String>,
    /// Further networks that serve it, and others.
    pub fronts: Vec<IpNet>,
    /// Names of it that people have filtered for themselves, as lists of advertisements and trackers
    /// have them; each stands for itself and all names under it.
    pub filtered: Vec<String>,
}

/// An operator of fronts, from whose addresses services of others are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Short name, by which services refer to it.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// Its autonomous systems.
    pub asns: Vec<u32>,
    /// Its networks.
    pub prefixes: Vec<IpNet>,
}

impl Service {
    /// Whether many ask for this name of it: one of its suffixes, alone or after `www.`. Any other name
    /// may be one person's.
    #[must_use]
    pub fn is_common(&self, name: &str) -> bool {
        let name = name.strip_prefix("www.").unwrap_or(name);
        self.suffixes.iter().any(|suffix| suffix == name && !self.former.contains(suffix))
    }

    /// The service is a control.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.role == Role::Control
    }

    /// Whether people have this name of the service filtered for themselves.
    #[must_use]
    pub fn is_filtered(&self, name: &str) -> bool {
        self.filtered.iter().any(|suffix| {
            name.strip_suffix(suffix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }

    /// This service with the suffixes of `before` in their places, and those that are new behind them.
    fn after(mut self, before: &Self) -> Self {
        let now = std::mem::take(&mut self.suffixes);
        let goes_by = |suffix: &&String| now.contains(suffix);
        self.former = before.suffixes.iter().filter(|old| !goes_by(old)).cloned().collect();
        self.suffixes.clone_from(&before.suffixes);
        self.suffixes.extend(now.iter().filter(|new| !before.suffixes.contains(new)).cloned());
        self
    }

    /// Whether anything is known of where the service is served from.
    #[must_use]
    pub fn has_home(&self) -> bool {
        !(self.prefixes.is_empty() && self.fronts.is_empty() && self.operators.is_empty())
    }
}

/// Places of services, and of their suffixes. Names of the network are looked up here and never put in: nobody can choose
/// them so that they collide, and a hash without a key will do.
type Index<K> = HashMap<K, (usize, usize), FixedState>;

/// The service that a name belongs to, and where both are found.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The service.
    pub service: &'a Service,
    /// Its place among all [services](TargetSet::services).
    pub place: usize,
    /// The place of the longest of its suffixes that the name falls under.
    pub suffix: usize,
}

/// All services that a run knows, with the indexes to find them by.
#[derive(Debug, Clone)]
pub struct TargetSet {
    services: Vec<Service>,
    operators: Vec<Operator>,
    by_operator: Networks,
    by_suffix: Index<Box<str>>,
    /// Lengths of suffixes below 64, a bit each.
    suffix_lengths: u64,
    by_prefix: Networks,
    hash: String,
}

impl TargetSet {
    /// LinkedIn and the built-in controls.
    ///
    /// # Panics
    /// Never: the embedded files are part of the program, and a test loads them.
    #[must_use]
    pub fn builtin() -> Self {
        let operators = Self::builtin_operators();
        let mut seen = file::Seen::of(&operators);
        let services = [("targets/linkedin.toml", LINKEDIN), ("targets/controls.toml", CONTROLS)]
            .into_iter()
            .flat_map(|(name, text)| {
                let parsed = file::parse_after(Path::new(name), text, &mut seen);
                parsed.expect("the embedded file is valid").services
            });
        Self::index(services.collect(), operators)
    }

    fn builtin_operators() -> Vec<Operator> {
        let parsed = file::parse(Path::new("targets/operators.toml"), OPERATORS);
        parsed.expect("the embedded file is valid").operators
    }

    /// Reads target files. They replace the built-in targets; the built-in controls stay, unless a
    /// file brings controls of its own. Without any file this is [`builtin`](Self::builtin).
    ///
    /// # Errors
    /// When a file cannot be read or is not as `docs/targets.md` says; or when two files give the
    /// same id, name or network to different services. The message is one line, with the place.
    pub fn load(files: &[PathBuf]) -> Result<Self, TargetError> {
        if files.is_empty() {
            return Ok(Self::builtin());
        }
        let mut operators = Self::builtin_operators();
        let mut seen = file::Seen::of(&operators);
        let mut services = Vec::new();
        for path in files {
            let parsed = file::read(path, &mut seen)?;
            services.extend(parsed.services);
            operators.extend(parsed.operators);
        }
        if !services.iter().any(Service::is_control) {
            for control in Self::builtin().services.into_iter().filter(Service::is_control) {
                // A control that a file has made a target is no control any more.
                if let Some(left) = seen.without_taken(control) {
                    services.push(left);
                }
            }
        }
        Ok(Self::index(services, operators))
    }

    /// All services, targets and controls, by id; or see [`after`](Self::after).
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The service that a normalised name belongs to: the longest suffix on a label boundary wins.
    #[must_use]
    pub fn service_of_name(&self, name: &str) -> Option<&Service> {
        self.owner_of_name(name).map(|owner| owner.service)
    }

    /// The same, with its place.
    #[must_use]
    pub fn owner_of_name(&self, name: &str) -> Option<Owner<'_>> {
        let mut rest = name.strip_suffix('.').unwrap_or(name);
        let lowered;
        if rest.bytes().any(|byte| byte.is_ascii_uppercase()) {
            lowered = rest.to_ascii_lowercase();
            rest = &lowered;
        }
        loop {
            // Most names are of nobody, and most of their parts of no length that any suffix has.
            if self.has_suffix_of(rest.len())
                && let Some(&(place, suffix)) = self.by_suffix.get(rest)
            {
                return Some(Owner { service: &self.services[place], place, suffix });
            }
            let dot = rest.bytes().position(|octet| octet == b'.')?;
            rest = &rest[dot + 1..];
        }
    }

    /// Whether any suffix is so many octets long; of those longer than that, it is not known.
    fn has_suffix_of(&self, length: usize) -> bool {
        let bit = u32::try_from(length).ok().and_then(|length| 1_u64.checked_shl(length));
        bit.is_none_or(|bit| self.suffix_lengths & bit != 0)
    }

    /// The service whose own network an address is in: the longest prefix wins. An IPv4 address
    /// mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn service_of_address(&self, address: IpAddr) -> Option<&Service> {
        self.by_prefix.find(address).map(|index| &self.services[index])
    }

    /// Both addresses are in networks of one service, or of one operator of fronts. Two DNS replies with
    /// such addresses do not contradict each other.
    #[must_use]
    pub fn same_origin(&self, one: IpAddr, two: IpAddr) -> bool {
        match (self.service_of_address(one), self.service_of_address(two)) {
            (Some(one), Some(two)) => one.id == two.id,
            _ => {
                let operator = self.by_operator.find(one);
                operator.is_some() && operator == self.by_operator.find(two)
            }
        }
    }

    /// The operator of fronts in whose networks an address is.
    #[must_use]
    pub fn operator_of(&self, address: IpAddr) -> Option<&Operator> {
        self.by_operator.find(address).map(|place| &self.operators[place])
    }

    /// Whether `service` is known to be served from `address`: from its own networks, or from a front.
    #[must_use]
    pub fn is_home(&self, service: &Service, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.service_of_address(address).is_some_and(|owner| owner.id == service.id)
            || service.fronts.iter().any(|network| network.contains(&address))
            || self.operator_of(address).is_some_and(|op| service.operators.contains(&op.id))
    }

    /// SHA-256 in hex over everything that decides a lookup, independent of comments, order and the
    /// division into files: two reports with the same hash watched the same.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// These targets in an order in which each service of `before` has the place that it had there, and so has
    /// each suffix within its service, for whoever has kept places. One that is watched no more keeps its place,
    /// without networks and without being found by a name; so does a suffix.
    #[must_use]
    pub fn after(&self, before: &Self) -> Self {
        let find = |id: &String| self.services.iter().find(|service| service.id == *id);
        let kept = before.services.iter().map(|old| {
            let new = find(&old.id).cloned().unwrap_or_else(|| Service {
                id: old.id.clone(),
                title: old.title.clone(),
                role: old.role,
                suffixes: Vec::new(),
                former: Vec::new(),
                prefixes: Vec::new(),
                asns: Vec::new(),
                operators: Vec::new(),
                fronts: Vec::new(),
                filtered: Vec::new(),
            });
            new.after(old)
        });
        let known = |id: &String| before.services.iter().any(|old| old.id == *id);
        let new = self.services.iter().filter(|service| !known(&service.id)).cloned();
        let services = kept.chain(new).collect();
        Self { hash: self.hash.clone(), ..Self::index_as_is(services, self.operators.clone()) }
    }

    fn index(mut services: Vec<Service>, operators: Vec<Operator>) -> Self {
        services.sort_by(|one, two| one.id.cmp(&two.id));
        Self::index_as_is(services, operators)
    }

    fn index_as_is(services: Vec<Service>, operators: Vec<Operator>) -> Self {
        let (mut by_suffix, mut by_prefix) = (Index::<Box<str>>::default(), Networks::default());
        for (index, service) in services.iter().enumerate() {
            let suffixes = service.suffixes.iter().enumerate();
            let suffixes = suffixes.filter(|(_, suffix)| !service.former.contains(suffix));
            by_suffix.extend(suffixes.map(|(at, suffix)| (suffix.as_str().into(), (index, at))));
            by_prefix.add(&service.prefixes, index);
        }
        let mut by_operator = Networks::default();
        for (place, operator) in operators.iter().enumerate() {
            by_operator.add(&operator.prefixes, place);
        }
        let lengths = by_suffix.keys().filter_map(|suffix| 1_u64.checked_shl(suffix.len() as u32));
        let suffix_lengths = lengths.fold(0, |all, length| all | length);
        let hash = hash(&services, &operators);
        Self { services, operators, by_operator, by_suffix, suffix_lengths, by_prefix, hash }
    }
}

impl Default for TargetSet {
    fn default() -> Self {
        Self::builtin()
    }
}

fn hash(services: &[Service], operators: &[Operator]) -> String {
    let mut hasher = Sha256::new();
    for service in services {
        hasher.update(format!("service {} {:?} {}\n", service.id, service.role, service.title));
        for suffix in &service.suffixes {
            hasher.update(format!("suffix {suffix}\n"));
        }
        for prefix in &service.prefixes {
            hasher.update(format!("prefix {prefix}\n"));
        }
        for asn in &service.asns {
            hasher.update(format!("asn {asn}\n"));
        }
        let mut rest: Vec<String> = Vec::new();
        rest.extend(service.operators.iter().map(|operator| format!("operator {operator}\n")));
        rest.extend(service.fronts.iter().map(|prefix| format!("front {prefix}\n")));
        rest.extend(service.filtered.iter().map(|suffix| format!("filtered {suffix}\n")));
        rest.sort();
        rest.dedup();
        rest.iter().for_each(|line| hasher.update(line));
    }
    let used =
        |operator: &&Operator| services.iter().any(|one| one.operators.contains(&operator.id));
    let mut lines: Vec<String> = operators
        .iter()
        .filter(used)
        .flat_map(|operator| {
            operator.prefixes.iter().map(|prefix| format!("of {} {prefix}\n", operator.id))
        })
        .collect();
    lines.sort();
    lines.iter().for_each(|line| hasher.update(line));
    hasher.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
