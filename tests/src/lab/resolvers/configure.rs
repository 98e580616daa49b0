//! Configurations of the resolvers, each in its own words.

use std::{fmt::Write as _, net::IpAddr, path::Path};

use super::{Authority, Lie, Program, SIGNED, ZONES};

/// What `program` is told: listen there, ask `authority`, tell `lies`.
pub(super) fn text(
    program: Program,
    directory: &Path,
    listens: &[IpAddr],
    authority: &Authority,
    lies: &[Lie],
) -> String {
    match program {
        Program::Unbound => unbound(directory, listens, authority, lies),
        Program::Bind => bind(directory, listens, authority, lies),
        Program::Dnsmasq => dnsmasq(listens, authority, lies),
        Program::Knot => knot(listens, authority),
    }
}

fn zones() -> impl Iterator<Item = &'static str> {
    ZONES.into_iter().chain([SIGNED])
}

/// Validates the signed zone, and asks in capitals at random ("0x20").
fn unbound(directory: &Path, listens: &[IpAddr], authority: &Authority, lies: &[Lie]) -> String {
    let at = directory.display();
    let mut text = format!(
        "server:\n  username: \"\"\n  chroot: \"\"\n  directory: \"{at}\"\n  pidfile: \"{at}/pid\"\n  \
         use-syslog: no\n  do-daemonize: no\n  num-threads: 1\n  \
         access-control: 0.0.0.0/0 allow\n  access-control: ::/0 allow\n  \
         use-caps-for-id: yes\n  do-not-query-localhost: no\n  \
         module-config: \"validator iterator\"\n  trust-anchor: \"{}\"\n",
        authority.anchor.replace('"', "")
    );
    for address in listens {
        let _ = writeln!(text, "  interface: {address}");
    }
    for lie in lies {
        match lie {
            Lie::Leads(zone, to) => {
                let _ = writeln!(text, "  local-zone: \"{zone}.\" redirect");
                let _ = writeln!(text, "  local-data: \"{zone}. 60 IN A {}\"", to.v4);
                let _ = writeln!(text, "  local-data: \"{zone}. 60 IN AAAA {}\"", to.v6);
            }
            Lie::Nothing(zone) => {
                let _ = writeln!(text, "  local-zone: \"{zone}.\" always_nxdomain");
            }
            Lie::Null(zone) => {
                let _ = writeln!(text, "  local-zone: \"{zone}.\" always_null");
            }
        }
    }
    for zone in zones() {
        let _ =
            writeln!(text, "stub-zone:\n  name: \"{zone}\"\n  stub-addr: {}", authority.address.v4);
    }
    text.push_str("remote-control:\n  control-enable: no\n");
    text
}

/// Lies by a zone of its own.
fn bind(directory: &Path, listens: &[IpAddr], authority: &Authority, lies: &[Lie]) -> String {
    let at = directory.display();
    let list = |v6: bool| -> String {
        let mine = listens.iter().filter(|address| address.is_ipv6() == v6);
        mine.map(|address| format!("{address}; ")).collect()
    };
    let mut text = format!(
        "options {{\n  directory \"{at}\";\n  pid-file \"{at}/pid\";\n  session-keyfile none;\n  \
         recursion yes;\n  allow-query {{ any; }};\n  allow-recursion {{ any; }};\n  \
         dnssec-validation no;\n  notify no;\n  listen-on {{ {}}};\n  listen-on-v6 {{ {}}};\n}};\n\
         controls {{ }};\n",
        list(false),
        list(true)
    );
    let told = |zone: &str| lies.iter().any(|lie| lie.zone() == zone);
    for zone in zones().filter(|zone| !told(zone)) {
        let _ = writeln!(
            text,
            "zone \"{zone}\" {{ type forward; forward only; forwarders {{ {}; }}; }};",
            authority.address.v4
        );
    }
    for lie in lies {
        let zone = lie.zone();
        let mut records =
            "$TTL 60\n@ SOA localhost. root.localhost. 1 3600 600 86400 60\n@ NS localhost.\n"
                .to_owned();
        let (v4, v6) = lie.addresses();
        if let (Some(v4), Some(v6)) = (v4, v6) {
            let _ = writeln!(records, "@ A {v4}\n@ AAAA {v6}\n* A {v4}\n* AAAA {v6}");
        }
        let path = directory.join(zone);
        // What cannot be written is missed by named, which says so.
        let _ = std::fs::write(&path, records);
        let _ = writeln!(text, "zone \"{zone}\" {{ type primary; file \"{}\"; }};", path.display());
    }
    text
}

fn dnsmasq(listens: &[IpAddr], authority: &Authority, lies: &[Lie]) -> String {
    let mut text =
        "no-resolv\nno-hosts\nbind-interfaces\nuser=root\ncache-size=500\nedns-packet-max=1232\n"
            .to_owned();
    for address in listens {
        let _ = writeln!(text, "listen-address={address}");
    }
    let _ = writeln!(text, "server={}", authority.address.v4);
    for lie in lies {
        let zone = lie.zone();
        match lie.addresses() {
            (Some(v4), Some(v6)) => {
                let _ = writeln!(text, "address=/{zone}/{v4}\naddress=/{zone}/{v6}");
            }
            _ => {
                let _ = writeln!(text, "address=/{zone}/");
            }
        }
    }
    text
}

fn knot(listens: &[IpAddr], authority: &Authority) -> String {
    let mut text = String::from("modules.load('policy')\ntrust_anchors.remove('.')\n");
    let _ = writeln!(text, "trust_anchors.add('{}')", authority.anchor);
    for address in listens {
        let _ = writeln!(text, "net.listen('{address}', 53, {{ kind = 'dns' }})");
    }
    let _ = writeln!(text, "cache.size = 10 * MB");
    let _ = writeln!(text, "policy.add(policy.all(policy.FORWARD('{}')))", authority.address.v4);
    text
}

impl Lie {
    /// The names that it is about.
    pub const fn zone(&self) -> &'static str {
        match self {
            Self::Leads(zone, _) | Self::Nothing(zone) | Self::Null(zone) => zone,
        }
    }

    /// Where they lead.
    pub fn addresses(&self) -> (Option<IpAddr>, Option<IpAddr>) {
        match self {
            Self::Leads(_, to) => (Some(to.v4.into()), Some(to.v6.into())),
            Self::Nothing(_) => (None, None),
            Self::Null(_) => {
                let [v4, v6] = ["0.0.0.0", "::"].map(|text| text.parse().ok());
                (v4, v6)
            }
        }
    }
}
