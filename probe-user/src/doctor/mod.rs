//! `forgewatch doctor`: can it run here, and what will it miss?
//!
//! Every check looks at one thing, changes nothing, works without root as far as it can (and says
//! what it could not find out), and ends in advice. It needs no tool: the answers come from
//! `/proc`, netlink, the ethtool ioctl and the `bpf` system call itself.

mod attached;
mod bpf;
mod clock;
mod ethtool;
mod holder;
mod iface;
mod kernel;
mod link;
mod nat;
mod netlink;
mod offload;
mod pins;
mod privileges;
mod report;
mod routing;
mod sandbox;
mod xdp;

pub(crate) use attached::{at_ingress, egress_filter, has_program};
pub(crate) use link::has_xdp;
pub use report::{Check, Outcome, Report, Status};

use std::path::PathBuf;

use ethtool::Ethtool;
use kernel::Version;
use link::Link;

/// What to examine.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The interfaces that Forgewatch is to watch; with none, only the host is examined.
    pub ifaces: Vec<String>,
    /// Where agents pin; with none, that is not looked at.
    pub pins: Option<PathBuf>,
}

/// Examines the host, and the interfaces asked for.
pub fn examine(options: &Options) -> Report {
    let version = kernel::version();
    let mut checks = vec![
        kernel::release(version),
        privileges::check(version),
        bpf::check(),
        kernel::btf(),
        kernel::jit(),
        kernel::lockdown(),
        sandbox::check(version),
    ];
    checks.extend(kernel::memlock(version));
    checks.push(clock::check());
    checks.push(nat::check(options.ifaces.len()));
    checks.push(routing::forwarding());
    checks.push(routing::uplinks(&options.ifaces));

    checks.extend(options.pins.iter().flat_map(|base| pins::checks(base)));

    let links = link::all();
    if options.ifaces.is_empty() {
        checks.push(iface::list());
    }
    for (position, name) in options.ifaces.iter().enumerate() {
        if options.ifaces[..position].contains(name) {
            checks.push(
                Check::warn("interface", "asked for more than once")
                    .advise("name it once")
                    .on(name),
            );
            continue;
        }
        match &links {
            Ok(links) => checks.extend(examine_iface(name, version, links)),
            Err(error) => checks.push(
                Check::unknown("interface", format!("netlink gives no interfaces: {error}"))
                    .advise("allow AF_NETLINK sockets, if a sandbox forbids them")
                    .on(name),
            ),
        }
    }
    Report { checks }
}

/// Everything about one interface; only its absence, if it does not exist.
fn examine_iface(name: &str, version: Option<Version>, links: &[Link]) -> Vec<Check> {
    let Some(link) = links.iter().find(|link| link.name == name) else {
        return vec![iface::missing().on(name)];
    };
    let ethtool = Ethtool::open(name);
    let features = ethtool.as_ref().ok().and_then(|ethtool| ethtool.features().ok());
    let driver = ethtool.as_ref().ok().and_then(|ethtool| ethtool.driver().ok());
    let queues = ethtool.as_ref().ok().and_then(|ethtool| ethtool.receive_queues().ok());
    let xdp = xdp::features(link.index);

    let mut checks = vec![
        iface::state(link),
        iface::hardware(link),
        xdp::native(link, driver.as_deref(), xdp, version),
        xdp::mtu(link, xdp),
        attached::xdp(link),
        attached::egress(link),
        offload::receive(features.as_deref()),
        offload::vlan(features.as_deref(), link, links),
        offload::send(features.as_deref()),
        iface::queues(queues.unwrap_or(link.receive_queues)),
    ];
    checks.extend(routing::reverse_path(name));
    checks.into_iter().map(|check| check.on(name)).collect()
}
