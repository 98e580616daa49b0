//! No client in what is left behind: in words, and in packets.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use anyhow::Context as _;

use crate::corpus::tape::{Tape, View};

/// Adds the clients of a capture.
pub fn clients(tape: &Tape, clients: &mut BTreeSet<Ipv4Addr>) {
    for record in tape.records.iter().filter(|record| record.from_client) {
        if let IpAddr::V4(client) = View(tape.frame(record)).ends().0.ip() {
            clients.insert(client);
        }
    }
}

/// Where clients are named in files under `dir`: as text, or as either address of an IPv4 header.
///
/// # Errors
/// If something cannot be read.
pub fn traces(dir: &Path, clients: &BTreeSet<Ipv4Addr>) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(traces(&path, clients)?);
            continue;
        }
        let octets = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let named = in_words(&octets, clients).or_else(|| in_headers(&octets, clients));
        found.extend(named.map(|client| format!("{} names {client}", path.display())));
    }
    Ok(found)
}

/// The first client whose address stands there in words.
fn in_words(octets: &[u8], clients: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    let words = octets.split(|octet| !matches!(octet, b'0'..=b'9' | b'.'));
    words
        .filter_map(|word| std::str::from_utf8(word).ok()?.trim_matches('.').parse().ok())
        .find(|address| clients.contains(address))
}

/// The first client whose address is in an IPv4 header of TCP, UDP or ICMP.
fn in_headers(octets: &[u8], clients: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    octets.windows(20).filter(|head| head[0] == 0x45 && matches!(head[9], 1 | 6 | 17)).find_map(
        |head| {
            [12, 16]
                .map(|at| Ipv4Addr::new(head[at], head[at + 1], head[at + 2], head[at + 3]))
                .into_iter()
                .find(|address| clients.contains(address))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::{BTreeSet, Ipv4Addr, fs, traces};

    #[test]
    fn a_client_is_found_in_words_and_in_headers() {
        let client = Ipv4Addr::new(100, 64, 3, 7);
        let clients = BTreeSet::from([client]);
        let dir = tempfile::tempdir().unwrap();
        let found = || traces(dir.path(), &clients).unwrap().len();
        fs::write(dir.path().join("a"), "at 100.64.3.70 and 1100.64.3.7").unwrap();
        assert_eq!(found(), 0);
        fs::write(dir.path().join("b"), "{\"who\":\"100.64.3.7\"}").unwrap();
        assert_eq!(found(), 1);
        let mut header = vec![7, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 1, 1, 1, 1];
        header.extend(client.octets());
        fs::write(dir.path().join("c"), header).unwrap();
        assert_eq!(found(), 2);
    }
}
