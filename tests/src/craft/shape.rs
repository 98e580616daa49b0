//! One packet of each shape: link layers by networks by transports.

use probe_common::wire::tcp_flag;

use super::{
    Capture, DAY, MS, Packet, dns, frame, icmp,
    net::{self, Ip},
    segment::{self, Segment},
};

/// A packet and what it is.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Link layer, network, transport.
    pub name: String,
    /// The frame.
    pub data: Vec<u8>,
}

/// All shapes: every network and transport in plain Ethernet, and a few of them in each link layer.
pub fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (net_name, net) in networks() {
        for (transport, packet) in transports(&net) {
            let name = format!("ethernet/{net_name}/{transport}");
            shapes.push(Shape { name, data: frame::ethernet(&packet) });
        }
    }
    for (link_name, link) in &frame::LINKS[1..] {
        for (net_name, net) in [("v4", Ip::v4()), ("v6", Ip::v6())] {
            for (transport, packet) in basic_transports(&net) {
                let name = format!("{link_name}/{net_name}/{transport}");
                shapes.push(Shape { name, data: link(&packet) });
            }
        }
    }
    for (name, packet) in tunnels() {
        shapes.push(Shape { name: format!("ethernet/{name}"), data: frame::ethernet(&packet) });
        let tags = [(frame::QINQ, 9), (frame::VLAN, 8)];
        shapes.push(Shape { name: format!("qinq/{name}"), data: frame::tagged(&tags, &packet) });
    }
    shapes.extend(strangers());
    shapes
}

/// The shapes as a capture.
pub fn capture() -> Capture {
    let packets = shapes()
        .into_iter()
        .zip(0..)
        .map(|(shape, place)| Packet::whole(DAY + place * MS, shape.data))
        .collect();
    Capture { name: "shapes".into(), packets }
}

fn networks() -> Vec<(&'static str, Ip)> {
    let v4 = Ip { id: 0x1234, class: 0xb9, hops: 57, ..Ip::v4() };
    let v6 = Ip { id: 0x1234, class: 0xb9, hops: 57, ..Ip::v6() };
    let v4_with = |options: &[u8]| Ip { options: options.to_vec(), ..v4.clone() };
    let v6_with =
        |extensions: &[(u8, Vec<u8>)]| Ip { extensions: extensions.to_vec(), ..v6.clone() };
    let part = |ip: &Ip, offset, more| Ip { fragment: Some((offset, more)), ..ip.clone() };
    let many: Vec<_> = [0, 60, 43, 135, 139, 140].map(|number| net::extension(number, 1)).into();
    let mut more = many.clone();
    more.push(net::extension(60, 1));
    vec![
        ("v4", v4.clone()),
        ("v4-router-alert", v4_with(&[148, 4, 0, 0])),
        ("v4-record-route", v4_with(&[vec![7, 39, 4], vec![0; 37]].concat())),
        ("v4-bad-options", v4_with(&[7, 0, 4, 255])),
        ("v4-first-fragment", part(&v4, 0, true)),
        ("v4-last-fragment", part(&v4, 1480, false)),
        ("v6", v6.clone()),
        ("v6-hop-by-hop", v6_with(&[net::extension(0, 1)])),
        ("v6-long-options", v6_with(&[net::extension(60, 32)])),
        ("v6-longest-options", v6_with(&[net::extension(60, 250)])),
        ("v6-options-out-of-reach", v6_with(&[net::extension(60, 256)])),
        ("v6-at-the-edge", v6_with(&[net::extension(60, 248), net::extension(43, 1)])),
        ("v6-authentication", v6_with(&[net::authentication()])),
        ("v6-six-extensions", v6_with(&many)),
        ("v6-seven-extensions", v6_with(&more)),
        ("v6-first-fragment", part(&v6, 0, true)),
        ("v6-atomic-fragment", part(&v6, 0, false)),
        ("v6-last-fragment", part(&v6, 1448, false)),
    ]
}

