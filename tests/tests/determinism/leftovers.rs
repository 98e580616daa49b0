//! An event says what its packet says, and nothing of the packets before.

use probe_common::{config::Config, event::kind, wire::Packet};
use probe_tests::{
    craft::{self, DAY, frame, icmp, net::Ip, segment},
    duel::Told,
};
use probe_user::source::local::Local;

#[test]
fn an_icmp_error_has_no_fields_of_the_segment_before() {
    let (client, server) = (Ip::v4(), Ip::v4().back());
    let syn = segment::Segment {
        ports: (40_000, 443),
        seq: 77,
        ack: 0xdead_beef,
        flags: 2,
        window: 1234,
        urgent: 99,
        options: segment::syn_options(5, 6),
        ..Default::default()
    };
    let syn = syn.packet(&client);
    let error = icmp::time_exceeded(&server, &syn[..28]);
    let mut local = Local::new(Config::replay());
    let mut told = Vec::new();
    for (data, number) in [syn, error].into_iter().zip(1..) {
        let packet = craft::Packet::whole(DAY + number, frame::ethernet(&data));
        local.packet(&packet.frame(number), |event| told.push(Told::of(&event)));
    }
    let [Told::Tcp(event, _)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(event.header.kind, kind::ICMP_ERROR);
    let packet = event.packet;
    // The sequence number is that of the quoted segment; all else is the error's own.
    let expected = Packet {
        time: packet.time,
        source: packet.source,
        destination: packet.destination,
        source_port: 11 << 8,
        protocol: 1,
        version: 4,
        hops: server.hops,
        quirks: packet.quirks,
        seq: 77,
        payload: 28,
        payload_at: 14 + 20 + 8,
        ..Packet::default()
    };
    assert_eq!(packet, expected);
}
