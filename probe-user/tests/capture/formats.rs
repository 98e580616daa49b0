//! Whole files of every variant.

use std::io::Write;

use probe_user::source::capture::{CaptureReader, MAX_BLOCK, SkipReason};

use crate::craft::{Classic, DAY, Ng, Order, Packet, ethernet, packets};
use crate::{read, read_whole};

#[test]
fn classic_in_every_order_and_resolution() {
    for order in Order::BOTH {
        for magic in [0xa1b2_c3d4, 0xa1b2_3c4d] {
            let expected = packets(20);
            let mut file = Classic::new(order, magic, 1);
            file.extend(&expected);
            assert_eq!(read_whole(&file.bytes), expected, "{order:?} {magic:#x}");
        }
    }
    let expected = packets(20);
    let mut file = Classic::new(Order::Little, 0xa1b2_cd34, 1);
    file.extend(&expected);
    assert_eq!(read_whole(&file.bytes), expected, "with 24-byte record headers");
}

#[test]
fn nanoseconds_are_kept() {
    let mut file = Classic::new(Order::Big, 0xa1b2_3c4d, 1);
    file.push(DAY * 1_000_000_000 + 123_456_789, 60, &ethernet(6));
    assert_eq!(read_whole(&file.bytes)[0].time, DAY * 1_000_000_000 + 123_456_789);
}

#[test]
fn link_type_is_found_beside_the_frame_check_bits() {
    // Bits 26 and 28-31: a frame check sequence of 4 bytes (draft-ietf-opsawg-pcap section 4).
    let expected = packets(2);
    let mut file = Classic::new(Order::Little, 0xa1b2_c3d4, 0x4400_0001);
    file.extend(&expected);
    assert_eq!(read_whole(&file.bytes), expected);
}

#[test]
fn snapped_packets_keep_their_wire_length() {
    let mut file = Classic::usual(&[]);
    file.push(0, 1500, &ethernet(0)[..54]);
    // A wire length below the captured one, as some broken writers have it.
    file.push(0, 10, &ethernet(0)[..54]);
    let read = read_whole(&file.bytes);
    assert_eq!((read[0].data.len(), read[0].wire_len), (54, 1500));
    assert_eq!((read[1].data.len(), read[1].wire_len), (54, 54));
}

#[test]
fn time_may_go_backwards() {
    let mut file = Classic::usual(&[]);
    file.push(9_000_000_000, 54, &ethernet(0));
    file.push(2_000_000_000, 54, &ethernet(0));
    let times: Vec<u64> = read_whole(&file.bytes).iter().map(|packet| packet.time).collect();
    assert_eq!(times, [9_000_000_000, 2_000_000_000]);
}

#[test]
fn ng_in_every_order_with_every_packet_block() {
    for order in Order::BOTH {
        let mut file = Ng::new(order);
        file.interface(1, 0, &[(2, b"eth0"), (9, &[9])]);
        file.enhanced(0, DAY * 1_000_000_000 + 7, 54, &ethernet(0), &[]);
        // With flags and a comment, the comment being unpadded.
        file.enhanced(
            0,
            DAY * 1_000_000_000 + 8,
            55,
            &ethernet(1),
            &[(2, &[1, 0, 0, 0]), (1, b"x")],
        );
        file.obsolete(0, DAY * 1_000_000_000 + 9, 1500, &ethernet(2));
        file.block(0x0000_0bad, &[1, 2, 3, 4, 5]);
        file.simple(57, &ethernet(3));
        let expected: Vec<Packet> = [(7, 54, 0), (8, 55, 1), (9, 1500, 2), (9, 57, 3)]
            .iter()
            .zip(1..)
            .map(|(&(nanoseconds, wire_len, payload), number)| Packet {
                number,
                time: DAY * 1_000_000_000 + nanoseconds,
                interface: 0,
                wire_len,
                data: ethernet(payload),
            })
            .collect();
        assert_eq!(read_whole(&file.bytes), expected, "{order:?}");
    }
}

#[test]
fn interfaces_have_their_own_clocks() {
    for order in Order::BOTH {
        let mut file = Ng::new(order);
        let offset = order.u64(DAY);
        file.interface(1, 0, &[]);
        file.interface(1, 0, &[(9, &[3])]);
        file.interface(1, 0, &[(9, &[0x80 | 10])]);
        file.interface(1, 0, &[(14, &offset)]);
        file.interface(1, 0, &[(9, &[9]), (14, &order.u64(10_u64.wrapping_neg()))]);
        let ticks = [DAY * 1_000_000, DAY * 1000, DAY << 10, 0, (DAY + 10) * 1_000_000_000];
        for (interface, ticks) in ticks.into_iter().enumerate() {
            file.enhanced(interface as u32, ticks, 54, &ethernet(0), &[]);
        }
        let read = read_whole(&file.bytes);
        assert_eq!(read.len(), ticks.len());
        for (interface, packet) in read.iter().enumerate() {
            let expected = (DAY * 1_000_000_000, interface as u32);
            assert_eq!((packet.time, packet.interface), expected, "{order:?}");
        }
    }
}

