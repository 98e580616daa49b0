//! Rules of what is kept, at their borders.

use std::net::{IpAddr, SocketAddr};

use probe_common::wire::tcp_flag;

use super::{
    CLIENT_PORT, End, OCTETS_MAX, Origin, Packet, Standing, exhibits,
    frame::{self, Headers, Segment},
    scrub::{self, Origins},
};

fn server(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn headers(server: SocketAddr, payload: &[u8]) -> Headers<'_> {
    Headers {
        server,
        from: End::Server,
        hops: 54,
        class: 0x28,
        ip_id: 0x1234,
        df: true,
        flow_label: 0xabcde,
        tcp: Some(Segment {
            seq: 1,
            ack: 518,
            flags: tcp_flag::RST | tcp_flag::ACK | tcp_flag::AE | 0x200,
            window: 777,
            urgent: 3,
            options: vec![1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9],
        }),
        length: payload.len() as u32,
        payload,
    }
}

fn kept(bytes: Vec<u8>, from: End, standing: Standing) -> Packet {
    Packet { offset: -5, from, standing, origin: Origin::Packet, bytes, note: String::new() }
}

/// Whether the sums of a packet that is whole are right.
fn sums_are_right(packet: &[u8]) -> bool {
    let headers = etherparse::PacketHeaders::from_ip_slice(packet).expect("a packet");
    let payload = headers.payload.slice();
    let (net, transport) = (headers.net.expect("IP"), headers.transport.expect("TCP or UDP"));
    let sum = |v4: Option<&etherparse::Ipv4Header>, v6: Option<&etherparse::Ipv6Header>| match (
        &transport, v4, v6,
    ) {
        (etherparse::TransportHeader::Tcp(tcp), Some(ip), _) => {
            // The reserved bits, which etherparse does not know, are in the sum.
            let reserved = u32::from(packet[ip.header_len() + 12] & 0x0e) << 8;
            let plain = tcp.calc_checksum_ipv4(ip, payload).expect("a sum");
            let folded = u32::from(!plain) + reserved;
            (tcp.checksum, !((folded & 0xffff) + (folded >> 16)) as u16)
        }
        (etherparse::TransportHeader::Tcp(tcp), _, Some(ip)) => {
            let reserved = u32::from(packet[40 + 12] & 0x0e) << 8;
            let plain = tcp.calc_checksum_ipv6(ip, payload).expect("a sum");
            let folded = u32::from(!plain) + reserved;
            (tcp.checksum, !((folded & 0xffff) + (folded >> 16)) as u16)
        }
        (etherparse::TransportHeader::Udp(udp), Some(ip), _) => {
            (udp.checksum, udp.calc_checksum_ipv4(ip, payload).expect("a sum"))
        }
        _ => panic!("not one of these"),
    };
    match net {
        etherparse::NetHeaders::Ipv4(ip, _) => {
            let (found, right) = sum(Some(&ip), None);
            found == right && ip.header_checksum == ip.calc_header_checksum()
        }
        etherparse::NetHeaders::Ipv6(ip, _) => {
            let (found, right) = sum(None, Some(&ip));
            found == right
        }
        etherparse::NetHeaders::Arp(_) => false,
    }
}

#[test]
fn what_is_built_is_read_again() {
    for address in ["108.174.10.10:443", "[2620:109:c00a::1]:443"] {
        let bytes = frame::build(&headers(server(address), &[1, 2, 3]));
        assert!(sums_are_right(&bytes), "{address}: {bytes:02x?}");
        let shown = exhibits(&[kept(bytes, End::Server, Standing::Forged)]);
        let [shown] = shown.as_slice() else { panic!("{address} cannot be read") };
        let ip = shown.ip.expect("IP fields");
        assert_eq!((ip.hops, ip.class), (54, 0x28));
        if address.starts_with('[') {
            assert_eq!((ip.id, ip.df, ip.flow_label), (None, None, Some(0xabcde)));
        } else {
            assert_eq!((ip.id, ip.df, ip.flow_label), (Some(0x1234), Some(true), None));
        }
        let tcp = shown.tcp.as_ref().expect("TCP fields");
        assert_eq!(tcp.flags, tcp_flag::RST | tcp_flag::ACK | tcp_flag::AE | 0x200);
        assert_eq!((tcp.seq, tcp.ack, tcp.window, tcp.urgent), (1, Some(518), Some(777), 3));
        assert_eq!(tcp.options, [1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9]);
        assert_eq!((shown.length, shown.payload.as_slice()), (3, &[1, 2, 3][..]));
    }
}

#[test]
fn what_is_cut_still_says_how_long_it_was() {
    let long = vec![b'a'; 2_000];
    let bytes = frame::build(&headers(server("108.174.10.10:443"), &long));
    assert_eq!(bytes.len(), OCTETS_MAX);
    let shown = exhibits(&[kept(bytes, End::Server, Standing::Forged)]);
    assert_eq!((shown[0].length, shown[0].payload.len()), (2_000, OCTETS_MAX - 20 - 32));
}

