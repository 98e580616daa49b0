//! Ethernet, VLAN tags, PPPoE and MPLS.

use super::{Octets, quirk};
use crate::counter::Counter;

/// VLAN tags that are followed: 802.1ad has two (Q-in-Q).
pub const VLAN_MAX: usize = 2;

/// MPLS labels that are followed.
pub const MPLS_MAX: usize = 4;

/// IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100;
const ETHERTYPE_QINQ: u16 = 0x88a8;
/// Older Q-in-Q equipment.
const ETHERTYPE_QINQ_OLD: u16 = 0x9100;
const ETHERTYPE_PPPOE_SESSION: u16 = 0x8864;
const ETHERTYPE_MPLS: u16 = 0x8847;
const ETHERTYPE_MPLS_MULTICAST: u16 = 0x8848;

/// PPP protocol numbers of IPv4 and IPv6 (RFC 1332, RFC 5072).
const PPP_IPV4: u16 = 0x0021;
const PPP_IPV6: u16 = 0x0057;

/// Length of a plain Ethernet header.
pub const ETHERNET_LEN: usize = 14;
/// Length of a VLAN tag.
pub const VLAN_LEN: usize = 4;
const MPLS_LEN: usize = 4;
/// PPPoE header (RFC 2516, section 4) and the PPP protocol field.
const PPPOE_LEN: usize = 6 + 2;

/// Where the IP header lies.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// VLAN identifiers, outer first; 0: none.
    pub vlan: [u16; 2],
    /// IP version that the link layer announces.
    pub version: u8,
    /// Offset of the IP header.
    pub at: usize,
    /// See [`quirk`].
    pub quirks: u32,
}

/// Finds the IP header.
///
/// # Errors
///
/// [`Counter::NotIp`], [`Counter::Truncated`] or [`Counter::TooDeep`].
#[inline(always)]
pub fn locate<O: Octets>(octets: &O) -> Result<Link, Counter> {
    let mut ethertype = octets.u16(12).ok_or(Counter::Truncated)?;
    let mut at = ETHERNET_LEN;
    let mut vlan = [0; 2];
    for slot in &mut vlan {
        if !is_vlan(ethertype) {
            break;
        }
        let tag = octets.u32(at).ok_or(Counter::Truncated)?;
        *slot = (tag >> 16) as u16 & 0x0fff;
        ethertype = tag as u16;
        at += VLAN_LEN;
    }
    if is_vlan(ethertype) {
        return Err(Counter::TooDeep);
    }
    let version = match ethertype {
        ETHERTYPE_IPV4 => 4,
        ETHERTYPE_IPV6 => 6,
        ETHERTYPE_PPPOE_SESSION => {
            let ppp = octets.u16(at + PPPOE_LEN - 2).ok_or(Counter::Truncated)?;
            let version = match ppp {
                PPP_IPV4 => 4,
                PPP_IPV6 => 6,
                _ => return Err(Counter::NotIp),
            };
            return Ok(Link { vlan, version, at: at + PPPOE_LEN, quirks: quirk::PPPOE });
        }
        ETHERTYPE_MPLS | ETHERTYPE_MPLS_MULTICAST => return under_labels(octets, at, vlan),
        _ => return Err(Counter::NotIp),
    };
    Ok(Link { vlan, version, at, quirks: 0 })
}

/// Whether a VLAN tag comes next.
#[inline(always)]
pub const fn is_vlan(ethertype: u16) -> bool {
    matches!(ethertype, ETHERTYPE_VLAN | ETHERTYPE_QINQ | ETHERTYPE_QINQ_OLD)
}

/// Follows the label stack (RFC 3032) to its bottom, where only the IP version field tells what
/// comes: labels do not name their payload.
#[inline(always)]
fn under_labels<O: Octets>(octets: &O, start: usize, vlan: [u16; 2]) -> Result<Link, Counter> {
    let mut at = start;
    for _ in 0..MPLS_MAX {
        let label = octets.u32(at).ok_or(Counter::Truncated)?;
        at += MPLS_LEN;
        if label & 0x100 != 0 {
            let version = octets.u8(at).ok_or(Counter::Truncated)? >> 4;
            if version != 4 && version != 6 {
                return Err(Counter::NotIp);
            }
            return Ok(Link { vlan, version, at, quirks: quirk::MPLS });
        }
    }
    Err(Counter::TooDeep)
}
