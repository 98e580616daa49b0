//! Both hooks run the same engine, over other ways to the octets: what one sees of a packet, the
//! other must see.

use probe_common::{
    config::{Config, FLAG_SKIP_FORWARDED},
    counter::Counter,
    event::Header,
    wire::Packet as Read,
};
use probe_tests::{
    craft::{self, Packet, Rng, lookup, quic, shape, talk},
    duel::{Told, describe, difference},
    egress::{Egress, TCX_NEXT},
};
use probe_user::source::kernel::replay::KernelReplay;

/// The tc hook, fed by hand, has the kernel's clock, and knows the interface: none of that is
/// compared.
fn timeless(told: &Told) -> (Header, Read, Vec<u8>) {
    let (mut header, mut packet, payload) = match told {
        Told::Tcp(event, payload) => (event.header, event.packet, payload.clone()),
        Told::Dns(event, payload) => (event.header, event.packet, payload.clone()),
        Told::Quic(event, payload) => (event.header, event.packet, payload.clone()),
    };
    header.frame = 0;
    (packet.time, packet.interface, packet.hook) = (0, 0, 0);
    (header, packet, payload)
}

#[test]
fn both_hooks_tell_the_same_of_conversations() {
    let mut rng = Rng::new(craft::SEED);
    let captures = talk::captures(&mut rng)
        .into_iter()
        .chain(lookup::captures(&mut rng))
        // The tc hook's clock runs faster than that of the capture, and when a port's next
        // connection begins is told by the clock.
        .chain(quic::captures(&mut rng).into_iter().take(1));
    let mut ingress = KernelReplay::new(&Config::replay()).expect("the XDP program");
    let mut egress = Egress::new(&Config::replay()).expect("the tc program");
    let (mut packets, mut events) = (0, 0);
    for capture in captures {
        for frame in capture.frames() {
            // An skb has no length beside its own.
            if frame.data.len() < frame.wire_len as usize {
                continue;
            }
            let mut entered = Vec::new();
            ingress
                .packet(&frame, |event| entered.push(timeless(&Told::of(&event))))
                .expect("a run");
            let passage = egress.packet(frame.data, 0).expect("a run");
            let left: Vec<_> = passage.told.iter().map(timeless).collect();
            assert!(
                entered == left,
                "{}\n{}",
                difference(["entering", "leaving"], &entered, &left),
                describe(&capture.name, &frame)
            );
            packets += 1;
            events += left.len();
        }
    }
    println!("{packets} packets, {events} events");
    assert!(events > 1_000);
}

#[test]
fn both_hooks_sort_the_shapes_alike() {
    let mut ingress = KernelReplay::new(&Config::replay()).expect("the XDP program");
    let mut egress = Egress::new(&Config::replay()).expect("the tc program");
    let mut before = [ingress.counts().expect("counters"), egress.counts()];
    let mut compared = 0;
    for (shape, number) in shape::shapes().into_iter().zip(1..) {
        // At the tc hook the beginning of a packet is copied, and only that is looked at.
        let deep = shape.name.contains("options") || shape.name.contains("at-the-edge");
        let Ok(_) = egress.packet(&shape.data, 0) else { continue };
        let packet = Packet::whole(craft::DAY + number, shape.data);
        let frame = packet.frame(number);
        ingress.packet(&frame, |_| {}).expect("a run");
        let after = [ingress.counts().expect("counters"), egress.counts()];
        let [entered, left] = [0, 1].map(|hook| {
            let ended = Counter::OUTCOMES
                .iter()
                .copied()
                .find(|&counter| after[hook][counter as usize] != before[hook][counter as usize]);
            ended.unwrap_or_else(|| panic!("no outcome\n{}", describe(&shape.name, &frame)))
        });
        if deep && entered != left {
            assert_eq!(left, Counter::Truncated, "{}", describe(&shape.name, &frame));
        } else {
            assert_eq!(entered, left, "{}", describe(&shape.name, &frame));
        }
        before = after;
        compared += 1;
    }
    println!("{compared} shapes");
    assert!(compared > 500);
}

#[test]
fn what_entered_by_a_watched_interface_is_not_counted_again() {
    let config = Config { flags: FLAG_SKIP_FORWARDED, ..Config::replay() };
    let mut egress = Egress::new(&config).expect("the tc program");
    egress.watch_interface(0, 9);
    egress.watch_interface(1, 1);
    let data = &shape::shapes()[0].data;
    for from in [1, 0, 2] {
        assert_eq!(egress.packet(data, from).expect("a run").verdict, TCX_NEXT);
    }
    let counts = egress.counts();
    assert_eq!(counts[Counter::Packets as usize], 3);
    assert_eq!(counts[Counter::SeenAtIngress as usize], 1);
    assert_eq!(counts[Counter::Octets as usize], 3 * data.len() as u64);
    // Another one has taken its place.
    egress.watch_interface(1, 2);
    for from in [1, 2] {
        egress.packet(data, from).expect("a run");
    }
    assert_eq!(egress.counts()[Counter::SeenAtIngress as usize], 2);
}
