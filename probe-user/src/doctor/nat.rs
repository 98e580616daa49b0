//! Address translation: behind it, one connection has two names.

use std::fs;
use std::io;

use nix::sys::socket::SockProtocol;

use super::netlink::{Netlink, attribute, text};
use super::report::Check;

/// `struct nfgenmsg` for all families (`linux/netfilter/nfnetlink.h`).
const NFGEN: [u8; 4] = [0; 4];
/// `NFTA_CHAIN_` numbers (`linux/netfilter/nf_tables.h`).
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_USE: u16 = 6;
const CHAIN_TYPE: u16 = 7;

/// Chains named in the report; the rest are counted.
const MAX_NAMED: usize = 3;

pub(super) fn check(ifaces: usize) -> Check {
    let legacy = ["ip_tables_names", "ip6_tables_names"].map(|name| {
        // The thread's own: it may be in another network namespace than the process.
        (name, fs::read_to_string(format!("/proc/thread-self/net/{name}")))
    });
    judge(ifaces, nftables(), legacy)
}

/// The NAT chains of nftables, which iptables uses too on most systems, that have rules.
fn nftables() -> io::Result<Vec<String>> {
    let netlink = Netlink::open(SockProtocol::NetlinkNetFilter)?;
    let kind = (libc::NFNL_SUBSYS_NFTABLES << 8 | libc::NFT_MSG_GETCHAIN) as u16;
    let answers = netlink.dump(kind, &NFGEN)?;
    Ok(answers.iter().filter_map(|body| nat_chain(body)).collect())
}

/// The name of a chain, if it is of type nat and used.
fn nat_chain(body: &[u8]) -> Option<String> {
    let attributes = body.get(NFGEN.len()..)?;
    let value = |kind| attribute(attributes, kind);
    if value(CHAIN_TYPE).map(text).as_deref() != Some("nat") {
        return None;
    }
    // Counts rules, and jumps to it. Attributes of nfnetlink are big-endian.
    if value(CHAIN_USE) == Some(&[0; 4]) {
        return None;
    }
    Some(format!("{} {}", value(CHAIN_TABLE).map(text)?, value(CHAIN_NAME).map(text)?))
}

fn judge(
    ifaces: usize,
    nftables: io::Result<Vec<String>>,
    legacy: [(&str, io::Result<String>); 2],
) -> Check {
    let mut found = Vec::new();
    let mut blind = Vec::new();
    match nftables {
        Ok(chains) => found.extend(chains.into_iter().map(|chain| format!("nftables {chain}"))),
        Err(error) if absent(&error) => {}
        Err(error) => blind.push(format!("nftables: {error}")),
    }
    for (name, tables) in legacy {
        match tables {
            Ok(tables) if tables.lines().any(|table| table == "nat") => {
                found.push(format!("the nat table of {name}"));
            }
            Ok(_) => {}
            Err(error) if absent(&error) => {}
            Err(error) => blind.push(format!("{name}: {error}")),
        }
    }
    if !found.is_empty() {
        let more = found.len().saturating_sub(MAX_NAMED);
        found.truncate(MAX_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let seen = format!("in use: {}{more}", found.join(", "));
        return if ifaces > 1 {
            Check::warn("nat", seen).advise(
                "give one --iface only: a connection has other addresses on each side of the NAT",
            )
        } else {
            Check::ok("nat", seen).advise(
                "watch one interface: inside, to tell clients apart; outside, to see what comes in",
            )
        };
    }
    if !blind.is_empty() {
        return Check::unknown("nat", format!("cannot tell ({})", blind.join("; ")))
            .advise("run as root to know; with NAT, give one --iface only");
    }
    Check::ok("nat", "not in use")
}

/// Whether an error means that the kernel has no such thing.
fn absent(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOENT | libc::EPROTONOSUPPORT | libc::EINVAL | libc::EOPNOTSUPP)
    )
}

#[cfg(test)]
mod tests {
    use super::super::netlink::push_attribute;
    use super::super::report::Status;
    use super::*;

    fn chain(kind: &[u8], uses: u32) -> Vec<u8> {
        let mut body = NFGEN.to_vec();
        push_attribute(&mut body, CHAIN_TABLE, b"home\0");
        push_attribute(&mut body, CHAIN_NAME, b"out\0");
        push_attribute(&mut body, CHAIN_USE, &uses.to_be_bytes());
        push_attribute(&mut body, CHAIN_TYPE, kind);
        body
    }

    #[test]
    fn only_used_nat_chains_count() {
        assert_eq!(nat_chain(&chain(b"nat\0", 2)).as_deref(), Some("home out"));
        assert_eq!(nat_chain(&chain(b"nat\0", 0)), None);
        assert_eq!(nat_chain(&chain(b"filter\0", 2)), None);
        let whole = chain(b"nat\0", 1);
        for length in 0..whole.len() {
            nat_chain(&whole[..length]);
        }
    }

    fn status(
        ifaces: usize,
        nftables: io::Result<Vec<String>>,
        legacy: io::Result<String>,
    ) -> Status {
        let none = Err(io::Error::from_raw_os_error(libc::ENOENT));
        judge(ifaces, nftables, [("ip_tables_names", legacy), ("ip6_tables_names", none)]).status
    }

    #[test]
    fn nat_matters_with_several_interfaces() {
        let errno = |number| io::Error::from_raw_os_error(number);
        let some = || Ok(vec!["home out".to_owned()]);
        assert_eq!(status(2, some(), Ok(String::new())), Status::Warn);
        assert_eq!(status(1, some(), Ok(String::new())), Status::Ok);
        assert_eq!(status(2, Ok(vec![]), Ok("filter\nnat\n".into())), Status::Warn);
        assert_eq!(status(2, Ok(vec![]), Ok("filter\n".into())), Status::Ok);
        assert_eq!(status(2, Err(errno(libc::EPERM)), Ok(String::new())), Status::Unknown);
        assert_eq!(status(2, Err(errno(libc::EPROTONOSUPPORT)), Ok("".into())), Status::Ok);
        // One that cannot be read does not hide the other.
        assert_eq!(status(2, some(), Err(errno(libc::EACCES))), Status::Warn);
    }
}
