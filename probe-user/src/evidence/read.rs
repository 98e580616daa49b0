//! Kept packets, read for showing.

use etherparse::{LaxPacketHeaders, NetHeaders, TransportHeader};

use super::{End, Exhibit, Ip, Packet, Tcp};

/// Packets as they are shown. One that cannot be read (from a ledger that somebody has edited, say) is
/// left out.
#[must_use]
pub fn exhibits(packets: &[Packet]) -> Vec<Exhibit> {
    let first = packets.iter().map(|packet| packet.offset).min().unwrap_or(0);
    packets.iter().filter_map(|packet| exhibit(packet, first)).collect()
}

fn exhibit(packet: &Packet, first: i64) -> Option<Exhibit> {
    let headers = LaxPacketHeaders::from_ip(&packet.bytes).ok()?;
    let (ip, at, length) = match headers.net? {
        NetHeaders::Ipv4(ip, _) => {
            let shown = Ip {
                hops: ip.time_to_live,
                class: ip.dscp.value() << 2 | ip.ecn.value(),
                id: Some(ip.identification),
                df: Some(ip.dont_fragment),
                flow_label: None,
            };
            (shown, ip.header_len(), usize::from(ip.total_len).saturating_sub(ip.header_len()))
        }
        NetHeaders::Ipv6(ip, _) => {
            let shown = Ip {
                hops: ip.hop_limit,
                class: ip.traffic_class,
                id: None,
                df: None,
                flow_label: Some(ip.flow_label.value()),
            };
            (shown, ip.header_len(), usize::from(ip.payload_length))
        }
        NetHeaders::Arp(_) => return None,
    };
    let own = packet.from == End::Client && !packet.standing.accuses();
    let (tcp, transport) = match headers.transport? {
        TransportHeader::Tcp(tcp) => {
            let flags = packet.bytes.get(at + 12..at + 14)?;
            let shown = Tcp {
                flags: u16::from_be_bytes([flags[0] & 0x0f, flags[1]]),
                seq: tcp.sequence_number,
                ack: (tcp.acknowledgment_number != 0).then_some(tcp.acknowledgment_number),
                window: (!own).then_some(tcp.window_size),
                urgent: tcp.urgent_pointer,
                options: tcp.options.as_slice().to_vec(),
            };
            (Some(shown), tcp.header_len())
        }
        TransportHeader::Udp(_) => (None, 8),
        _ => return None,
    };
    Some(Exhibit {
        offset: packet.offset.abs_diff(first),
        from: packet.from,
        standing: packet.standing,
        origin: packet.origin,
        ip: (!own).then_some(ip),
        tcp,
        length: length.saturating_sub(transport) as u32,
        payload: packet.bytes.get(at + transport..).unwrap_or_default().to_vec(),
        note: packet.note.clone(),
    })
}
