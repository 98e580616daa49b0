//! A closed network on one machine: client, router, upstream box and server, each a network
//! namespace with a real stack, real servers and real clients. Nothing in it reaches the outside:
//! no namespace has a way out.

pub mod agent;
mod cleanup;
pub mod clients;
pub mod crowd;
pub mod disk;
pub mod flood;
pub mod foreign;
pub mod full;
pub mod injector;
pub mod inpath;
pub mod memory;
pub mod namespace;
pub mod network;
pub mod process;
pub mod quic;
pub mod resolvers;
pub mod road;
pub mod servers;
pub mod terminal;
pub mod wait;
pub mod wire;

use std::{
    net::IpAddr,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::bail;
use tempfile::TempDir;

use self::{
    clients::{Kind, Outcome, Scheme},
    network::Network,
    process::Process,
    servers::Servers,
};

/// The network with its servers running. Everything is removed when it is dropped, in the order of
/// the fields.
#[derive(Debug)]
pub struct Lab {
    /// nginx and unbound.
    pub servers: Servers,
    /// Boxes and wires.
    pub network: Network,
    directory: Directory,
}

/// Where configurations and logs are.
#[derive(Debug)]
struct Directory(TempDir);

impl Drop for Directory {
    fn drop(&mut self) {
        cleanup::forget_directory(self.0.path());
    }
}

/// A number that no other lab of this process has.
fn number() -> usize {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// How often a censor may lose the race to a server before it is taken for none.
const RACES: usize = 5;

impl Lab {
    /// Makes the network and starts the servers. To be called on a thread that outlives it.
    ///
    /// # Errors
    ///
    /// If something is missing or fails, root or a tool for instance; nothing is left then.
    pub fn new() -> anyhow::Result<Self> {
        cleanup::prepare()?;
        let number = number();
        let prefix = cleanup::directory_prefix();
        let making = cleanup::making();
        let directory = Directory(tempfile::Builder::new().prefix(&prefix).tempdir()?);
        cleanup::remember_directory(directory.0.path());
        drop(making);
        let network = Network::new(number)?;
        let servers = Servers::start(&network.server, directory.0.path())?;
        let lab = Self { servers, network, directory };
        lab.warm_up()?;
        Ok(lab)
    }

    /// Where files may be put that go away with the lab.
    pub fn directory(&self) -> &Path {
        self.directory.0.path()
    }

    /// Sends a packet each way before anything is measured, so that the first connection does not
    /// wait for the neighbours' hardware addresses. A router in use knows them.
    fn warm_up(&self) -> anyhow::Result<()> {
        for address in network::RESOLVER.both() {
            let mut command = self.network.client.command("ping");
            command.args(["-n", "-q", "-c", "1", "-W", "5"]).arg(address.to_string());
            process::succeed("ping", &mut command)?;
        }
        Ok(())
    }

    /// Fetches `name` by TLS from `address`.
    ///
    /// # Errors
    ///
    /// If curl cannot be run.
    pub fn https(&self, name: &str, address: impl Into<IpAddr>) -> anyhow::Result<Outcome> {
        self.fetch(Scheme::Https, name, address, "/")
    }

    /// Fetches `name` by TLS from `address` until a censor beside the path resets it. On a machine
    /// that is busy it now and then misses what triggers it, or comes after the answer.
    ///
    /// # Errors
    ///
    /// If curl cannot be run, or is reset none of five times.
    pub fn https_until_reset(&self, name: &str, address: impl Into<IpAddr>) -> anyhow::Result<()> {
        let address = address.into();
        let mut met = Vec::new();
        while met.len() < RACES {
            match self.https(name, address)? {
                Outcome::Reset => return Ok(()),
                other => met.push(other),
            }
        }
        bail!("the censor lost each race for {name} at {address}: {met:?}")
    }

    /// Fetches from `name` by TLS at `address` what trickles for longer than any test lasts.
    ///
    /// # Errors
    ///
    /// If curl cannot be run.
    pub fn https_slow(&self, name: &str, address: impl Into<IpAddr>) -> anyhow::Result<Outcome> {
        self.fetch(Scheme::Https, name, address, "/slow")
    }

    /// Fetches `path` of `name` by TLS from `address`, for a client that does not give up; `number`
    /// tells it apart from others.
    ///
    /// # Errors
    ///
    /// If curl cannot be started.
    pub fn wait_https(
        &self,
        number: usize,
        (name, address): (&str, IpAddr),
        path: &str,
    ) -> anyhow::Result<Process> {
        let authority = &self.servers.authority;
        let at = (name, address);
        let mut command = clients::curl(&self.network.client, authority, Scheme::Https, at, path);
        command.args(["--connect-timeout", "60"]);
        Process::start_logged(&format!("waiting-{number}"), &mut command, self.directory())
    }

    /// Fetches `name` in the clear from `address`.
    ///
    /// # Errors
    ///
    /// If curl cannot be run.
    pub fn http(&self, name: &str, address: impl Into<IpAddr>) -> anyhow::Result<Outcome> {
        self.fetch(Scheme::Http, name, address, "/")
    }

    fn fetch(
        &self,
        scheme: Scheme,
        name: &str,
        address: impl Into<IpAddr>,
        path: &str,
    ) -> anyhow::Result<Outcome> {
        let authority = &self.servers.authority;
        clients::fetch(&self.network.client, authority, scheme, (name, address.into()), path)
    }

    /// Asks the resolver, over IPv4, for the addresses of `name`; returns what came first.
    ///
    /// # Errors
    ///
    /// If dig cannot be run or nothing was answered.
    pub fn lookup(&self, name: &str, kind: Kind) -> anyhow::Result<Vec<IpAddr>> {
        clients::lookup(&self.network.client, network::RESOLVER.v4.into(), name, kind)
    }
}
