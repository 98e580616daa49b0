//! The authority: BIND with a zone for each name of the lab's, one of them signed.

use std::{fmt::Write as _, fs, net::IpAddr};

use super::{Lab, answers, named};
use crate::lab::{
    network::{self, Pair},
    process::{self, Process},
    servers::{self, NAMES},
};

/// The zones: all that the lab's names are in.
pub const ZONES: [&str; 8] = [
    "linkedin.com",
    "licdn.com",
    "microsoft.com",
    "office.com",
    "example.org",
    "debian.org",
    "msftconnecttest.com",
    "wikipedia.org",
];

/// The zone that is signed.
pub const SIGNED: &str = "signed.example";

/// Addresses of `many.example.org`: more than fit into a datagram of 1,232 octets, and fewer than the
/// hundred that BIND allows.
const MANY: u8 = 90;

/// Last octet of its address.
const HOST: u8 = 57;

/// BIND, as it serves zones. Stopped when dropped.
#[derive(Debug)]
pub struct Authority {
    /// The program.
    pub process: Process,
    /// Where it answers.
    pub address: Pair,
    /// The signed zone's key, as a trust anchor.
    pub anchor: String,
}

impl Authority {
    /// Starts it beside the servers.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn start(lab: &Lab) -> anyhow::Result<Self> {
        let address = network::public(HOST);
        lab.network.serve_at(&[address])?;
        let directory = lab.directory().join("authority");
        fs::create_dir(&directory)?;
        let at = directory.display();
        let mut text = format!(
            "options {{\n  directory \"{at}\";\n  pid-file \"{at}/pid\";\n  session-keyfile none;\n  \
             recursion no;\n  dnssec-validation no;\n  empty-zones-enable no;\n  notify no;\n  \
             listen-on {{ {}; }};\n  listen-on-v6 {{ {}; }};\n  \
             response-padding {{ none; }} block-size 0;\n}};\ncontrols {{ }};\n",
            address.v4, address.v6
        );
        for zone in ZONES {
            fs::write(directory.join(zone), records(zone))?;
            let _ = writeln!(text, "zone \"{zone}\" {{ type primary; file \"{at}/{zone}\"; }};");
        }
        let anchor = sign(lab, &directory)?;
        let _ = writeln!(text, "zone \"{SIGNED}\" {{ type primary; file \"{at}/signed\"; }};");
        let path = directory.join("configuration");
        fs::write(&path, text)?;
        let namespace = &lab.network.server;
        let mut command = namespace.command(named(&directory)?);
        command.args(["-g", "-n", "1", "-c"]).arg(&path);
        let process = Process::start_logged("authority", &mut command, lab.directory())?;
        let mut authority = Self { process, address, anchor };
        answers(&mut authority.process, namespace, address)?;
        Ok(authority)
    }
}

/// Where a name of the lab's leads. LinkedIn's lead to addresses that they had, since it is looked at
/// whose they are; nobody connects to them here.
pub fn genuine(name: &str) -> Option<Pair> {
    let pair = servers::address_of(name)?;
    let at_home = |v4: [u8; 4], v6: [u16; 8]| Pair { v4: v4.into(), v6: v6.into() };
    Some(match name {
        "www.linkedin.com" => at_home([13, 107, 42, 14], [0x2620, 0x1ec, 0x21, 0, 0, 0, 0, 0x14]),
        "static.licdn.com" => {
            at_home([108, 174, 10, 10], [0x2620, 0x109, 0xc002, 0, 0, 0, 0x6cae, 0xa0a])
        }
        _ => pair,
    })
}

/// A zone file for `zone`.
fn records(zone: &str) -> String {
    let mut text = format!(
        "$TTL 60\n@ SOA ns.{zone}. root.{zone}. 1 3600 600 86400 60\n@ NS ns.{zone}.\nns A \
         203.0.113.{HOST}\n"
    );
    let suffix = format!(".{zone}");
    for (name, _) in NAMES {
        let owner = match name.strip_suffix(&suffix) {
            Some(owner) => owner,
            None if *name == zone => "@",
            None => continue,
        };
        for address in genuine(name).iter().flat_map(|pair| pair.both()) {
            let kind = if matches!(address, IpAddr::V4(_)) { "A" } else { "AAAA" };
            let _ = writeln!(text, "{owner} {kind} {address}");
        }
    }
    if zone == "example.org" {
        for host in 0..MANY {
            let _ = writeln!(text, "many A 198.51.100.{host}");
        }
        text.push_str("alias CNAME many\n*.wild A 198.51.100.200\nonly-v4 A 198.51.100.201\n");
    }
    text
}

/// Makes and signs the signed zone; returns its key.
fn sign(lab: &Lab, directory: &std::path::Path) -> anyhow::Result<String> {
    let run = |program: &str, args: &[&str]| -> anyhow::Result<String> {
        let mut command = lab.network.server.command(program);
        command.args(args).current_dir(directory);
        process::succeed(program, &mut command)
    };
    let key = run("dnssec-keygen", &["-q", "-a", "ECDSAP256SHA256", "-f", "KSK", SIGNED])?;
    let key = key.trim();
    let anchor = fs::read_to_string(directory.join(format!("{key}.key")))?;
    let anchor = anchor.lines().find(|line| !line.starts_with(';')).unwrap_or_default().to_owned();
    let mut zone = records(SIGNED);
    zone.push_str("www A 198.51.100.10\nwww AAAA 2001:db8:53::10\n");
    for host in 0..MANY / 4 {
        let _ = writeln!(zone, "many A 198.51.100.{host}");
    }
    let _ = writeln!(zone, "{anchor}");
    fs::write(directory.join("unsigned"), zone)?;
    run("dnssec-signzone", &["-q", "-z", "-o", SIGNED, "-f", "signed", "unsigned", key])?;
    Ok(anchor)
}
