//! Whether the driver runs XDP programs itself, and on packets of which size.

use std::io;

use nix::sys::socket::SockProtocol;

use super::kernel::Version;
use super::link::Link;
use super::netlink::{Netlink, attribute, push_attribute, u16_at, u64_at};
use super::report::Check;

/// Generic netlink (`linux/genetlink.h`) and its "netdev" family (`linux/netdev.h`, Linux 6.3).
const GENL_HEADER: [u8; 4] = [0, 1, 0, 0];
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;

/// `NETDEV_XDP_ACT_BASIC`: the driver runs programs.
const BASIC: u64 = 1;
/// `NETDEV_XDP_ACT_RX_SG`: also on packets of several buffers.
const FRAGMENTS: u64 = 32;

/// The largest MTU that fits one page with the headroom and trailer that XDP needs; drivers differ
/// by a few dozen bytes. 4096 - 256 (`XDP_PACKET_HEADROOM`) - 320 (`skb_shared_info`) - 22.
const ONE_PAGE_MTU: u32 = 3498;

/// Drivers with native XDP and the kernel that brought it, for kernels that do not tell. From the
/// list "XDP" in iovisor/bcc `docs/kernel-versions.md` and `git grep -l XDP_SETUP_PROG drivers/`;
/// names are those that `ethtool -i` shows.
const NATIVE: &[(&str, Version)] = &[
    ("bnxt_en", (4, 11)),
    ("bonding", (5, 15)),
    ("cpsw", (5, 3)),
    ("ena", (5, 6)),
    ("fsl_dpaa2_eth", (5, 0)),
    ("hv_netvsc", (5, 6)),
    ("i40e", (4, 13)),
    ("ice", (5, 5)),
    ("igb", (5, 10)),
    ("igc", (5, 13)),
    ("ixgbe", (4, 12)),
    ("ixgbevf", (4, 17)),
    ("mlx4_en", (4, 8)),
    ("mlx5_core", (4, 9)),
    ("mvneta", (5, 5)),
    ("mvpp2", (5, 9)),
    ("netsec", (5, 3)),
    ("nfp", (4, 10)),
    ("nicvf", (4, 12)),
    ("qede", (4, 10)),
    ("sfc", (5, 5)),
    ("tun", (4, 14)),
    ("veth", (4, 19)),
    ("vif", (5, 9)),
    ("virtio_net", (4, 10)),
];

/// Kinds of interfaces that carry packets of others, where those others are the better place.
const UPPER: &[&str] = &["bridge", "vlan", "macvlan", "ipvlan", "vxlan", "team", "openvswitch"];

/// What the kernel says of the device's XDP support; `None` before Linux 6.3.
pub(super) fn features(index: u32) -> Option<u64> {
    ask(index).ok().flatten()
}

fn ask(index: u32) -> io::Result<Option<u64>> {
    let netlink = Netlink::open(SockProtocol::NetlinkGeneric)?;
    let mut body = GENL_HEADER.to_vec();
    body[0] = CTRL_CMD_GETFAMILY;
    push_attribute(&mut body, CTRL_ATTR_FAMILY_NAME, b"netdev\0");
    let answers = netlink.ask(libc::GENL_ID_CTRL as u16, &body)?;
    let Some(family) = value(&answers, CTRL_ATTR_FAMILY_ID).and_then(|id| u16_at(id, 0)) else {
        return Ok(None);
    };
    let mut body = GENL_HEADER.to_vec();
    body[0] = NETDEV_CMD_DEV_GET;
    push_attribute(&mut body, NETDEV_A_DEV_IFINDEX, &index.to_ne_bytes());
    let answers = netlink.ask(family, &body)?;
    Ok(value(&answers, NETDEV_A_DEV_XDP_FEATURES).and_then(|features| u64_at(features, 0)))
}

/// The value of an attribute in the first answer.
fn value(answers: &[Vec<u8>], kind: u16) -> Option<&[u8]> {
    attribute(answers.first()?.get(GENL_HEADER.len()..)?, kind)
}

