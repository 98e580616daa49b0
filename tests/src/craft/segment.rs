//! TCP segments.

use std::net::IpAddr;

use etherparse::TcpHeader;
use probe_common::wire::tcp_flag;

use super::net::Ip;

/// A segment.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    /// Source and destination port.
    pub ports: (u16, u16),
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// See [`tcp_flag`]; the three reserved bits beyond are set by hand.
    pub flags: u16,
    /// Window.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// Options as they stand, at most 40 octets; padded here.
    pub options: Vec<u8>,
    /// Payload.
    pub payload: Vec<u8>,
}

impl Segment {
    /// The packet.
    pub fn packet(&self, ip: &Ip) -> Vec<u8> {
        let mut header = TcpHeader::new(self.ports.0, self.ports.1, self.seq, self.window);
        let has = |flag| self.flags & flag != 0;
        header.acknowledgment_number = self.ack;
        header.fin = has(tcp_flag::FIN);
        header.syn = has(tcp_flag::SYN);
        header.rst = has(tcp_flag::RST);
        header.psh = has(tcp_flag::PSH);
        header.ack = has(tcp_flag::ACK);
        header.urg = has(tcp_flag::URG);
        header.ece = has(tcp_flag::ECE);
        header.cwr = has(tcp_flag::CWR);
        header.ns = has(tcp_flag::AE);
        header.urgent_pointer = self.urgent;
        header.set_options_raw(&self.options).expect("at most 40 octets of options");
        let sum = match (ip.source, ip.destination) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                header.calc_checksum_ipv4_raw(from.octets(), to.octets(), &self.payload)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                header.calc_checksum_ipv6_raw(from.octets(), to.octets(), &self.payload)
            }
            ends => panic!("ends of two versions: {ends:?}"),
        };
        header.checksum = sum.expect("a segment is shorter than 4 GiB");
        let mut transport = header.to_bytes().to_vec();
        transport.extend(&self.payload);
        ip.packet(6, &transport)
    }
}

/// What a SYN of Linux offers: MSS, SACK, timestamps, window scale.
pub fn syn_options(value: u32, echo: u32) -> Vec<u8> {
    let mut options = vec![2, 4, 0x05, 0xb4, 4, 2, 8, 10];
    options.extend(value.to_be_bytes());
    options.extend(echo.to_be_bytes());
    options.extend([1, 3, 3, 7]);
    options
}

/// Timestamps as data segments have them.
pub fn timestamps(value: u32, echo: u32) -> Vec<u8> {
    let mut options = vec![1, 1, 8, 10];
    options.extend(value.to_be_bytes());
    options.extend(echo.to_be_bytes());
    options
}

/// Lists of options, sound and broken.
pub fn option_lists() -> Vec<(&'static str, Vec<u8>)> {
    let mut sack = vec![1, 1, 5, 34];
    sack.extend([0x11; 32]);
    let mut sack_and_time = timestamps(7, 9);
    sack_and_time.extend([1, 1, 5, 18]);
    sack_and_time.extend([0x22; 16]);
    let mut full = syn_options(1, 2);
    full.extend([34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 254, 6, 0xf9, 0x89, 0, 0, 1, 1, 1, 0]);
    vec![
        ("none", Vec::new()),
        ("syn", syn_options(0x0102_0304, 0)),
        ("timestamps", timestamps(0xffff_ffff, 1)),
        ("timestamps-unaligned", vec![8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1]),
        ("sack-4", sack),
        ("sack-2-timestamps", sack_and_time),
        ("fast-open", vec![34, 2, 1, 1]),
        ("md5", [vec![1, 1, 19, 18], vec![0x33; 16]].concat()),
        ("full", full),
        ("no-ops", vec![1; 40]),
        ("end-at-once", vec![0, 2, 4, 5, 0xb4, 0xff, 0xff, 0xff]),
        ("length-0", vec![2, 0, 5, 0xb4]),
        ("length-1", vec![3, 1, 3, 7]),
        ("too-long", vec![8, 40, 0, 0, 0, 0, 0, 0]),
        ("kind-without-length", vec![1, 1, 1, 8]),
        ("mss-of-wrong-length", vec![2, 3, 5, 1, 3, 4, 7, 7]),
        ("unknown", vec![253, 4, 9, 9, 77, 3, 9, 0]),
    ]
}
