//! Few connections and questions of which much is kept: what is bounded by number only would take gigabytes.

use std::{net::Ipv4Addr, process};

use probe_common::wire::tcp_flag;
use probe_tests::{
    bench::memory::{MIB, resident},
    craft::{
        DAY, MS, dns,
        frame::ethernet,
        net::Ip,
        quic::{self, Initial},
        segment::Segment,
    },
};

use super::Watch;

/// Questions, fewer than are kept.
const QUESTIONS: u32 = 300;

/// Replies to each, all different: as many as are kept.
const REPLIES: u32 = 16;

/// Answers of each: as many as fit into what is captured, each in a name of the longest kind.
const ANSWERS: u16 = 60;

/// Connections, fewer than have cases.
const CONNECTIONS: u32 = 2_000;

/// Resets of each.
const RESETS: u32 = 64;

/// QUIC connections, fewer than are kept.
const HELLOS: u32 = 4_000;

/// More than what is kept may take, and far less than it would.
const ROOM: f64 = 64.0 * MIB;

fn client(number: u32) -> Ip {
    let client = Ipv4Addr::from_bits(0x0a00_0000 + number);
    Ip::new(client.into(), Ipv4Addr::new(198, 18, 0, 99).into())
}

/// An answer whose names are pointers to one of 253 octets, and lead to it.
fn long_names(id: u16, number: u32) -> Vec<u8> {
    let mut message = dns::query(id, "www.linkedin.com", 1, false);
    message[2..4].copy_from_slice(&[0x81, 0x80]);
    message[6..8].copy_from_slice(&ANSWERS.to_be_bytes());
    let pointer = (0xc000 | message.len() as u16).to_be_bytes();
    let label = "a".repeat(63);
    message.extend(dns::name(&format!("{label}.{label}.{label}.{}", "b".repeat(61))));
    message.extend([0, 1, 0, 1, 0, 0, 1, 44, 0, 4]);
    message.extend((0x0b00_0000 + number).to_be_bytes());
    for _ in 1..ANSWERS {
        message.extend(pointer);
        message.extend([0, 5, 0, 1, 0, 0, 1, 44, 0, 2]);
        message.extend(pointer);
    }
    message
}

#[test]
fn replies_of_many_long_names_take_no_more_room_than_others() {
    let mut watch = Watch::new();
    let pid = process::id().cast_signed();
    let before = resident(pid).expect("this process");
    for number in 0..QUESTIONS {
        let (there, id, time) = (client(number), number as u16, DAY + u64::from(number) * MS);
        let question = dns::query(id, "www.linkedin.com", 1, false);
        watch.pass(time, &ethernet(&dns::datagram(&there, (50_000, 53), &question)));
        for reply in 0..REPLIES {
            let message = long_names(id, number * REPLIES + reply);
            let ip = Ip { id: reply as u16 + 1, ..there.back() };
            let datagram = dns::datagram(&ip, (53, 50_000), &message);
            watch.pass(time + u64::from(reply + 1) * 1_000, &ethernet(&datagram));
        }
    }
    assert!(watch.lost("judge_exchanges_evicted") > 0, "of as many others none has to make way");
    let taken = resident(pid).expect("this process") - before;
    assert!(taken < ROOM, "{taken} octets");
}

#[test]
fn connections_flooded_with_resets_take_no_more_room_than_others() {
    let mut watch = Watch::new();
    for number in 0..CONNECTIONS {
        let (there, time) = (client(number), DAY + u64::from(number) * MS);
        let ports = (50_000, 443);
        let syn = Segment { ports, seq: 99, flags: tcp_flag::SYN, ..Segment::default() };
        watch.pass(time, &ethernet(&syn.packet(&there)));
        let ports = (443, 50_000);
        let flags = tcp_flag::SYN | tcp_flag::ACK;
        let answer = Segment { ports, seq: 999, ack: 100, flags, ..Segment::default() };
        watch.pass(time + 1_000, &ethernet(&answer.packet(&there.back())));
        for reset in 0..RESETS {
            let ip = Ip { id: reset as u16, ..there.back() };
            let (seq, flags) = (1_000 + reset, tcp_flag::RST | tcp_flag::ACK);
            let reset = Segment { seq, flags, ..answer.clone() };
            watch.pass(time + 2_000, &ethernet(&reset.packet(&ip)));
        }
    }
    assert!(watch.lost("judge_cases_evicted") > 0, "of as many others none has to make way");
    assert_eq!(watch.lost("judge_evidence_dropped"), 0);
}

#[test]
fn quic_hellos_that_are_only_begun_are_read_no_further_where_too_many_are() {
    let mut watch = Watch::new();
    for number in 0..HELLOS {
        let initial = Initial::new(&number.to_be_bytes().repeat(2));
        let begun = quic::flight(&initial, "www.linkedin.com", 1_500).swap_remove(0);
        let datagram = dns::datagram(&client(number), (50_000, 443), &begun);
        watch.pass(DAY + u64::from(number) * MS, &ethernet(&datagram));
    }
    // Two thousand may be half read.
    let stopped = watch.lost("judge_hellos_evicted");
    assert!(stopped > 0 && stopped < u64::from(HELLOS), "{stopped} of {HELLOS}");
    assert_eq!(watch.lost("judge_quic_evicted"), 0);
}