/// Whether packets are seen before the kernel makes its own structures of them, at full speed.
pub(super) fn native(
    link: &Link,
    driver: Option<&str>,
    features: Option<u64>,
    version: Option<Version>,
) -> Check {
    let name = driver.or(link.kind.as_deref()).unwrap_or("an unknown driver");
    let supported = features.map(|features| features & BASIC != 0).or_else(|| {
        let (_, since) = NATIVE.iter().find(|(known, _)| Some(*known) == driver)?;
        version.map(|version| version >= *since)
    });
    let generic = "it will run in generic mode, slower, and after the kernel has merged packets";
    let upper = link.kind.as_deref().filter(|kind| UPPER.contains(kind));
    match (supported, upper) {
        (Some(true), _) => Check::ok("driver", format!("{name}, with native XDP")),
        (_, Some(kind)) => Check::warn("driver", format!("a {kind}: {generic}"))
            .advise("name the interfaces below it instead, if they are Ethernet"),
        (Some(false), None) => {
            Check::warn("driver", format!("{name} has no native XDP: {generic}"))
                .advise("watch `forgewatch run` for loss at high rates, or use other hardware")
        }
        (None, None) => {
            Check::unknown("driver", format!("{name}: this kernel does not tell of native XDP"))
                .advise("it is tried first; generic mode follows")
        }
    }
}

/// Whether the largest packets fit.
pub(super) fn mtu(link: &Link, features: Option<u64>) -> Check {
    let mtu = link.mtu;
    if mtu <= ONE_PAGE_MTU {
        return Check::ok("mtu", format!("{mtu}"));
    }
    match features {
        Some(features) if features & (BASIC | FRAGMENTS) == BASIC | FRAGMENTS => {
            Check::ok("mtu", format!("{mtu}, as fragments, which the driver knows"))
        }
        Some(features) if features & BASIC == 0 => {
            Check::ok("mtu", format!("{mtu}, in generic mode"))
        }
        _ => Check::warn("mtu", format!("{mtu}: over {ONE_PAGE_MTU}, native XDP may be refused"))
            .advise("it will run in generic mode, or lower the MTU"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    const DEBIAN_12: Option<Version> = Some((6, 1));

    #[test]
    fn the_kernel_knows_better_than_the_table() {
        let link = Link::default();
        assert_eq!(native(&link, Some("veth"), Some(0), None).status, Status::Warn);
        assert_eq!(native(&link, Some("r8169"), Some(BASIC), None).status, Status::Ok);
    }

    #[test]
    fn without_the_kernel_the_table_decides() {
        let link = Link::default();
        let status = |driver, version| native(&link, Some(driver), None, version).status;
        assert_eq!(status("igc", DEBIAN_12), Status::Ok);
        assert_eq!(status("igc", Some((5, 10))), Status::Warn);
        assert_eq!(status("e1000e", DEBIAN_12), Status::Unknown);
        assert_eq!(native(&link, None, None, DEBIAN_12).status, Status::Unknown);
    }

    #[test]
    fn a_vlan_is_sent_below() {
        let link = Link { kind: Some("vlan".to_owned()), ..Link::default() };
        let check = native(&link, Some("802.1Q VLAN Support"), Some(0), None);
        assert_eq!(check.status, Status::Warn);
        assert!(check.advice.is_some_and(|advice| advice.contains("below")));
    }

    #[test]
    fn large_packets_need_fragments_in_native_mode() {
        let status = |mtu, features| {
            let link = Link { mtu, ..Link::default() };
            super::mtu(&link, features).status
        };
        assert_eq!(status(1500, None), Status::Ok);
        assert_eq!(status(9000, None), Status::Warn);
        assert_eq!(status(9000, Some(BASIC)), Status::Warn);
        assert_eq!(status(9000, Some(BASIC | FRAGMENTS)), Status::Ok);
        assert_eq!(status(9000, Some(0)), Status::Ok);
    }
}
