//! Checksums: which packets did not arrive as they were sent.
//!
//! One wrong bit makes a reset of a segment, or another address of an answer. Whoever the packet is for throws it away, since
//! its checksum is wrong (RFC 9293, section 3.1; RFC 1122, section 4.1.3.4): it says nothing, and no forger gains anything
//! by it. So it is no evidence, and not even looked at. Such packets are not rare: between one in 1,100 and one in 32,000 in
//! the traces of Stone and Partridge (SIGCOMM 2000).
//!
//! A wrong checksum is not always damage, though. Where the host that sends is the one that watches, its card has yet to make it;
//! captures are published with other addresses and the old sums; and there are injectors whose sums are wrong. So it is held
//! against a packet only where most of its kind are right, and where either one wrong bit explains it, or the packet is like its
//! sender's others in what a checksum of TCP does not cover: so much does not go wrong in one packet by chance.

use probe_common::{
    event::kind,
    flow::Side,
    wire::{Packet, protocol, quirk},
};

use crate::{checksum::pseudo_header, source::event::Event};

/// What the checksum says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sum {
    /// It is that of the packet.
    Right,
    /// It is not, which one wrong bit explains.
    OneBit,
    /// It is not by more than that.
    Wrong,
    /// It has still to be made: Linux leaves that of the pseudo-header for the card that sends the packet, and where it has put
    /// segments together.
    Begun,
    /// It cannot be told.
    Open,
}

/// Of how many packets of a kind it is kept whether their sums are right, at most: on a host whose card begins to make them, none of
/// those after that moment may be lost for those before it.
const RECENT: u16 = 1_024;

/// Packets of one kind, lately.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    right: u16,
    wrong: u16,
    begun: u16,
}

impl Seen {
    /// Takes one more; says whether its sum is wrong where most are right.
    fn add(&mut self, sum: Sum) -> bool {
        if self.right + self.wrong + self.begun == RECENT {
            [self.right, self.wrong, self.begun] =
                [self.right, self.wrong, self.begun].map(|number| number / 2);
        }
        let (most, first) = (self.right > self.wrong, self.begun == 0);
        let (count, strange) = match sum {
            Sum::Open => return false,
            Sum::Right => (&mut self.right, false),
            // Of 65,536 damaged packets one looks so.
            Sum::Begun => (&mut self.begun, most && first),
            Sum::OneBit | Sum::Wrong => (&mut self.wrong, most),
        };
        *count += 1;
        strange
    }
}

/// The packets that are told of, by their checksums.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// By protocol (TCP, UDP), then by who sent them (client, server).
    seen: [[Seen; 2]; 2],
    damaged: u64,
}

impl Sums {
    /// Whether the packet of an event did not arrive as it was sent.
    pub(super) fn is_damaged(&mut self, event: &Event<'_>) -> bool {
        let (packet, payload, from_client, stranger) = match event {
            // Of these the packet is another one, or carries it.
            Event::Tcp(event, _)
                if matches!(event.header.kind, kind::FLOW_END | kind::ICMP_ERROR) =>
            {
                return false;
            }
            Event::Tcp(event, payload) => {
                let from = Side::from_index(event.header.side);
                let from_client = from == event.flow.initiator();
                let sender = event.flow.half(from);
                let stranger = sender.has_baseline() && sender.is_elsewhere(event.packet.hops);
                (&event.packet, *payload, from_client, stranger)
            }
            Event::Dns(event, payload) => (&event.packet, *payload, false, false),
            Event::Quic(event, _) if event.header.kind == kind::QUIC_ERROR => return false,
            Event::Quic(event, payload) => {
                (&event.packet, *payload, event.header.kind == kind::QUIC_INITIAL, false)
            }
        };
        let seen = &mut self.seen[usize::from(packet.protocol != protocol::TCP)]
            [usize::from(!from_client)];
        let sum = sum(packet, payload);
        // A server's own resets often have another TTL than its data.
        let damaged = seen.add(sum) && (sum == Sum::OneBit || !stranger);
        self.damaged += u64::from(damaged);
        damaged
    }

    /// How many there were.
    pub(super) const fn damaged(&self) -> u64 {
        self.damaged
    }
}

