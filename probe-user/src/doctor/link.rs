//! The interfaces, as the kernel describes them over rtnetlink.
//!
//! Message layout from `linux/rtnetlink.h` and `linux/if_link.h`.

use std::io;

use nix::sys::socket::SockProtocol;

use super::netlink::{Netlink, attribute, attributes, i32_at, text, u16_at, u32_at};

/// Length of `struct ifinfomsg` in bytes.
const HEADER: usize = 16;

const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NUM_RX_QUEUES: u16 = 32;
const IFLA_CARRIER: u16 = 33;
const IFLA_XDP: u16 = 43;

const IFLA_INFO_KIND: u16 = 1;

const IFLA_XDP_ATTACHED: u16 = 2;
/// The program, and those of each mode if there are several.
const IFLA_XDP_IDS: [u16; 4] = [4, 5, 6, 7];

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) name: String,
    /// ARPHRD_ number.
    pub(super) hardware: u16,
    /// Turned on by the administrator.
    pub(super) up: bool,
    /// Has a cable, or whatever stands for one.
    pub(super) carrier: bool,
    /// Largest payload in bytes.
    pub(super) mtu: u32,
    /// The interface that it is made on (for a VLAN) or connected to (for a veth).
    pub(super) lower: Option<u32>,
    /// The bridge or bond that it is in.
    pub(super) master: Option<u32>,
    /// What made it, such as "veth" or "vlan"; nothing for hardware.
    pub(super) kind: Option<String>,
    pub(super) receive_queues: u32,
    /// XDP_ATTACHED_ number: how an XDP program is attached; 0 is not at all.
    pub(super) xdp_mode: u8,
    /// Its id; several if it is attached in several modes.
    pub(super) xdp_programs: Vec<u32>,
}

/// All interfaces of this network namespace.
pub(super) fn all() -> io::Result<Vec<Link>> {
    let netlink = Netlink::open(SockProtocol::NetlinkRoute)?;
    let answers = netlink.dump(libc::RTM_GETLINK, &[0; HEADER])?;
    Ok(answers.iter().filter_map(|body| parse(body)).collect())
}

/// Whether an XDP program is on the interface of this index.
pub(crate) fn has_xdp(index: u32) -> bool {
    all().is_ok_and(|links| links.iter().any(|link| link.index == index && link.xdp_mode != 0))
}

fn parse(body: &[u8]) -> Option<Link> {
    let flags = u32_at(body, 8)?.cast_signed();
    let mut link = Link {
        hardware: u16_at(body, 2)?,
        index: u32_at(body, 4)?,
        up: flags & libc::IFF_UP != 0,
        carrier: flags & libc::IFF_LOWER_UP != 0,
        ..Link::default()
    };
    for (kind, value) in attributes(body.get(HEADER..)?) {
        let number = || i32_at(value, 0).map(i32::cast_unsigned);
        match kind {
            IFLA_IFNAME => link.name = text(value),
            IFLA_MTU => link.mtu = number().unwrap_or(0),
            IFLA_LINK => link.lower = number(),
            IFLA_MASTER => link.master = number(),
            IFLA_LINKINFO => link.kind = attribute(value, IFLA_INFO_KIND).map(text),
            IFLA_NUM_RX_QUEUES => link.receive_queues = number().unwrap_or(0),
            IFLA_CARRIER => link.carrier = value.first() == Some(&1),
            IFLA_XDP => {
                link.xdp_mode = attribute(value, IFLA_XDP_ATTACHED)
                    .and_then(|mode| mode.first().copied())
                    .unwrap_or(0);
                link.xdp_programs = IFLA_XDP_IDS
                    .iter()
                    .filter_map(|kind| attribute(value, *kind).and_then(|id| u32_at(id, 0)))
                    .collect();
                link.xdp_programs.sort_unstable();
                link.xdp_programs.dedup();
            }
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

#[cfg(test)]
mod tests {
    use super::super::netlink::push_attribute;
    use super::*;

    /// A message as the kernel sends it for a veth with an XDP program in driver mode.
    fn message() -> Vec<u8> {
        let mut body = vec![0; HEADER];
        body[2..4].copy_from_slice(&1u16.to_ne_bytes());
        body[4..8].copy_from_slice(&7u32.to_ne_bytes());
        body[8..12].copy_from_slice(&0x1_1043u32.to_ne_bytes());
        push_attribute(&mut body, IFLA_IFNAME, b"wan0\0");
        push_attribute(&mut body, IFLA_MTU, &1500u32.to_ne_bytes());
        push_attribute(&mut body, IFLA_LINK, &6u32.to_ne_bytes());
        push_attribute(&mut body, IFLA_NUM_RX_QUEUES, &2u32.to_ne_bytes());
        push_attribute(&mut body, IFLA_CARRIER, &[1]);
        let mut info = Vec::new();
        push_attribute(&mut info, IFLA_INFO_KIND, b"veth\0");
        push_attribute(&mut body, IFLA_LINKINFO | 0x8000, &info);
        let mut xdp = Vec::new();
        push_attribute(&mut xdp, IFLA_XDP_ATTACHED, &[1]);
        push_attribute(&mut xdp, 4, &99u32.to_ne_bytes());
        push_attribute(&mut xdp, 5, &99u32.to_ne_bytes());
        push_attribute(&mut body, IFLA_XDP | 0x8000, &xdp);
        body
    }

    #[test]
    fn a_message_is_understood() {
        let expected = Link {
            index: 7,
            name: "wan0".to_owned(),
            hardware: 1,
            up: true,
            carrier: true,
            mtu: 1500,
            lower: Some(6),
            master: None,
            kind: Some("veth".to_owned()),
            receive_queues: 2,
            xdp_mode: 1,
            xdp_programs: vec![99],
        };
        assert_eq!(parse(&message()), Some(expected));
    }

    #[test]
    fn a_cut_message_is_survived() {
        let message = message();
        for length in 0..message.len() {
            parse(&message[..length]);
        }
    }

    #[test]
    fn the_loopback_is_among_all() {
        let links = all().expect("rtnetlink needs no privileges");
        let loopback = links.iter().find(|link| link.name == "lo").expect("a loopback");
        assert_eq!(loopback.hardware, libc::ARPHRD_LOOPBACK);
    }
}
