//! Many clients: each an address of its own on the client's box, since what is said of a service is said
//! by clients and not by connections.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use super::{
    Lab,
    clients::{self, Outcome, Scheme},
    network::ETH,
    process,
};

/// The first one's last octet; the client's own is 2.
const FIRST: u8 = 100;

/// How many fetch at a time.
const TOGETHER: usize = 8;

/// How long the lab waits for one.
const LIMIT: Duration = Duration::from_secs(30);

/// A page, and where it is.
pub type Place = (&'static str, IpAddr);

/// Has `count` clients, at most 150, fetch one of `places` each, in turn, by TLS; returns what they met.
///
/// # Errors
///
/// If they cannot be made, or curl cannot be run.
pub fn fetch(lab: &Lab, count: u8, places: &[Place]) -> anyhow::Result<Vec<(Place, Outcome)>> {
    let addresses: Vec<Ipv4Addr> =
        (0..count).map(|nth| Ipv4Addr::new(10, 71, 1, FIRST + nth)).collect();
    let lines: String =
        addresses.iter().map(|address| format!("addr add {address}/24 dev {ETH}\n")).collect();
    lab.network.client.ip(&lines)?;
    let waiting = Mutex::new(addresses.into_iter().zip(places.iter().copied().cycle()));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || -> anyhow::Result<Vec<(Place, Outcome)>> {
        let mut met = Vec::new();
        while let Some((client, place)) = next() {
            met.push((place, one(lab, client, place)?));
        }
        Ok(met)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(work)).collect();
        let mut met = Vec::new();
        for worker in workers {
            let part = worker.join().map_err(|_| anyhow::anyhow!("a client has panicked"))?;
            met.extend(part?);
        }
        Ok(met)
    })
}

fn one(lab: &Lab, client: Ipv4Addr, place: Place) -> anyhow::Result<Outcome> {
    let (namespace, authority) = (&lab.network.client, &lab.servers.authority);
    let mut command = clients::curl(namespace, authority, Scheme::Https, place, "/");
    command.args(["--interface", &client.to_string()]);
    Ok(clients::outcome(&process::output("curl", &mut command, LIMIT)?))
}
