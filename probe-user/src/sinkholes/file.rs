//! The sinkhole file: TOML, strict, with errors that say where and what is allowed.

use std::{collections::HashSet, path::Path};

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::{Policy, Scope, Sinkhole, Use};
use crate::data::{DataError, Fact, Fault, Form, RawFact, check_new_id, check_text};

pub(super) const FORM: Form = Form { what: "sinkhole", docs: "docs/sinkholes.md" };

/// Shortest prefixes taken, IPv4 and IPv6: a shorter one is a slip, and would accuse whole operators.
const SHORTEST: [u8; 2] = [22, 32];

/// What a file holds.
#[derive(Debug)]
pub(super) struct Parsed {
    /// Each with its networks, and the names that CNAMEs point at.
    pub(super) sinkholes: Vec<(Sinkhole, Vec<IpNet>, Vec<String>)>,
    pub(super) resolvers: Vec<(Policy, Vec<IpNet>)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    sinkhole: Vec<Spanned<RawSinkhole>>,
    #[serde(default)]
    resolver: Vec<RawResolver>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSinkhole {
    id: Spanned<String>,
    title: Spanned<String>,
    #[serde(rename = "use")]
    used: Use,
    scope: Scope,
    country: Option<Spanned<String>>,
    source: Spanned<String>,
    valid_from: Option<Spanned<String>>,
    valid_to: Option<Spanned<String>>,
    ambiguous: Option<Spanned<String>>,
    #[serde(default)]
    used_by: Vec<Spanned<String>>,
    #[serde(default)]
    addresses: Vec<Spanned<String>>,
    #[serde(default)]
    names: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawResolver {
    id: Spanned<String>,
    title: Spanned<String>,
    filters: bool,
    source: Spanned<String>,
    addresses: Vec<Spanned<String>>,
}

/// Reads the text of one file, after others, whose ids are in `taken`; `path` is for messages only.
///
/// # Errors
/// [`DataError::Invalid`] at the first thing that is not as `docs/sinkholes.md` says.
pub(super) fn parse_after(
    path: &Path,
    text: &str,
    taken: &mut HashSet<String>,
) -> Result<Parsed, DataError> {
    FORM.parse(path, text, |file: File| {
        let sinkholes = file.sinkhole.into_iter().map(|raw| sinkhole(raw, taken));
        let sinkholes = sinkholes.collect::<Result<_, _>>()?;
        let resolvers = file.resolver.into_iter().map(|raw| resolver(raw, taken));
        Ok(Parsed { sinkholes, resolvers: resolvers.collect::<Result<_, _>>()? })
    })
}

fn sinkhole(
    raw: Spanned<RawSinkhole>,
    taken: &mut HashSet<String>,
) -> Result<(Sinkhole, Vec<IpNet>, Vec<String>), Fault> {
    let span = raw.span();
    let raw = raw.into_inner();
    if raw.addresses.is_empty() && raw.names.is_empty() {
        let reason = "sinkhole without addresses and names; allowed is one of either or more";
        return Err((span, reason.into()));
    }
    let fact = RawFact {
        id: raw.id,
        title: raw.title,
        country: raw.country,
        source: raw.source,
        valid: [raw.valid_from, raw.valid_to],
        ambiguous: raw.ambiguous,
    };
    let sinkhole = Sinkhole {
        fact: Fact::check(fact, taken)?,
        used: raw.used,
        scope: raw.scope,
        used_by: raw.used_by.iter().map(check_name).collect::<Result<_, _>>()?,
    };
    let names = raw.names.iter().map(check_name).collect::<Result<_, _>>()?;
    Ok((sinkhole, networks(&raw.addresses)?, names))
}

fn resolver(raw: RawResolver, taken: &mut HashSet<String>) -> Result<(Policy, Vec<IpNet>), Fault> {
    let policy = Policy {
        id: check_new_id(&raw.id, taken)?,
        title: check_text("title", raw.title)?,
        filters: raw.filters,
        source: check_text("source", raw.source)?,
    };
    Ok((policy, networks(&raw.addresses)?))
}

/// Addresses and networks, each once.
fn networks(list: &[Spanned<String>]) -> Result<Vec<IpNet>, Fault> {
    let mut networks = Vec::with_capacity(list.len());
    let mut seen = HashSet::new();
    for text in list {
        let network = network(text.as_ref()).map_err(|reason| (text.span(), reason))?;
        if !seen.insert(network) {
            return Err((text.span(), format!("address {:?} stands here twice", text.as_ref())));
        }
        networks.push(network);
    }
    Ok(networks)
}

fn network(text: &str) -> Result<IpNet, String> {
    let parsed = match text.parse::<std::net::IpAddr>() {
        Ok(address) => Ok(IpNet::from(address)),
        Err(_) => text.parse::<IpNet>(),
    };
    let network = parsed.map_err(|_| {
        format!("address {text:?}: allowed is one as in 10.10.34.35, or a network as in 2001::/64")
    })?;
    if network.trunc() != network {
        return Err(format!(
            "network {text:?} has bits beyond its length; meant is {}",
            network.trunc()
        ));
    }
    let shortest = SHORTEST[usize::from(network.addr().is_ipv6())];
    if network.prefix_len() < shortest {
        return Err(format!("network {text:?} is too wide; allowed is /{shortest} or longer"));
    }
    Ok(network)
}

fn check_name(name: &Spanned<String>) -> Result<String, Fault> {
    let text = name.as_ref();
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
            })
    };
    if text.len() <= 253 && text.contains('.') && text.split('.').all(label) {
        return Ok(text.clone());
    }
    let reason =
        format!("name {text:?}: allowed is a host name in lowercase as in internet-positif.org");
    Err((name.span(), reason))
}