#[test]
fn another_port_keeps_the_sums_right() {
    let udp = Headers { tcp: None, ..headers(server("8.8.8.8:53"), b"odd") };
    let tcp = headers(server("[2620:109:c00a::1]:443"), b"even");
    for headers in [udp, tcp] {
        let bytes = frame::build(&headers);
        assert!(sums_are_right(&bytes));
        for port in [0, 1, CLIENT_PORT, CLIENT_PORT + 1, u16::MAX] {
            let changed = frame::with_port(&bytes, End::Server, port);
            assert!(sums_are_right(&changed), "port {port}: {changed:02x?}");
        }
        assert_eq!(frame::with_port(&bytes, End::Server, CLIENT_PORT), bytes);
    }
    // What is no packet is left as it is.
    for octets in [&[][..], &[0x45], &[0x45; 21], &[0xff; 60]] {
        assert_eq!(frame::with_port(octets, End::Client, 1).len(), octets.len());
    }
}

#[test]
fn a_clients_own_header_fields_are_not_shown() {
    let bytes = frame::build(&Headers { from: End::Client, ..headers(server("1.2.3.4:443"), &[]) });
    let shown = exhibits(&[kept(bytes.clone(), End::Client, Standing::Genuine)]);
    assert_eq!((shown[0].ip, shown[0].tcp.as_ref().and_then(|tcp| tcp.window)), (None, None));
    // A suspicion does not make it another's.
    let shown = exhibits(&[kept(bytes.clone(), End::Client, Standing::Questioned)]);
    assert_eq!(shown[0].ip, None);
    // In its name, but not its own.
    let shown = exhibits(&[kept(bytes, End::Client, Standing::Forged)]);
    assert!(shown[0].ip.is_some());
}

#[test]
fn numbers_in_options_are_relative_and_the_rest_is_gone() {
    let origins = Origins { seq: [1_000, 5_000], stamp: [70, 90] };
    let options = [
        &[8, 10, 0, 0, 0, 91, 0, 0, 0, 70][..], // timestamps
        &[5, 10, 0, 0, 3, 242, 0, 0, 4, 76],    // SACK of 1010 to 1100
        &[34, 6, 0xde, 0xad, 0xbe, 0xef],       // a Fast Open cookie
        &[2, 4, 5, 180, 3, 3, 7, 4, 2, 1, 0],
    ]
    .concat();
    let expected = [
        &[8, 10, 0, 0, 0, 2, 0, 0, 0, 1][..],
        &[5, 10, 0, 0, 0, 10, 0, 0, 0, 100],
        &[34, 6, 0, 0, 0, 0],
        &[2, 4, 5, 180, 3, 3, 7, 4, 2, 1, 0],
    ]
    .concat();
    assert_eq!(origins.options(End::Server, &options), expected);
    // An echo of nothing stays nothing; a broken list stays broken, and says nothing more.
    assert_eq!(origins.options(End::Server, &[8, 10, 0, 0, 0, 90, 0, 0, 0, 0])[6..], [0; 4]);
    assert_eq!(origins.options(End::Client, &[1, 8, 40, 9, 9]), [1, 8, 40, 0, 0]);
    assert_eq!(origins.options(End::Client, &[1, 8]), [1, 8]);
    assert_eq!((origins.ack(End::Server, 0), origins.ack(End::Server, 1_001)), (0, 1));
}

#[test]
fn a_block_page_does_not_say_whom_it_blocked() {
    let four: IpAddr = "203.0.113.77".parse().expect("an address");
    let page = b"ip=203.0.113.77&h=CB00714d&n=3405803853&e=203%2e0%2e113%2e77 \xcb\x00\x71\x4d 203-0-113-77 203.0.113.7";
    let scrubbed = scrub::payload(page, four, None);
    assert_eq!(scrubbed.len(), page.len());
    let text = String::from_utf8_lossy(&scrubbed);
    assert_eq!(
        text,
        "ip=xxxxxxxxxxxx&h=xxxxxxxx&n=xxxxxxxxxx&e=xxxxxxxxxxxxxxxxxx xxxx xxxxxxxxxxxx 203.0.113.7"
    );
    let six: IpAddr = "2001:db8:9::77".parse().expect("an address");
    let page = b"2001:DB8:9::77, 2001:0db8:0009:0000:0000:0000:0000:0077";
    assert!(scrub::payload(page, six, None).iter().all(|octet| b"x, ".contains(octet)));
}

#[test]
fn a_block_page_does_not_say_what_was_asked_for() {
    let client: IpAddr = "203.0.113.77".parse().expect("an address");
    let page = b"HTTP/1.1 302 Found\r\nLocation: http://warn.example/p?url=/in/jane&id=7\r\n\r\n<a href=\"http://www.LinkedIn.com/in/jane\">why? </a>";
    let scrubbed = scrub::payload(page, client, Some("www.linkedin.com"));
    assert_eq!(
        String::from_utf8_lossy(&scrubbed),
        "HTTP/1.1 302 Found\r\nLocation: http://warn.example/p?xxxxxxxxxxxxxxxxx\r\n\r\n<a href=\"http://www.LinkedIn.comxxxxxxxx\">why? </a>"
    );
    // What is no page is left alone.
    assert_eq!(scrub::payload(b"\x01?abc", client, Some("x")), b"\x01?abc");
}

#[test]
fn octets_that_are_no_packet_are_left_out() {
    for octets in [vec![], vec![0x45], vec![0xff; 80], vec![0x60; 39]] {
        assert!(exhibits(&[kept(octets, End::Server, Standing::Forged)]).is_empty());
    }
}
