//! A road for measurements: what is sent at one end meets a router, and goes on or not.
//!
//! ```text
//!  source ──────────── router ──────────── sink
//!    gen0          in0        out0          end0
//! ```
//!
//! Packets with the router's hardware address are forwarded; to any other, they are received, found
//! to be somebody else's, and dropped by the stack before it looks at their IP header: the least that
//! becomes of a packet that passes a program at ingress.

use anyhow::Context as _;
use serde_json::Value;

use super::{namespace::Namespace, network::FORWARDING, process};

/// The device that packets are sent by.
pub const GEN: &str = "gen0";
/// The router's device that they arrive at.
pub const IN: &str = "in0";
/// The router's device that they leave by.
pub const OUT: &str = "out0";
/// The device that they end at.
pub const END: &str = "end0";

/// Hardware address of the router's [`IN`]; the sink's, too, so that a frame whose memory is used
/// again is addressed to the router as before.
pub const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 0x11];

/// Where everything is sent to.
const THERE: &str = "198.51.100.0/24";

/// The three boxes.
#[derive(Debug)]
pub struct Road {
    /// Where packets are made.
    pub source: Namespace,
    /// Where they pass.
    pub router: Namespace,
    /// Where they end.
    pub sink: Namespace,
}

impl Road {
    /// Makes it, with devices of `queues` queues each.
    ///
    /// # Errors
    ///
    /// If that fails; it takes root.
    pub fn new(queues: u32) -> anyhow::Result<Self> {
        let road = Self {
            source: Namespace::alone("source")?,
            router: Namespace::alone("road")?,
            sink: Namespace::alone("sink")?,
        };
        for namespace in [&road.source, &road.router, &road.sink] {
            // Nothing of its own on the road.
            namespace.sysctl(&[
                ("ipv6/conf/all/disable_ipv6", "1"),
                ("ipv6/conf/default/disable_ipv6", "1"),
                ("ipv4/conf/all/rp_filter", "0"),
                ("ipv4/conf/default/rp_filter", "0"),
            ])?;
        }
        road.router.sysctl(&FORWARDING[..1])?;
        let address = ROUTER.map(|octet| format!("{octet:02x}")).join(":");
        let many = format!("numrxqueues {queues} numtxqueues {queues}");
        let pair = |one: &Namespace, here: &str, other: &Namespace, there: &str| {
            one.ip(&format!(
                "link add {here} {many} type veth peer name {there} {many} netns {}",
                other.name()
            ))
        };
        pair(&road.source, GEN, &road.router, IN)?;
        pair(&road.router, OUT, &road.sink, END)?;
        for (namespace, device) in
            [(&road.source, GEN), (&road.router, IN), (&road.router, OUT), (&road.sink, END)]
        {
            // Receiving as a network card does, by NAPI, whether or not a program is attached.
            let mut command = namespace.command("ethtool");
            command.args(["-K", device, "gro", "on"]);
            process::succeed("ethtool", &mut command)?;
        }
        road.router.ip(&format!("link set {IN} address {address}"))?;
        road.source.ip(&format!("link set {GEN} up"))?;
        road.sink.ip(&format!("link set {END} up"))?;
        road.router.ip(&format!(
            "link set {IN} up\n\
             link set {OUT} up\n\
             addr add 192.0.2.1/24 dev {OUT}\n\
             neigh add 192.0.2.2 lladdr {address} dev {OUT} nud permanent\n\
             route add {THERE} via 192.0.2.2"
        ))?;
        Ok(road)
    }
}

/// Packets that `device` in `namespace` has received so far.
///
/// # Errors
///
/// If there is no such device.
pub fn received(namespace: &Namespace, device: &str) -> anyhow::Result<u64> {
    let mut command = namespace.command("ip");
    command.args(["-j", "-s", "link", "show", "dev", device]);
    let links: Value = serde_json::from_str(&process::succeed("ip", &mut command)?)?;
    let packets = links[0]["stats64"]["rx"]["packets"].as_u64();
    packets.with_context(|| format!("`ip` does not tell what {device} has received: {links}"))
}
