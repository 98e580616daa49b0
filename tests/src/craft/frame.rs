//! Link layers around an IP packet.

/// EtherType of 802.1Q.
pub const VLAN: u16 = 0x8100;
/// EtherType of 802.1ad.
pub const QINQ: u16 = 0x88a8;
/// EtherType of older Q-in-Q.
pub const QINQ_OLD: u16 = 0x9100;

const MPLS: u16 = 0x8847;
const PPPOE_SESSION: u16 = 0x8864;

/// A frame of any EtherType.
pub fn raw(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A plain frame.
pub fn ethernet(ip: &[u8]) -> Vec<u8> {
    raw(ethertype(ip), ip)
}

/// A frame with VLAN tags, outer first: EtherType and identifier of each.
pub fn tagged(tags: &[(u16, u16)], ip: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (place, (_, id)) in tags.iter().enumerate() {
        let inner = tags.get(place + 1).map_or(ethertype(ip), |next| next.0);
        // Priority 5, as a network of voice and data has it.
        payload.extend((0xa000 | id).to_be_bytes());
        payload.extend(inner.to_be_bytes());
    }
    payload.extend(ip);
    raw(tags.first().map_or(ethertype(ip), |tag| tag.0), &payload)
}

/// A PPPoE session frame (RFC 2516).
pub fn pppoe(ip: &[u8]) -> Vec<u8> {
    let protocol: u16 = if ip.first().is_some_and(|first| first >> 4 == 6) { 0x57 } else { 0x21 };
    let mut payload = vec![0x11, 0, 0x12, 0x34];
    payload.extend((ip.len() as u16 + 2).to_be_bytes());
    payload.extend(protocol.to_be_bytes());
    payload.extend(ip);
    raw(PPPOE_SESSION, &payload)
}

/// A frame with `labels` MPLS labels (RFC 3032).
pub fn mpls(labels: u32, ip: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    for label in 1..=labels {
        let bottom = u32::from(label == labels) << 8;
        payload.extend((label << 12 | bottom | 64).to_be_bytes());
    }
    payload.extend(ip);
    raw(MPLS, &payload)
}

/// A way to enclose an IP packet in a frame.
pub type Link = fn(&[u8]) -> Vec<u8>;

/// All of them by name; the last ones go deeper than the parser follows.
pub const LINKS: &[(&str, Link)] = &[
    ("ethernet", ethernet),
    ("vlan", |ip| tagged(&[(VLAN, 7)], ip)),
    ("qinq", |ip| tagged(&[(QINQ, 4094), (VLAN, 12)], ip)),
    ("old-qinq", |ip| tagged(&[(QINQ_OLD, 3), (QINQ_OLD, 4)], ip)),
    ("pppoe", pppoe),
    ("mpls", |ip| mpls(1, ip)),
    ("mpls-4", |ip| mpls(4, ip)),
    ("mpls-5", |ip| mpls(5, ip)),
    ("vlan-3", |ip| tagged(&[(QINQ, 1), (VLAN, 2), (VLAN, 3)], ip)),
];

fn ethertype(ip: &[u8]) -> u16 {
    if ip.first().is_some_and(|first| first >> 4 == 6) { 0x86dd } else { 0x0800 }
}
