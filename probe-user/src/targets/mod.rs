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

use ipnet::IpNet;
use sha2::{Digest as _, Sha256};

pub use file::TargetError;

const LINKEDIN: &str = include_str!("../../../targets/linkedin.toml");
const CONTROLS: &str = include_str!("../../../targets/controls.toml");

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
    /// Names it goes by; each stands for itself and all names under it. Sorted.
    pub suffixes: Vec<String>,
    /// Networks that serve it and nothing else. Sorted.
    pub prefixes: Vec<IpNet>,
    /// Autonomous systems of its operator. Sorted.
    pub asns: Vec<u32>,
}

impl Service {
    /// The service is a control.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.role == Role::Control
    }
}

/// All services that a run knows, with the indexes to find them by.
#[derive(Debug, Clone)]
pub struct TargetSet {
    services: Vec<Service>,
    by_suffix: HashMap<Box<str>, usize>,
    by_prefix: HashMap<IpNet, usize>,
    /// Prefix lengths in use, longest first, for IPv4 and IPv6.
    lengths: [Vec<u8>; 2],
    hash: String,
}

impl TargetSet {
    /// LinkedIn and the built-in controls.
    ///
    /// # Panics
    /// Never: the embedded files are part of the program, and a test loads them.
    #[must_use]
    pub fn builtin() -> Self {
        let services = [("targets/linkedin.toml", LINKEDIN), ("targets/controls.toml", CONTROLS)]
            .into_iter()
            .flat_map(|(name, text)| {
                file::parse(Path::new(name), text).expect("the embedded file is valid")
            });
        Self::index(services.collect())
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
        let mut seen = file::Seen::default();
        let mut services = Vec::new();
        for path in files {
            services.extend(file::read(path, &mut seen)?);
        }
        if !services.iter().any(Service::is_control) {
            for control in Self::builtin().services.into_iter().filter(Service::is_control) {
                // A control that a file has made a target is no control any more.
                if let Some(left) = seen.without_taken(control) {
                    services.push(left);
                }
            }
        }
        Ok(Self::index(services))
    }

    /// All services, targets and controls, by id.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The service that a normalised name belongs to: the longest suffix on a label boundary wins.
    #[must_use]
    pub fn service_of_name(&self, name: &str) -> Option<&Service> {
        let mut rest = name.strip_suffix('.').unwrap_or(name);
        let lowered;
        if rest.bytes().any(|byte| byte.is_ascii_uppercase()) {
            lowered = rest.to_ascii_lowercase();
            rest = &lowered;
        }
        loop {
            if let Some(&index) = self.by_suffix.get(rest) {
                return Some(&self.services[index]);
            }
            rest = rest.split_once('.')?.1;
        }
    }

    /// The service whose own network an address is in: the longest prefix wins. An IPv4 address
    /// mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn service_of_address(&self, address: IpAddr) -> Option<&Service> {
        let address = address.to_canonical();
        self.lengths[usize::from(address.is_ipv6())].iter().find_map(|&length| {
            let network = IpNet::new(address, length).ok()?.trunc();
            self.by_prefix.get(&network).map(|&index| &self.services[index])
        })
    }

    /// Both addresses are in networks of one service. Two DNS replies with such addresses do not
    /// contradict each other.
    #[must_use]
    pub fn same_origin(&self, one: IpAddr, two: IpAddr) -> bool {
        match (self.service_of_address(one), self.service_of_address(two)) {
            (Some(one), Some(two)) => one.id == two.id,
            _ => false,
        }
    }

    /// SHA-256 in hex over everything that decides a lookup, independent of comments, order and the
    /// division into files: two reports with the same hash watched the same.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    fn index(mut services: Vec<Service>) -> Self {
        services.sort_by(|one, two| one.id.cmp(&two.id));
        let mut by_suffix = HashMap::new();
        let mut by_prefix = HashMap::new();
        let mut lengths = [Vec::new(), Vec::new()];
        for (index, service) in services.iter().enumerate() {
            by_suffix.extend(service.suffixes.iter().map(|suffix| (suffix.as_str().into(), index)));
            for prefix in &service.prefixes {
                by_prefix.insert(*prefix, index);
                lengths[usize::from(prefix.addr().is_ipv6())].push(prefix.prefix_len());
            }
        }
        for lengths in &mut lengths {
            lengths.sort_unstable_by(|one, two| two.cmp(one));
            lengths.dedup();
        }
        let hash = hash(&services);
        Self { services, by_suffix, by_prefix, lengths, hash }
    }
}

impl Default for TargetSet {
    fn default() -> Self {
        Self::builtin()
    }
}

fn hash(services: &[Service]) -> String {
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
    }
    hasher.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