/// What stands between the octets that were captured and those that were summed up.
const UNTOLD: u32 = quirk::IP_OPTIONS
    | quirk::EXTENSIONS
    | quirk::MORE_FRAGMENTS
    | quirk::SHORT
    | quirk::NO_LENGTH
    | quirk::CUT
    | quirk::UDP_LENGTH
    | quirk::UDP_NO_CHECKSUM;

/// Looks at the checksum of a packet with this payload, as far as it was captured.
fn sum(packet: &Packet, payload: &[u8]) -> Sum {
    if packet.quirks & quirk::TCP_LENGTH != 0 {
        // Whatever its checksum: no stack takes a segment whose header is longer than itself.
        return Sum::Wrong;
    }
    if packet.quirks & UNTOLD != 0 || payload.len() != packet.payload as usize {
        return Sum::Open;
    }
    let mut space = [0; HEADER_MAX];
    let header = header(packet, &mut space);
    let length = header.len() + payload.len();
    let (from, to) = (packet.source.ip(), packet.destination.ip());
    let pseudo = pseudo_header(from, to, packet.protocol, length);
    if !pseudo.ones_complement().to_be() == packet.checksum {
        return Sum::Begun;
    }
    // 0 if the sum is right; a bit that is wrong adds its power of two, or takes it away.
    let off = pseudo.add_slice(header).add_slice(payload).ones_complement().to_be();
    match off {
        0 => Sum::Right,
        _ if off.is_power_of_two() || (!off).is_power_of_two() => Sum::OneBit,
        _ => Sum::Wrong,
    }
}

/// Longest transport header.
const HEADER_MAX: usize = 60;

