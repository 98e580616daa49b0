//! Most packets are told to be of no interest by what stands at fixed places: segments and datagrams of
//! unwatched flows, in IPv4 or IPv6 without options, with one VLAN tag or none.
//!
//! It says nothing that [`Engine::sort`](super::Engine::sort) would not have found by following the headers
//! one by one; it says it at half the cost, and where it is in doubt it says nothing.

use super::Output;
use crate::{
    config::Config,
    counter::Counter,
    wire::{Address, Near, Octets, dns, link, protocol, quic, tcp, tcp_flag},
};

/// Where the IP header lies, if there is no tag in front of it, and what says so.
const IP: usize = link::ETHERNET_LEN;
const ETHERTYPE: usize = IP - 2;
/// Where the transport header lies behind IPv4 without options, and behind IPv6 without extensions.
const BEHIND_V4: usize = IP + 20;
const BEHIND_V6: usize = IP + 40;
/// Up to where the fixed part of a TCP header reaches behind each; a UDP header and an octet more, too.
const V4: usize = BEHIND_V4 + 20;
const V6: usize = BEHIND_V6 + 20;

/// A packet of no interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passing {
    /// Up to where it reaches, by its IP header.
    pub(super) end: usize,
    /// What it counts as.
    pub(super) counter: Counter,
}

/// Says that a packet is of no interest, if that can be told so.
#[inline(always)]
pub(super) fn passing<O: Octets, S: Output<O>>(
    octets: &O,
    config: &Config,
    output: &S,
) -> Option<Passing> {
    let near = octets.near::<V4>(0)?;
    if link::is_vlan(near.u16(ETHERTYPE)) {
        let near = octets.near::<V4>(link::VLAN_LEN)?;
        Glance { octets, config, output, tag: link::VLAN_LEN }.network(near)
    } else {
        Glance { octets, config, output, tag: 0 }.network(near)
    }
}

/// What there is to look at.
struct Glance<'a, O, S> {
    octets: &'a O,
    config: &'a Config,
    output: &'a S,
    /// Octets of tags.
    tag: usize,
}

impl<O: Octets, S: Output<O>> Glance<'_, O, S> {
    /// `near`: what stands from the tag on as if there were none.
    #[inline(always)]
    fn network(&self, near: Near<'_, V4>) -> Option<Passing> {
        match near.u16(ETHERTYPE) {
            link::ETHERTYPE_IPV4 => self.v4(near),
            link::ETHERTYPE_IPV6 => self.v6(self.octets.near(self.tag)?),
            _ => None,
        }
    }

    #[inline(always)]
    fn v4(&self, near: Near<'_, V4>) -> Option<Passing> {
        // Version 4 and no options; neither a later fragment nor one that more are to come after.
        if near.u8(IP) != 0x45 || near.u16(IP + 6) & 0x3fff != 0 {
            return None;
        }
        let length = usize::from(near.u16(IP + 2)).checked_sub(BEHIND_V4 - IP)?;
        let address = |at| Address::v4(near.u32(at));
        self.transport::<V4, BEHIND_V4>(near, near.u8(IP + 9), length, |from_source| {
            if from_source { address(IP + 12) } else { address(IP + 16) }
        })
    }

    #[inline(always)]
    fn v6(&self, near: Near<'_, V6>) -> Option<Passing> {
        if near.u8(IP) >> 4 != 6 {
            return None;
        }
        let length = usize::from(near.u16(IP + 4));
        let address = |at| Address { high: near.u64(at), low: near.u64(at + 8) };
        self.transport::<V6, BEHIND_V6>(near, near.u8(IP + 6), length, |from_source| {
            if from_source { address(IP + 8) } else { address(IP + 24) }
        })
    }

    /// The transport header at `AT`, with `length` octets from there on; `address`: of the source or of the
    /// destination.
    #[inline(always)]
    fn transport<const N: usize, const AT: usize>(
        &self,
        near: Near<'_, N>,
        protocol: u8,
        length: usize,
        address: impl Fn(bool) -> Address,
    ) -> Option<Passing> {
        let (from, to) = (near.u16(AT), near.u16(AT + 2));
        if self.config.is_dns(from, to) {
            return None;
        }
        let end = self.tag + AT + length;
        match protocol {
            protocol::TCP => {
                let control = near.u16(AT + 12);
                // A length that says nothing is a super-segment's.
                if control & (tcp_flag::SYN | tcp_flag::RST) != 0 || length < N - AT {
                    return None;
                }
                // Servers listen on the lower port; what is watched are servers.
                if self.output.watched(address(from < to)) {
                    return None;
                }
                let header = usize::from(control >> 12) * 4;
                // Clients have the higher one. What goes on with a hello does not say so itself.
                if length > header && from > to && self.output.awaited(address(true), from) {
                    return None;
                }
                if length >= header + 8
                    && let Some(begins) = self.octets.u64(self.tag + AT + header)
                    && tcp::opens_conversation((begins >> 32) as u32, begins as u32)
                {
                    return None;
                }
                Some(Passing { end, counter: Counter::TcpUnwatched })
            }
            protocol::UDP => {
                let quic = from == quic::PORT || to == quic::PORT;
                if length < dns::UDP_LEN || quic && quic::is_long(near.u8(AT + dns::UDP_LEN)) {
                    return None;
                }
                Some(Passing { end, counter: Counter::OtherProtocol })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
