//! What is told at a glance is what following the headers tells.

extern crate std;
use std::{vec, vec::Vec};

use proptest::{collection, prelude::*, sample::select};

use super::{Passing, passing};
use crate::{
    config::Config,
    counter::{COUNTERS, Counter},
    engine::{
        Engine,
        tests::{Told, Watches},
    },
    event::Scratch,
    wire::{self, Slice},
};

/// As live: nothing is watched but one of two servers.
fn config() -> Config {
    Config { flags: 0, dns_ports: [53, 5353, 0, 0], ..Config::replay() }
}

/// What becomes of a packet whose headers are followed one by one: as it is counted, if it is of no
/// interest.
fn followed(octets: &Slice<'_>) -> Option<[u64; COUNTERS as usize]> {
    let mut told = Told { watches: Watches::Server, ..Told::default() };
    let scratch = &mut Scratch::default();
    let mut engine = Engine {
        config: &config(),
        flows: &mut (),
        questions: &mut (),
        resolvers: &mut (),
        quics: &mut (),
        output: &mut told,
        scratch,
    };
    match engine.branch(octets) {
        Ok(Some(_)) => return None,
        Ok(None) => {}
        Err(counter) => told.counts[counter as usize] += 1,
    }
    Some(told.counts)
}

/// What becomes of it at a glance.
fn glanced(octets: &Slice<'_>) -> Option<[u64; COUNTERS as usize]> {
    let told = Told { watches: Watches::Server, ..Told::default() };
    let Passing { end, counter } = passing(octets, &config(), &told)?;
    let found = wire::locate(octets, &mut 0).expect("a packet with a transport header");
    assert_eq!(end, found.at + found.length, "where the packet ends");
    let mut counts = told.counts;
    counts[Counter::Octets as usize] = octets.octets.len() as u64;
    counts[Counter::TcpSegments as usize] += u64::from(counter == Counter::TcpUnwatched);
    counts[counter as usize] += 1;
    Some(counts)
}

prop_compose! {
    /// Ends of a connection: the one watched and another, on ports with a meaning and without.
    fn ends()(
        ports in [port(), port()],
        hosts in [select(vec![20_u8, 21]), select(vec![20_u8, 21])],
    ) -> ([u16; 2], [u8; 2]) {
        (ports, hosts)
    }
}

fn port() -> impl Strategy<Value = u16> {
    select(vec![53, 80, 443, 443, 5353, 4500, 40_000, 50_000])
}

prop_compose! {
    /// A TCP segment or a datagram behind its IP header, with `length` octets of payload.
    fn transport()(
        ([from, to], hosts) in ends(),
        tcp in any::<bool>(),
        flags in select(vec![0x10_u8, 0x18, 0x11, 0x02, 0x12, 0x04, 0x14]),
        header in select(vec![5_u8, 5, 8, 15, 4, 0]),
        payload in prop_oneof![
            Just(Vec::new()),
            Just(b"GET / HTTP/1.1\r\n".to_vec()),
            Just(vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
            collection::vec(any::<u8>(), 0..40),
        ],
    ) -> (u8, [u8; 2], Vec<u8>) {
        let ports = [from.to_be_bytes(), to.to_be_bytes()].concat();
        let mut octets = ports;
        if tcp {
            octets.extend([0; 8]);
            octets.extend([header << 4, flags, 1, 0xf5, 0, 0, 0, 0]);
            octets.extend(vec![1; (usize::from(header) * 4).saturating_sub(20)]);
        } else {
            octets.extend(u16::try_from(8 + payload.len()).expect("short").to_be_bytes());
            octets.extend([0; 2]);
        }
        octets.extend(payload);
        (if tcp { 6 } else { 17 }, hosts, octets)
    }
}

/// No length at all, as in a super-segment's header.
const NONE: i16 = i16::MIN;

prop_compose! {
    /// A frame, mostly as the standards have it.
    fn frame()(
        tags in select(vec![0_usize, 0, 1, 2]),
        v6 in any::<bool>(),
        first in prop_oneof![6 => Just(0x45_u8), 1 => any::<u8>()],
        fragment in prop_oneof![6 => select(vec![0_u16, 0x4000]), 1 => any::<u16>()],
        longer in prop_oneof![6 => Just(0), 1 => -60_i16..60, 1 => Just(NONE)],
        (protocol, hosts, behind) in transport(),
        trailer in 0_usize..20,
        damaged in collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2),
        kept in prop_oneof![4 => Just(usize::MAX), 1 => 0_usize..100],
    ) -> Vec<u8> {
        let mut frame = vec![2; 12];
        for _ in 0..tags {
            frame.extend([0x81, 0, 0, 7]);
        }
        let length = if longer == NONE { None } else { Some(behind.len() as i16 + longer) };
        if v6 {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(length.unwrap_or(0).to_be_bytes());
            frame.extend([protocol, 60]);
            for host in hosts {
                frame.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
            }
        } else {
            frame.extend([8, 0, first, 0]);
            frame.extend(length.map_or(0, |length| 20 + length).to_be_bytes());
            frame.extend([0, 1]);
            frame.extend(fragment.to_be_bytes());
            frame.extend([60, protocol, 0, 0]);
            hosts.into_iter().for_each(|host| frame.extend([198, 51, 100, host]));
        }
        frame.extend(behind);
        frame.extend(vec![0; trailer]);
        for (at, octet) in damaged {
            let at = at.index(frame.len());
            frame[at] = octet;
        }
        frame.truncate(kept);
        frame
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) })]

    #[test]
    fn what_passes_at_a_glance_passes_when_followed(frame in frame()) {
        let octets = Slice::whole(&frame);
        if let Some(counts) = glanced(&octets) {
            prop_assert_eq!(followed(&octets), Some(counts));
        }
    }
}

/// A frame with the given tags and version of IP, protocol, destination port and host.
fn plain(tag: bool, v6: bool, protocol: u8, port: u16, host: u8) -> Vec<u8> {
    let mut frame = vec![2; 12];
    if tag {
        frame.extend([0x81, 0, 0, 7]);
    }
    if v6 {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 40, protocol, 60]);
        for host in [1, host] {
            frame.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
        }
    } else {
        frame.extend([8, 0, 0x45, 0, 0, 60, 0, 1, 0x40, 0, 60, protocol, 0, 0]);
        frame.extend([10, 0, 0, 1, 198, 51, 100, host]);
    }
    frame.extend(40_000_u16.to_be_bytes());
    frame.extend(port.to_be_bytes());
    frame.extend([0; 8]);
    frame.extend([0x50, 0x10]);
    frame.extend([0x5a; 26]);
    frame
}

/// Else it would be of no use.
#[test]
fn bulk_passes_at_a_glance() {
    for (tag, v6, protocol) in [
        (false, false, 6),
        (true, false, 6),
        (false, true, 6),
        (true, true, 6),
        (false, false, 17),
        (true, true, 17),
    ] {
        let counter = if protocol == 6 { Counter::TcpUnwatched } else { Counter::OtherProtocol };
        let frame = plain(tag, v6, protocol, 443, 21);
        let counts = glanced(&Slice::whole(&frame)).expect("it passes");
        assert_eq!(counts[counter as usize], 1);
        // Of somebody who is watched it does not, nor if it is DNS.
        let watched = plain(tag, v6, protocol, 443, 20);
        assert_eq!(glanced(&Slice::whole(&watched)).is_none(), protocol == 6);
        for port in [53, 5353] {
            let dns = plain(tag, v6, protocol, port, 21);
            assert_eq!(glanced(&Slice::whole(&dns)), None);
        }
    }
}