/// The transport header as it was, checksum included.
fn header<'a>(packet: &Packet, space: &'a mut [u8; HEADER_MAX]) -> &'a [u8] {
    let mut length = 0;
    let mut put = |octets: &[u8]| {
        if let Some(place) = space.get_mut(length..length + octets.len()) {
            place.copy_from_slice(octets);
            length += octets.len();
        }
    };
    put(&packet.source_port.to_be_bytes());
    put(&packet.destination_port.to_be_bytes());
    if packet.protocol != protocol::TCP {
        put(&(8 + packet.payload as u16).to_be_bytes());
        put(&packet.checksum.to_be_bytes());
        return &space[..8];
    }
    put(&packet.seq.to_be_bytes());
    put(&packet.ack.to_be_bytes());
    let words = u16::from(packet.options_len / 4) + 5;
    put(&(words << 12 | packet.flags).to_be_bytes());
    put(&packet.window.to_be_bytes());
    put(&packet.checksum.to_be_bytes());
    put(&packet.urgent.to_be_bytes());
    for word in packet.raw_options.iter().take(usize::from(packet.options_len / 4)) {
        put(&word.to_be_bytes());
    }
    &space[..length]
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use etherparse::{PacketBuilder, PacketBuilderStep, TcpOptionElement, UdpHeader};
    use probe_common::wire::{self, Slice};

    use super::*;

    /// What is read of a frame with a payload of so many octets, and what its checksum says.
    fn read(frame: &[u8]) -> Option<(Packet, Sum)> {
        let octets = Slice::whole(frame);
        let found = wire::locate(&octets, &mut 0).ok()?;
        let mut packet = Packet::default();
        match found.protocol {
            protocol::TCP => wire::tcp::describe(&octets, &found, &mut packet)?,
            protocol::UDP => wire::dns::describe(&octets, &found, &mut packet)?,
            _ => return None,
        }
        let payload = frame.get(packet.payload_at.into()..).unwrap_or_default();
        let there = payload.len().min(packet.payload as usize);
        let sum = sum(&packet, &payload[..there]);
        Some((packet, sum))
    }

    fn segment(v6: bool, payload: &[u8]) -> Vec<u8> {
        let ethernet = PacketBuilder::ethernet2([2; 6], [4; 6]);
        let ip = if v6 {
            ethernet.ipv6([0x20; 16], [0x2a; 16], 57)
        } else {
            ethernet.ipv4([198, 18, 0, 1], [10, 0, 0, 7], 57)
        };
        let options = [TcpOptionElement::Timestamp(0x1234_5678, 0x9abc_def0)];
        let tcp = ip.tcp(443, 40_001, 900_000, 512).ack(77_000).psh().options(&options);
        let mut frame = Vec::new();
        tcp.expect("options that fit").write(&mut frame, payload).expect("memory");
        frame
    }

    fn datagram(v6: bool, payload: &[u8]) -> Vec<u8> {
        let ethernet = PacketBuilder::ethernet2([2; 6], [4; 6]);
        let udp: PacketBuilderStep<UdpHeader> = if v6 {
            ethernet.ipv6([0x20; 16], [0x2a; 16], 57).udp(53, 40_001)
        } else {
            ethernet.ipv4([198, 18, 0, 1], [10, 0, 0, 7], 57).udp(53, 40_001)
        };
        let mut frame = Vec::new();
        udp.write(&mut frame, payload).expect("memory");
        frame
    }

    /// Packets with payloads of even and odd length, and with none.
    fn packets() -> Vec<Vec<u8>> {
        let of_length = |length: usize| {
            let payload: Vec<u8> = (0..length).map(|at| (at * 37) as u8).collect();
            [false, true].map(|v6| [segment(v6, &payload), datagram(v6, &payload)])
        };
        [0, 1, 40, 41].into_iter().flat_map(of_length).flatten().collect()
    }

    #[test]
    fn the_sums_of_another_implementation_are_right() {
        for frame in packets() {
            assert_eq!(read(&frame).map(|(_, sum)| sum), Some(Sum::Right), "{frame:02x?}");
        }
    }

    #[test]
    fn with_any_bit_wrong_none_is_right() {
        const ETHERNET: usize = 14;
        for frame in packets() {
            // Of IPv6, what stands before the addresses is in no sum; of IPv4, one of its own is in the way.
            let from = ETHERNET + if frame[ETHERNET] >> 4 == 6 { 8 } else { 12 };
            for bit in from * 8..frame.len() * 8 {
                let mut damaged = frame.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let Some((packet, sum)) = read(&damaged) else { continue };
                // A length that is wrong, or the sign for no checksum, leaves nothing to sum up.
                let length = packet.quirks & (quirk::UDP_LENGTH | quirk::UDP_NO_CHECKSUM) != 0;
                let expected = match packet.quirks & quirk::TCP_LENGTH {
                    _ if length => Sum::Open,
                    0 => Sum::OneBit,
                    _ => Sum::Wrong,
                };
                assert_eq!(sum, expected, "bit {bit} of {frame:02x?}");
            }
        }
    }

    #[test]
    fn sums_that_are_all_wrong_from_now_on_are_soon_no_damage() {
        let mut seen = Seen::default();
        let mut dropped = 0;
        for sum in [Sum::Right; 5_000].into_iter().chain([Sum::Wrong; 5_000]) {
            dropped += u32::from(seen.add(sum));
        }
        assert!((256..=u32::from(RECENT)).contains(&dropped), "{dropped}");
        // Such as have still to be made are none after the first.
        let mut seen = Seen::default();
        let sums = [Sum::Right; 5_000].into_iter().chain([Sum::Begun; 5_000]);
        assert_eq!(sums.filter(|sum| seen.add(*sum)).count(), 1);
    }

    #[test]
    fn what_a_card_has_still_to_do_is_no_damage() {
        for mut frame in packets() {
            let (packet, _) = read(&frame).expect("a packet");
            let length = frame.len() as u32 - 14 - if packet.version == 6 { 40 } else { 20 };
            // As Linux leaves it: the sum of the pseudo-header, not its complement.
            let mut sum = u64::from(length) + u64::from(packet.protocol);
            for address in [packet.source.ip(), packet.destination.ip()] {
                let octets = match address {
                    IpAddr::V4(address) => address.octets().to_vec(),
                    IpAddr::V6(address) => address.octets().to_vec(),
                };
                let words = octets.as_chunks::<2>().0;
                sum += words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>();
            }
            while sum > 0xffff {
                sum = (sum >> 16) + (sum & 0xffff);
            }
            let header = usize::from(packet.payload_at) - usize::from(packet.options_len);
            let at = if packet.protocol == protocol::TCP { header - 4 } else { header - 2 };
            frame[at..at + 2].copy_from_slice(&(sum as u16).to_be_bytes());
            assert_eq!(read(&frame).map(|(_, sum)| sum), Some(Sum::Begun), "{frame:02x?}");
        }
    }
}