#[test]
fn sections_have_their_own_order_and_interfaces() {
    let mut file = Ng::new(Order::Little);
    file.interface(1, 0, &[(2, b"lan0")]);
    file.interface(1, 0, &[(2, b"wan0")]);
    file.enhanced(1, 1_000_000, 54, &ethernet(0), &[]);
    file.section(Order::Big);
    file.interface(1, 0, &[(2, b"lan1"), (9, &[9])]);
    file.enhanced(0, 2_000_000_000, 54, &ethernet(0), &[]);
    file.statistics(0, &[(5, &7u64.to_be_bytes()), (7, &2u64.to_be_bytes())]);

    let mut reader = CaptureReader::from_reader("x".as_ref(), std::io::Cursor::new(file.bytes))
        .expect("a section header");
    let mut seen = Vec::new();
    while let Some(frame) = reader.next_frame().expect("an undamaged file") {
        seen.push((frame.interface, frame.time));
    }
    assert_eq!(seen, [(1, 1_000_000_000), (2, 2_000_000_000)]);
    let interfaces: Vec<_> = reader
        .interfaces()
        .iter()
        .map(|interface| (interface.name.as_deref(), interface.dropped))
        .collect();
    assert_eq!(interfaces, [(Some("lan0"), None), (Some("wan0"), None), (Some("lan1"), Some(9))]);
}

#[test]
fn a_simple_packet_is_as_long_as_the_snap_length() {
    let mut file = Ng::new(Order::Little);
    file.interface(1, 50, &[]);
    // The block is padded to 52 bytes, of which 50 are the packet.
    file.simple(1500, &ethernet(0)[..50]);
    let read = read_whole(&file.bytes);
    assert_eq!((read[0].data.len(), read[0].wire_len), (50, 1500));
}

#[test]
fn unknown_blocks_of_any_size_are_skipped() {
    let mut file = Ng::usual(&packets(1));
    file.block(0x0bad_cafe, &vec![0x55; MAX_BLOCK * 3]);
    file.enhanced(0, 0, 54, &ethernet(0), &[]);
    assert_eq!(read_whole(&file.bytes).len(), 2);
}

#[test]
fn compression_is_told_by_content() {
    let expected = packets(3000);
    for plain in [Classic::usual(&expected).bytes, Ng::usual(&expected).bytes] {
        assert_eq!(read_whole(&gzip(&plain)), expected);
        assert_eq!(read_whole(&zstd(&plain)), expected);
        // As `cat a.gz b.gz` makes it, cut anywhere.
        let (head, tail) = plain.split_at(plain.len() / 2 + 1);
        assert_eq!(read_whole(&[gzip(head), gzip(tail)].concat()), expected);
        // A skippable frame between, as pzstd makes it.
        let skippable = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9];
        let joined = [&zstd(head)[..], &skippable, &zstd(tail)].concat();
        assert_eq!(read_whole(&joined), expected);
    }
}

#[test]
fn other_link_types_become_ethernet_and_keep_their_numbers() {
    let ip = &ethernet(5)[14..];
    let sll = [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 8, 0], ip].concat();
    let mut file = Ng::new(Order::Little);
    for link_type in [113, 127, 101] {
        file.interface(link_type, 0, &[]);
    }
    file.enhanced(0, 1, sll.len() as u32 + 100, &sll, &[]);
    file.enhanced(1, 2, 4, &[0; 4], &[]);
    file.enhanced(0, 3, 3, &[0; 3], &[]);
    file.enhanced(2, 4, ip.len() as u32, ip, &[]);
    let read = read(&file.bytes);
    assert!(read.end.is_ok());
    let [cooked, raw] = &read.packets[..] else { panic!("{:?}", read.packets) };

    let header = |source: [u8; 6]| [&[0; 6][..], &source, &[8, 0]].concat();
    assert_eq!(cooked.data, [&header([2, 0, 0, 0, 0, 9])[..], ip].concat());
    assert_eq!((cooked.number, cooked.wire_len), (1, 14 + ip.len() as u32 + 100));
    assert_eq!(raw.data, [&header([0; 6])[..], ip].concat());
    assert_eq!((raw.number, raw.wire_len), (4, 14 + ip.len() as u32));

    let skipped: Vec<_> =
        read.skipped.iter().map(|row| (row.link_type, row.reason, row.packets)).collect();
    assert_eq!(
        skipped,
        [(Some(127), SkipReason::UnsupportedLink, 1), (Some(113), SkipReason::ShortHeader, 1)]
    );
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("a vector takes it");
    encoder.finish().expect("a vector takes it")
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    ruzstd::encoding::compress_to_vec(bytes, level)
}
