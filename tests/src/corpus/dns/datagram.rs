//! UDP datagrams on the wire, whole or in fragments.

use std::net::{IpAddr, SocketAddr};

use crate::corpus::segment::{CLIENT_MAC, ETHERNET, SERVER_MAC, checksum, sum_of};

/// Header fields of the IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// TTL or hop limit where it is seen.
    pub ttl: u8,
    /// IP-ID; IPv4 only.
    pub ip_id: u16,
    /// Don't fragment; IPv4 only.
    pub df: bool,
}

/// A datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// From.
    pub from: SocketAddr,
    /// To.
    pub to: SocketAddr,
    /// Whether it goes away from the clients.
    pub from_client: bool,
    /// Its header.
    pub look: Look,
    /// What is in it.
    pub payload: &'a [u8],
}

impl Datagram<'_> {
    /// Appends it to `out` as an Ethernet frame with right checksums.
    pub fn write(&self, out: &mut Vec<u8>) {
        let length = 8 + self.payload.len();
        self.header(out, length, None);
        let at = out.len();
        self.udp_header(out);
        out.extend_from_slice(self.payload);
        let sum = self.sum(&out[at..]);
        out[at + 6..at + 8].copy_from_slice(&sum.to_be_bytes());
    }

    /// It in pieces of at most `piece` octets of IP payload, a multiple of eight.
    pub fn fragments(&self, piece: usize) -> Vec<Vec<u8>> {
        let mut whole = Vec::with_capacity(8 + self.payload.len());
        self.udp_header(&mut whole);
        whole.extend_from_slice(self.payload);
        let sum = self.sum(&whole);
        whole[6..8].copy_from_slice(&sum.to_be_bytes());
        let mut offset = 0;
        let pieces = whole.chunks(piece).map(|part| {
            let mut out = Vec::with_capacity(ETHERNET + 48 + part.len());
            let more = offset + part.len() < whole.len();
            self.header(&mut out, part.len(), Some((offset as u16, more)));
            out.extend_from_slice(part);
            offset += part.len();
            out
        });
        pieces.collect()
    }

    fn udp_header(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.from.port().to_be_bytes());
        out.extend_from_slice(&self.to.port().to_be_bytes());
        out.extend_from_slice(&((8 + self.payload.len()) as u16).to_be_bytes());
        out.extend_from_slice(&[0, 0]);
    }

    /// The UDP checksum, in which 0 stands for none (RFC 768).
    fn sum(&self, octets: &[u8]) -> u16 {
        let addresses = match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => sum_of(&from.octets()) + sum_of(&to.octets()),
            (IpAddr::V6(from), IpAddr::V6(to)) => sum_of(&from.octets()) + sum_of(&to.octets()),
            _ => unreachable!("both ends of a datagram are of one family"),
        };
        match checksum(addresses + 17 + octets.len() as u64, octets) {
            0 => 0xffff,
            sum => sum,
        }
    }

    /// Ethernet and IP header for `length` octets, with offset in octets and whether more follow.
    fn header(&self, out: &mut Vec<u8>, length: usize, fragment: Option<(u16, bool)>) {
        let macs =
            if self.from_client { [SERVER_MAC, CLIENT_MAC] } else { [CLIENT_MAC, SERVER_MAC] };
        out.extend_from_slice(&macs[0]);
        out.extend_from_slice(&macs[1]);
        let at = out.len() + 2;
        match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let flags = match fragment {
                    Some((offset, more)) => (offset / 8) | if more { 0x2000 } else { 0 },
                    None => u16::from(self.look.df) << 14,
                };
                out.extend_from_slice(&[0x08, 0x00, 0x45, 0]);
                out.extend_from_slice(&((20 + length) as u16).to_be_bytes());
                out.extend_from_slice(&self.look.ip_id.to_be_bytes());
                out.extend_from_slice(&flags.to_be_bytes());
                out.extend_from_slice(&[self.look.ttl, 17, 0, 0]);
                out.extend_from_slice(&from.octets());
                out.extend_from_slice(&to.octets());
                let sum = checksum(0, &out[at..]);
                out[at + 10..at + 12].copy_from_slice(&sum.to_be_bytes());
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let extra = if fragment.is_some() { 8 } else { 0 };
                out.extend_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0]);
                out.extend_from_slice(&((extra + length) as u16).to_be_bytes());
                out.extend_from_slice(&[if fragment.is_some() { 44 } else { 17 }, self.look.ttl]);
                out.extend_from_slice(&from.octets());
                out.extend_from_slice(&to.octets());
                if let Some((offset, more)) = fragment {
                    out.extend_from_slice(&[17, 0]);
                    out.extend_from_slice(&(offset & !7 | u16::from(more)).to_be_bytes());
                    out.extend_from_slice(&[0, 0]);
                    out.extend_from_slice(&self.look.ip_id.to_be_bytes());
                }
            }
            _ => unreachable!("both ends of a datagram are of one family"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Datagram, Look};
    use crate::corpus::tape::View;

    #[test]
    fn datagrams_are_whole_and_their_checksums_right() {
        for (from, to) in
            [("10.0.0.1:1025", "198.18.0.53:53"), ("[fd00::1]:1025", "[2001:db8::53]:53")]
        {
            let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
            let look = Look { ttl: 60, ip_id: 9, df: true };
            let payload = [7; 33];
            let datagram = Datagram { from, to, from_client: true, look, payload: &payload };
            let mut out = Vec::new();
            datagram.write(&mut out);
            let read = etherparse::PacketHeaders::from_ethernet_slice(&out).unwrap();
            let Some(etherparse::TransportHeader::Udp(udp)) = read.transport else { panic!() };
            let sum = match read.net.unwrap() {
                etherparse::NetHeaders::Ipv4(ip, _) => {
                    assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                    udp.calc_checksum_ipv4(&ip, &payload).unwrap()
                }
                etherparse::NetHeaders::Ipv6(ip, _) => {
                    udp.calc_checksum_ipv6(&ip, &payload).unwrap()
                }
                etherparse::NetHeaders::Arp(_) => panic!(),
            };
            assert_eq!(udp.checksum, sum);
            assert_eq!(View(&out).ends(), (from, to));
            let pieces = datagram.fragments(16);
            assert_eq!(pieces.len(), 3);
            assert!(View(&pieces[0]).has_ports() && !View(&pieces[1]).has_ports());
            assert_eq!(View(&pieces[2]).ends().0.ip(), from.ip());
            for piece in pieces {
                etherparse::PacketHeaders::from_ethernet_slice(&piece).unwrap();
            }
        }
    }
}