/// A segment with data, a look-up, an error: what each link layer is tried with.
fn basic_transports(ip: &Ip) -> Vec<(&'static str, Vec<u8>)> {
    let data = hello(ip);
    vec![
        ("error", icmp::time_exceeded(ip, &hello(&ip.back()))),
        ("query", dns::datagram(ip, (40_000, 53), &dns::query(7, "www.linkedin.com", 1, true))),
        ("data", data),
    ]
}

fn hello(ip: &Ip) -> Vec<u8> {
    let segment = Segment {
        ports: (40_000, 443),
        seq: 0xffff_fff0,
        ack: 0x1000,
        flags: tcp_flag::ACK | tcp_flag::PSH,
        window: 502,
        options: segment::timestamps(100, 200),
        payload: super::talk::client_hello("www.linkedin.com", 0),
        ..Segment::default()
    };
    segment.packet(ip)
}

fn transports(ip: &Ip) -> Vec<(String, Vec<u8>)> {
    let mut transports: Vec<(String, Vec<u8>)> =
        basic_transports(ip).into_iter().map(|(name, packet)| (name.to_owned(), packet)).collect();
    for (name, options) in segment::option_lists() {
        let segment = Segment {
            ports: (40_001, 443),
            seq: 1,
            flags: tcp_flag::SYN,
            window: 64_240,
            options,
            ..Segment::default()
        };
        transports.push((format!("syn-{name}"), segment.packet(ip)));
    }
    let all = [
        ("reset", tcp_flag::RST, 0),
        ("reset-ack", tcp_flag::RST | tcp_flag::ACK, 0),
        ("reset-with-data", tcp_flag::RST | tcp_flag::ACK, 70),
        ("fin", tcp_flag::FIN | tcp_flag::ACK, 0),
        ("no-flags", 0, 1),
        ("all-flags", 0x1ff, 3),
        ("full-segment", tcp_flag::ACK, 1400),
    ];
    for (name, flags, len) in all {
        let segment = Segment {
            ports: (40_002, 80),
            seq: 5000,
            ack: 6000,
            flags,
            urgent: 77,
            payload: vec![b'G'; len],
            ..Segment::default()
        };
        transports.push((name.to_owned(), segment.packet(ip)));
    }
    let answer = dns::reply(7, 0x8180, "www.linkedin.com", 1, &[[108, 174, 10, 10].into()]);
    transports.push(("answer".into(), dns::datagram(ip, (53, 40_000), &answer)));
    let long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
    let query = dns::query(8, &long, 28, false);
    transports.push(("longest-name".into(), dns::datagram(ip, (40_003, 53), &query)));
    transports.push(("empty-query".into(), dns::datagram(ip, (40_004, 53), &[])));
    transports.push(("quic".into(), dns::datagram(ip, (40_005, 443), &[0xc3; 1200])));
    transports.push(("sctp".into(), ip.packet(132, &[0; 28])));
    transports.push(("nothing".into(), ip.packet(59, &[])));
    let kinds: &[u8] = if ip.source.is_ipv6() { &[1, 2, 4, 128, 135] } else { &[3, 5, 8, 0, 12] };
    for &kind in kinds {
        let packet = icmp::message(ip, kind, 1, &hello(&ip.back()));
        transports.push((format!("icmp-{kind}"), packet));
    }
    let query = dns::datagram(&ip.back(), (40_000, 53), &dns::query(7, "a.example", 1, false));
    transports.push(("error-about-query".into(), icmp::time_exceeded(ip, &query)));
    transports.push(("error-about-little".into(), icmp::time_exceeded(ip, &hello(ip)[..28])));
    transports.push(("error-about-nothing".into(), icmp::time_exceeded(ip, &[])));
    transports
}

