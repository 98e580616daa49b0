//! Resolvers as they are in use, and an authority that they ask: unbound, BIND, dnsmasq, Knot Resolver.
//!
//! All of them run beside the lab's servers, so that their clients' look-ups pass the router, but one:
//! [`at_client`] is a resolver among the clients, which itself asks the authority through the router.

mod authority;
mod configure;

use std::{fs, net::UdpSocket, path::Path, time::Duration};

pub use authority::{Authority, SIGNED, ZONES, genuine};

use super::{
    Lab,
    namespace::Namespace,
    network::{self, Pair},
    process::Process,
};

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// NLnet Labs' unbound.
    Unbound,
    /// ISC's named.
    Bind,
    /// dnsmasq, which forwards.
    Dnsmasq,
    /// CZ.NIC's kresd.
    Knot,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unbound, Self::Bind, Self::Dnsmasq, Self::Knot];

    /// The command.
    pub const fn command(self) -> &'static str {
        match self {
            Self::Unbound => "unbound",
            Self::Bind => "named",
            Self::Dnsmasq => "dnsmasq",
            Self::Knot => "kresd",
        }
    }
}

/// What a resolver says that is not so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Names under this one lead to these addresses.
    Leads(&'static str, Pair),
    /// Names under this one do not exist.
    Nothing(&'static str),
    /// Names under this one lead to 0.0.0.0 and ::.
    Null(&'static str),
}

/// A resolver at work, stopped when dropped.
#[derive(Debug)]
pub struct Resolver {
    /// The program.
    pub process: Process,
    /// Where it answers.
    pub address: Pair,
}

/// Octets of a question for the beginning of a zone that all know, without EDNS.
const QUESTION: &[u8] =
    b"\x07\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06debian\x03org\x00\x00\x06\x00\x01";

/// Waits until something on port 53 of `address` answers anything.
fn answers(process: &mut Process, namespace: &Namespace, address: Pair) -> anyhow::Result<()> {
    let ask = || -> std::io::Result<usize> {
        let socket = UdpSocket::bind((address.v4, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        socket.send_to(QUESTION, (address.v4, 53))?;
        socket.recv(&mut [0; 512])
    };
    process.ready(|| namespace.enter(ask).ok()?.ok().map(|_| ()))
}

impl Resolver {
    /// Starts `program` beside the servers, at a public address that ends in `host`. It asks
    /// `authority`, and tells these lies.
    ///
    /// # Errors
    ///
    /// If it does not come up.
    pub fn start(
        lab: &Lab,
        program: Program,
        host: u8,
        authority: &Authority,
        lies: &[Lie],
    ) -> anyhow::Result<Self> {
        let address = network::public(host);
        lab.network.serve_at(&[address])?;
        let place = Place { namespace: &lab.network.server, listens: address.both().to_vec() };
        let process = start(lab, program, host, &place, authority, lies)?;
        let mut resolver = Self { process, address };
        answers(&mut resolver.process, &lab.network.server, address)?;
        Ok(resolver)
    }
}

/// Starts unbound on the client's loopback, which asks `authority` through the router, in capitals at
/// random.
///
/// # Errors
///
/// If it does not come up.
pub fn at_client(lab: &Lab, authority: &Authority) -> anyhow::Result<Resolver> {
    let here = Pair { v4: [127, 0, 0, 1].into(), v6: 1.into() };
    let place = Place { namespace: &lab.network.client, listens: here.both().to_vec() };
    let process = start(lab, Program::Unbound, 1, &place, authority, &[])?;
    let mut resolver = Resolver { process, address: here };
    answers(&mut resolver.process, &lab.network.client, here)?;
    Ok(resolver)
}

/// Where a resolver runs.
struct Place<'a> {
    namespace: &'a Namespace,
    listens: Vec<std::net::IpAddr>,
}

fn start(
    lab: &Lab,
    program: Program,
    host: u8,
    place: &Place<'_>,
    authority: &Authority,
    lies: &[Lie],
) -> anyhow::Result<Process> {
    let name = format!("{}-{host}", program.command());
    let directory = lab.directory().join(&name);
    fs::create_dir(&directory)?;
    let text = configure::text(program, &directory, &place.listens, authority, lies);
    let path = directory.join("configuration");
    fs::write(&path, text)?;
    let mut command = match program {
        Program::Unbound => {
            let mut command = place.namespace.command("unbound");
            command.arg("-d").arg("-c").arg(&path);
            command
        }
        Program::Bind => {
            let mut command = place.namespace.command(named(&directory)?);
            command.args(["-g", "-n", "1", "-c"]).arg(&path);
            command
        }
        Program::Dnsmasq => {
            let mut command = place.namespace.command("dnsmasq");
            command.arg("--keep-in-foreground").arg(format!("--conf-file={}", path.display()));
            command
        }
        Program::Knot => {
            let mut command = place.namespace.command("kresd");
            command.arg("--noninteractive").arg("-c").arg(&path).arg(&directory);
            command
        }
    };
    Process::start_logged(&name, &mut command, lab.directory())
}

/// A copy of named: where AppArmor is at work, Debian's profile goes by the path, and would not let it
/// read a configuration of ours.
fn named(directory: &Path) -> anyhow::Result<std::path::PathBuf> {
    let copy = directory.join("named");
    let found = ["/usr/sbin/named", "/usr/local/sbin/named", "/usr/bin/named"];
    let program = found.iter().find(|path| Path::new(path).exists()).unwrap_or(&found[0]);
    fs::copy(program, &copy)
        .map_err(|error| anyhow::anyhow!("cannot copy {program} (package bind9): {error}"))?;
    Ok(copy)
}
