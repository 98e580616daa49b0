//! Addresses that false answers lead to, and resolvers whose policy is known.
//!
//! Where a resolver lies, or a device in its place, there is no second answer to hold against the
//! first. What is left is what the answer says: the address of a country's block page, an address
//! that nobody can have, one of those that an injector goes through in turn. Such addresses are data
//! ([`mod@file`]) with a source and dates, since pages move; what each is worth is said by the
//! detector `DNS_POOL`, and a page that a family or a company has ordered is worth little.

pub mod file;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    sync::LazyLock,
};

use serde::{Deserialize, Serialize};

use crate::{
    data::{DataError, Fact},
    networks::Networks,
};

/// The files that are part of the program.
const BUILTIN: [(&str, &str); 7] = [
    ("sinkholes/iran.toml", include_str!("../../../sinkholes/iran.toml")),
    ("sinkholes/russia.toml", include_str!("../../../sinkholes/russia.toml")),
    ("sinkholes/indonesia.toml", include_str!("../../../sinkholes/indonesia.toml")),
    ("sinkholes/elsewhere.toml", include_str!("../../../sinkholes/elsewhere.toml")),
    ("sinkholes/products.toml", include_str!("../../../sinkholes/products.toml")),
    ("sinkholes/china.toml", include_str!("../../../sinkholes/china.toml")),
    ("sinkholes/china-pool.toml", include_str!("../../../sinkholes/china-pool.toml")),
];

/// What else an address is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// Nothing: it belongs to who lies, and a block page is there, or nothing.
    Page,
    /// It is somebody else's, who has nothing to do with it.
    Others,
    /// Nobody can have it.
    Impossible,
}

/// How far a false answer reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// A country.
    National,
    /// One access provider.
    Provider,
    /// Whoever has ordered or installed the filter.
    Product,
}

/// A place that false answers lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sinkhole {
    /// Who leads there, and who described it.
    pub fact: Fact,
    /// What else its addresses are used for.
    pub used: Use,
    /// How far it reaches.
    pub scope: Scope,
    /// Names that may have these addresses genuinely, each with all names under it.
    pub used_by: Vec<String>,
}

/// A resolver whose policy is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Short name for reports.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// It filters for whoever asks it, rather than saying that it filters nothing.
    pub filters: bool,
    /// Who says so.
    pub source: String,
}

/// All of a run.
#[derive(Clone, Debug, Default)]
pub struct Sinkholes {
    sinkholes: Vec<Sinkhole>,
    policies: Vec<Policy>,
    by_network: Networks,
    by_name: HashMap<Box<str>, usize>,
    resolvers: Networks,
}

impl Sinkholes {
    /// The built-in lists.
    ///
    /// # Panics
    /// Never: the embedded files are part of the program, and a test loads them.
    #[must_use]
    pub fn builtin() -> Self {
        let (mut sinkholes, mut taken) = (Self::default(), HashSet::new());
        for (name, text) in BUILTIN {
            sinkholes.add(Path::new(name), text, &mut taken).expect("the embedded file is valid");
        }
        sinkholes
    }

