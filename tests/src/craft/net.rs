//! IP packets, with everything that may stand between IP and transport header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{IpFragOffset, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header};

/// Ends and fields of an IP header.
#[derive(Clone, Debug)]
pub struct Ip {
    /// Source.
    pub source: IpAddr,
    /// Destination, of the same version.
    pub destination: IpAddr,
    /// TTL or hop limit.
    pub hops: u8,
    /// IPv4 identification, IPv6 flow label.
    pub id: u16,
    /// "Don't fragment".
    pub df: bool,
    /// Type of service or traffic class.
    pub class: u8,
    /// IPv4 options, a multiple of four octets.
    pub options: Vec<u8>,
    /// Fragment offset in octets, and whether more follow; for IPv6, a fragment header says so.
    pub fragment: Option<(u16, bool)>,
    /// IPv6 extension headers: number and octets, of which the first is the next header's number
    /// and filled in here.
    pub extensions: Vec<(u8, Vec<u8>)>,
}

impl Ip {
    /// A plain header.
    pub fn new(source: IpAddr, destination: IpAddr) -> Self {
        Self {
            source,
            destination,
            hops: 64,
            id: 0,
            df: true,
            class: 0,
            options: Vec::new(),
            fragment: None,
            extensions: Vec::new(),
        }
    }

    /// From a client to a server, as documentation addresses have it.
    pub fn v4() -> Self {
        let (from, to) = (Ipv4Addr::new(192, 0, 2, 10), Ipv4Addr::new(198, 51, 100, 20));
        Self::new(from.into(), to.into())
    }

    /// The same for IPv6.
    pub fn v6() -> Self {
        let from = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 10);
        let to = Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, 20);
        Self::new(from.into(), to.into())
    }

    /// The other way.
    pub fn back(&self) -> Self {
        Self { source: self.destination, destination: self.source, ..self.clone() }
    }

    /// A packet of this header.
    pub fn packet(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.packet_v4(source, destination, protocol, payload)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.packet_v6(source, destination, protocol, payload)
            }
            ends => panic!("ends of two versions: {ends:?}"),
        }
    }

    fn packet_v4(&self, from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let len = payload.len() as u16;
        let mut header =
            Ipv4Header::new(len, self.hops, IpNumber(protocol), from.octets(), to.octets())
                .expect("it fits into an IPv4 packet");
        header.identification = self.id;
        header.dont_fragment = self.df;
        header.dscp = (self.class >> 2).try_into().expect("six bits");
        header.ecn = (self.class & 3).try_into().expect("two bits");
        header.options = self.options[..].try_into().expect("at most ten words of options");
        header.set_payload_len(payload.len()).expect("it fits into an IPv4 packet");
        if let Some((offset, more)) = self.fragment {
            header.fragment_offset = IpFragOffset::try_new(offset / 8).expect("13 bits");
            header.more_fragments = more;
            header.dont_fragment = false;
        }
        header.header_checksum = header.calc_header_checksum();
        let mut packet = header.to_bytes().to_vec();
        packet.extend(payload);
        packet
    }

    fn packet_v6(&self, from: Ipv6Addr, to: Ipv6Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut extensions = self.extensions.clone();
        if let Some((offset, more)) = self.fragment {
            let place = (offset & 0xfff8 | u16::from(more)).to_be_bytes();
            extensions.push((44, vec![0, 0, place[0], place[1], 0, 0, 0, 9]));
        }
        let mut next = protocol;
        let mut body = payload.to_vec();
        for (number, mut octets) in extensions.into_iter().rev() {
            octets[0] = next;
            next = number;
            octets.extend(body);
            body = octets;
        }
        let header = Ipv6Header {
            traffic_class: self.class,
            flow_label: Ipv6FlowLabel::try_new(self.id.into()).expect("16 bits are fewer than 20"),
            payload_length: body.len() as u16,
            next_header: IpNumber(next),
            hop_limit: self.hops,
            source: from.octets(),
            destination: to.octets(),
        };
        let mut packet = header.to_bytes().to_vec();
        packet.extend(body);
        packet
    }
}

/// An extension header of `units` times eight octets (RFC 8200, section 4.3): options, padded.
pub fn extension(number: u8, units: usize) -> (u8, Vec<u8>) {
    let mut octets = vec![0; units * 8];
    octets[1] = (units - 1) as u8;
    // PadN, as far as one reaches.
    octets[2] = 1;
    octets[3] = (units * 8 - 4).min(255) as u8;
    (number, octets)
}

/// An authentication header (RFC 4302) of 24 octets, whose length counts in words, less two.
pub fn authentication() -> (u8, Vec<u8>) {
    let mut octets = vec![0xa5; 24];
    octets[1] = 4;
    (51, octets)
}

/// GRE (RFC 2784, RFC 2890) around a packet; `flags` are the upper four bits: checksum, routing,
/// key, sequence number.
pub fn gre(outer: &Ip, flags: u8, inner: &[u8]) -> Vec<u8> {
    let v6 = inner.first().is_some_and(|first| first >> 4 == 6);
    let mut payload = vec![flags << 4, 0];
    payload.extend(if v6 { [0x86, 0xdd] } else { [8, 0] });
    let extra = (flags >> 3 & 1) + (flags >> 1 & 1) + (flags & 1);
    payload.extend(vec![0x5a; usize::from(extra) * 4]);
    payload.extend(inner);
    outer.packet(47, &payload)
}

/// IP in IP, 6in4, 4in6: a packet in a packet.
pub fn in_ip(outer: &Ip, inner: &[u8]) -> Vec<u8> {
    let v6 = inner.first().is_some_and(|first| first >> 4 == 6);
    outer.packet(if v6 { 41 } else { 4 }, inner)
}