fn tunnels() -> Vec<(String, Vec<u8>)> {
    let (v4, v6) = (Ip::v4(), Ip::v6());
    let mut tunnels = Vec::new();
    for (inner_name, inner) in [("v4", &v4), ("v6", &v6)] {
        for (outer_name, outer) in [("v4", &v4), ("v6", &v6)] {
            for (transport, packet) in basic_transports(inner) {
                let name = format!("{outer_name}/in-ip/{inner_name}/{transport}");
                tunnels.push((name, net::in_ip(outer, &packet)));
                for flags in [0, 1, 2, 3, 8, 11, 4] {
                    let name = format!("{outer_name}/gre-{flags}/{inner_name}/{transport}");
                    tunnels.push((name, net::gre(outer, flags, &packet)));
                }
                let twice = net::in_ip(outer, &net::in_ip(outer, &packet));
                tunnels.push((format!("{outer_name}/twice/{inner_name}/{transport}"), twice));
            }
        }
    }
    // The inner header begins within reach and ends beyond.
    let edge = Ip { extensions: vec![net::extension(60, 248)], ..v6.clone() };
    tunnels.push(("v6-edge-options/gre/v4/data".into(), net::gre(&edge, 0, &hello(&v4))));
    tunnels.push(("v6-edge-options/in-ip/v4/data".into(), net::in_ip(&edge, &hello(&v4))));
    tunnels.push(("v6-edge-options/in-ip/v6/data".into(), net::in_ip(&edge, &hello(&v6))));
    let far = Ip { extensions: vec![net::extension(60, 240)], ..v6 };
    tunnels.push(("v6-long-options/gre/v4/data".into(), net::gre(&far, 11, &hello(&v4))));
    tunnels.push(("v6-long-options/in-ip/v4/data".into(), net::in_ip(&far, &hello(&v4))));
    tunnels
}

/// Frames that hold no IP, or not what they say.
fn strangers() -> Vec<Shape> {
    let whole = hello(&Ip::v4());
    let whole_v6 = hello(&Ip::v6());
    let changed = |at: usize, octet: u8| {
        let mut packet = whole.clone();
        packet[at] = octet;
        frame::ethernet(&packet)
    };
    let changed_v6 = |at: usize, octet: u8| {
        let mut packet = whole_v6.clone();
        packet[at] = octet;
        frame::ethernet(&packet)
    };
    let padded = [frame::ethernet(&whole), vec![0; 30]].concat();
    let mut zero_length = whole.clone();
    zero_length[2..4].fill(0);
    let list = [
        ("arp", frame::raw(0x0806, &[0; 46])),
        ("lldp", frame::raw(0x88cc, &[2, 7, 4])),
        ("length-field", frame::raw(38, &[0x42; 38])),
        ("bare-header", frame::raw(0x0800, &[])),
        ("v6-in-v4-type", frame::raw(0x0800, &whole_v6)),
        ("v4-in-v6-type", frame::raw(0x86dd, &whole)),
        ("ihl-4", changed(0, 0x44)),
        ("ihl-15", changed(0, 0x4f)),
        ("total-length-1", changed(2, 0)),
        ("total-length-of-header", {
            let mut packet = whole.clone();
            packet[2..4].copy_from_slice(&20_u16.to_be_bytes());
            frame::ethernet(&packet)
        }),
        ("total-length-too-long", changed(2, 0xff)),
        ("no-total-length", frame::ethernet(&zero_length)),
        ("v6-no-payload-length", changed_v6(5, 0)),
        ("v6-payload-length-too-long", changed_v6(4, 0x7f)),
        ("data-offset-0", changed(32, 0x00)),
        ("data-offset-4", changed(32, 0x40)),
        ("data-offset-15", changed(32, 0xf0)),
        ("padded", padded),
        ("pppoe-lcp", {
            let mut packet = frame::pppoe(&whole);
            packet[20..22].copy_from_slice(&[0xc0, 0x21]);
            packet
        }),
        ("mpls-of-no-ip", frame::mpls(1, &[0x12; 40])),
        ("mpls-without-bottom", frame::raw(0x8847, &[0; 64])),
        ("super-segment", {
            let mut packet = frame::ethernet(&whole);
            packet.resize(9_000, b'x');
            packet
        }),
    ];
    list.into_iter().map(|(name, data)| Shape { name: format!("strange/{name}"), data }).collect()
}