    /// What is built in, read once for all who look things up in it.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Sinkholes> = LazyLock::new(Sinkholes::builtin);
        &SHARED
    }

    /// The built-in lists and those of `files`.
    ///
    /// # Errors
    /// When a file cannot be read or is not as `docs/sinkholes.md` says, or gives an id again. The
    /// message is one line, with the place.
    pub fn load(files: &[PathBuf]) -> Result<Self, DataError> {
        let (mut sinkholes, mut taken) = (Self::default(), HashSet::new());
        for (name, text) in BUILTIN {
            sinkholes.add(Path::new(name), text, &mut taken)?;
        }
        for path in files {
            sinkholes.add(path, &file::FORM.read(path)?, &mut taken)?;
        }
        Ok(sinkholes)
    }

    fn add(
        &mut self,
        path: &Path,
        text: &str,
        taken: &mut HashSet<String>,
    ) -> Result<(), DataError> {
        let parsed = file::parse_after(path, text, taken)?;
        for (sinkhole, networks, names) in parsed.sinkholes {
            let place = self.sinkholes.len();
            self.sinkholes.push(sinkhole);
            self.by_network.add(&networks, place);
            for name in names {
                self.by_name.entry(name.into()).or_insert(place);
            }
        }
        for (policy, networks) in parsed.resolvers {
            self.resolvers.add(&networks, self.policies.len());
            self.policies.push(policy);
        }
        Ok(())
    }

    /// The sinkhole that `address` belongs to: the longest network wins, of equals the first.
    #[must_use]
    pub fn of_address(&self, address: IpAddr) -> Option<&Sinkhole> {
        self.by_network.find(address).map(|place| &self.sinkholes[place])
    }

    /// The sinkhole that a normalised name, at which a CNAME points, belongs to.
    #[must_use]
    pub fn of_name(&self, name: &str) -> Option<&Sinkhole> {
        suffixes(name).find_map(|suffix| self.by_name.get(suffix)).map(|&at| &self.sinkholes[at])
    }

    /// The sinkhole with this id.
    #[must_use]
    pub fn of_id(&self, id: &str) -> Option<&Sinkhole> {
        self.sinkholes.iter().find(|sinkhole| sinkhole.fact.id == id)
    }

    /// What is known of the policy of the resolver at `address`.
    #[must_use]
    pub fn policy(&self, address: IpAddr) -> Option<&Policy> {
        self.resolvers.find(address).map(|place| &self.policies[place])
    }

    /// All sinkholes, in the order of the files.
    #[must_use]
    pub fn all(&self) -> &[Sinkhole] {
        &self.sinkholes
    }
}

impl Sinkhole {
    /// Whether `name` may have these addresses genuinely.
    #[must_use]
    pub fn is_used_by(&self, name: &str) -> bool {
        suffixes(name).any(|suffix| self.used_by.iter().any(|own| own == suffix))
    }
}

/// A name and all that it is under, the longest first.
fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |rest| rest.split_once('.').map(|(_, rest)| rest))
}

/// Whether no public name has this address: an answer with it is a private network's own affair, or
/// false. Networks for documentation and benchmarks are left out: they stand for public ones.
///
/// Sources: RFC 6890 and the registries of special-purpose addresses that it began.
#[must_use]
pub fn is_bogon(address: IpAddr) -> bool {
    is_local(address)
        || is_nowhere(address)
        || match address.to_canonical() {
            IpAddr::V4(address) => address.octets()[0] >= 224,
            IpAddr::V6(address) => address.is_multicast(),
        }
}

/// Whether an address stands for "nowhere", as filters answer: this host, or none.
#[must_use]
pub fn is_nowhere(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.octets()[0] == 0,
        IpAddr::V6(address) => address.is_loopback() || address.is_unspecified(),
    }
}

/// Whether an address is one of a private network, or shared behind a provider's translation.
#[must_use]
pub fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_private() || address.is_link_local() || address.is_loopback() || {
                let [first, second, ..] = address.octets();
                // RFC 6598.
                first == 100 && second & 0xc0 == 64
            }
        }
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// The IPv4 address that an IPv6 one is made of by a translator (NAT64), if it may be one: the last
/// 32 bits, of the well-known prefix or a network's own (RFC 6052, section 2.2).
#[must_use]
pub fn translated(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address.to_canonical() else { return None };
    let [.., a, b, c, d] = address.octets();
    let own = address.segments()[4] == 0 && address.segments()[5] == 0;
    (own && address != Ipv6Addr::UNSPECIFIED).then(|| Ipv4Addr::new(a, b, c, d))
}

/// Whether an address has the well-known prefix of translators (RFC 6052, section 2.1).
#[must_use]
pub fn is_well_known_translation(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0])
}
