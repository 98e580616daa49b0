//! Files that are cut off, damaged, or no captures at all.

use std::path::Path;

use probe_user::source::capture::{CaptureError, CaptureReader, MAX_BLOCK, MAX_PACKET};
use proptest::prelude::*;

use crate::craft::{Classic, Ng, Order, Packet, ethernet, packets};
use crate::formats::{gzip, zstd};
use crate::{Read, read};

/// One file of each format with every kind of block in it, and its packets.
fn samples() -> Vec<(Vec<u8>, Vec<Packet>)> {
    let expected = packets(6);
    let mut classic = vec![Classic::usual(&expected)];
    for (order, magic) in
        [(Order::Big, 0xa1b2_c3d4), (Order::Little, 0xa1b2_3c4d), (Order::Little, 0xa1b2_cd34)]
    {
        let mut file = Classic::new(order, magic, 1);
        file.extend(&expected);
        classic.push(file);
    }
    let mut samples: Vec<_> =
        classic.into_iter().map(|file| (file.bytes, expected.clone())).collect();
    for order in Order::BOTH {
        let mut file = Ng::new(order);
        file.interface(1, 0, &[(2, b"eth0"), (9, &[9]), (14, &order.u64(1))]);
        file.enhanced(0, 7, 54, &ethernet(0), &[(1, b"comment")]);
        file.block(0x0bad_cafe, &[0; 9]);
        file.statistics(0, &[(5, &order.u64(3))]);
        file.obsolete(0, 8, 54, &ethernet(1));
        file.section(Order::Little);
        file.interface(1, 60, &[]);
        file.simple(54, &ethernet(0));
        samples.push((file.bytes.clone(), crate::read_whole(&file.bytes)));
    }
    samples
}

#[test]
fn cut_at_every_byte_gives_the_packets_before() {
    for (bytes, expected) in samples() {
        for length in 0..bytes.len() {
            let Read { packets, end, .. } = read(&bytes[..length]);
            assert!(expected.starts_with(&packets), "cut at {length}");
            match end {
                Ok(()) => assert_eq!(packets.len() as u64, count(&bytes, length), "at {length}"),
                Err(CaptureError::NotACapture { .. }) => assert!(length < 4, "cut at {length}"),
                Err(CaptureError::Truncated { packets_read, offset, .. }) => {
                    assert_eq!(packets_read, packets.len() as u64, "cut at {length}");
                    assert_eq!(packets_read, count(&bytes, length), "cut at {length}");
                    assert!(offset <= length as u64, "cut at {length}, reported at {offset}");
                }
                Err(other) => panic!("cut at {length}: {other}"),
            }
        }
        assert_eq!(read(&bytes).packets, expected);
    }
}

/// Packets whose last byte, padding and trailer included, is before `length`: the truth, from
/// lengths alone.
fn count(bytes: &[u8], length: usize) -> u64 {
    let (mut at, mut packets) = (0, 0);
    let word = |at: usize, big: bool| {
        let value = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        if big { u32::from_be_bytes(value) } else { u32::from_le_bytes(value) }
    };
    if bytes[0] == 0x0a {
        let mut big = false;
        while at < bytes.len() {
            if bytes[at] == 0x0a && bytes[at + 1] == 0x0d {
                big = bytes[at + 8] == 0x1a;
            }
            let kind = word(at, big);
            at += word(at + 4, big) as usize;
            packets += u64::from(at <= length && matches!(kind, 2 | 3 | 6));
        }
        return packets;
    }
    let header = if bytes[..4] == [0x34, 0xcd, 0xb2, 0xa1] { 24 } else { 16 };
    at = 24;
    while at < bytes.len() {
        at += header + word(at + 8, bytes[0] == 0xa1) as usize;
        packets += u64::from(at <= length);
    }
    packets
}

#[test]
fn cut_compressed_files_give_what_can_be_decompressed() {
    // Incompressible, so that the place of the cut says how much there can be.
    let mut seed = 1u32;
    let expected: Vec<Packet> = packets(1500)
        .into_iter()
        .map(|mut packet| {
            packet.data = (0..700)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 24) as u8
                })
                .collect();
            packet.wire_len = 700;
            packet
        })
        .collect();
    let plain = Classic::usual(&expected).bytes;
    let record = 716;
    // The most that a block of each format can hold back: one deflate block, one zstd block.
    for (name, packed, block) in
        [("gzip", gzip(&plain), 40_000), ("zstd", zstd(&plain), 128 * 1024)]
    {
        for eighth in 1..8 {
            let length = packed.len() * eighth / 8;
            let Read { packets, end, .. } = read(&packed[..length]);
            assert!(expected.starts_with(&packets), "{name} cut at {length}");
            let least = length.saturating_sub(block + 1000) / record;
            assert!(packets.len() >= least, "{name} cut at {length}: {} packets", packets.len());
            assert!(
                matches!(end, Err(CaptureError::Truncated { .. })),
                "{name} cut at {length}: {end:?}"
            );
        }
        for missing in 1..12 {
            let end = read(&packed[..packed.len() - missing]).end;
            assert!(end.is_err(), "{name} without its last {missing} bytes");
        }
    }
}

#[test]
fn every_changed_byte_is_survived() {
    for (bytes, expected) in samples() {
        let longest = expected.len() * 2;
        for at in 0..bytes.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= mask;
                assert!(read(&damaged).packets.len() <= longest);
            }
        }
    }
}

#[test]
fn changed_compressed_data_is_noticed() {
    let plain = Classic::usual(&packets(200)).bytes;
    let packed = gzip(&plain);
    for at in (20..packed.len()).step_by(7) {
        let mut damaged = packed.clone();
        damaged[at] ^= 0x10;
        // Damage in the data, or the checksum at the end.
        assert!(read(&damaged).end.is_err(), "byte {at}");
    }
}

#[test]
fn absurd_lengths_are_damage_not_memory() {
    let mut file = Classic::usual(&packets(2));
    let at = file.bytes.len();
    file.bytes.extend([0; 8]);
    file.bytes.extend(u32::MAX.to_le_bytes());
    file.bytes.extend([0; 64]);
    let Read { packets: found, end, .. } = read(&file.bytes);
    assert_eq!(found.len(), 2);
    match end {
        Err(CaptureError::Malformed { offset, packets_read, .. }) => {
            assert_eq!((offset, packets_read), (at as u64, 2));
        }
        other => panic!("{other:?}"),
    }

    for length in [0u32, 8, 13, MAX_BLOCK as u32 + 4, u32::MAX - 3] {
        let mut file = Ng::usual(&packets(2));
        file.bytes.extend(6u32.to_le_bytes());
        file.bytes.extend(length.to_le_bytes());
        file.bytes.extend([0; 64]);
        let Read { packets, end, .. } = read(&file.bytes);
        assert_eq!(packets.len(), 2, "length {length}");
        assert!(matches!(end, Err(CaptureError::Malformed { .. })), "length {length}: {end:?}");
    }
}

#[test]
fn contradictions_in_blocks_are_damage() {
    // Captured length over the block's.
    let mut longer = Ng::usual(&packets(1));
    let at = longer.bytes.len();
    longer.enhanced(0, 0, 54, &ethernet(0), &[]);
    longer.bytes[at + 20] = 200;
    // A packet of an interface that was never described.
    let mut nowhere = Ng::usual(&packets(1));
    nowhere.enhanced(3, 0, 54, &ethernet(0), &[]);
    // Of one that belongs to the section before.
    let mut foreign = Ng::usual(&packets(1));
    foreign.section(Order::Little);
    foreign.simple(54, &ethernet(0));
    // Two lengths.
    let mut unequal = Ng::usual(&packets(1));
    unequal.block(0x0bad_cafe, &[0; 8]);
    let last = unequal.bytes.len() - 4;
    unequal.bytes[last] ^= 4;
    // No room for the packet header.
    let mut short = Ng::usual(&packets(1));
    short.block(6, &[0; 16]);

    for (name, file) in [
        ("longer", longer),
        ("nowhere", nowhere),
        ("foreign", foreign),
        ("unequal", unequal),
        ("short", short),
    ] {
        let Read { packets, end, .. } = read(&file.bytes);
        assert_eq!(packets.len(), 1, "{name}");
        assert!(matches!(end, Err(CaptureError::Malformed { .. })), "{name}: {end:?}");
    }
}

#[test]
fn the_largest_packet_is_still_read() {
    let data = vec![7; MAX_PACKET];
    let mut file = Classic::usual(&packets(1));
    file.push(0, MAX_PACKET as u32, &data);
    file.extend(&packets(1));
    assert_eq!(crate::read_whole(&file.bytes).len(), 3);
    let mut file = Ng::usual(&packets(1));
    file.enhanced(0, 0, MAX_PACKET as u32, &data, &[(1, b"the longest")]);
    assert_eq!(crate::read_whole(&file.bytes)[1].data.len(), MAX_PACKET);
}

#[test]
fn what_is_no_capture_is_named() {
    let cases: &[(&[u8], &str)] = &[
        (b"", "it is empty"),
        (b"GET / HTTP/1.1\r\n", "47 45 54 20"),
        (b"\xd4\xc3", "it begins with the bytes d4 c3"),
        (b"BZh91AY&SY", "bunzip2"),
        (b"\xfd7zXZ\0\0\x04", "unxz"),
        (b"snoop\0\0\0\0\0\0\x02", "editcap"),
    ];
    for (bytes, expected) in cases {
        let error = read(bytes).end.expect_err("no capture").to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("made-by-test") && !error.contains('\n'), "{error}");
        // Compressed, it is as little a capture.
        assert!(read(&gzip(bytes)).end.is_err());
    }
    let mut old = Classic::usual(&[]).bytes;
    old[4] = 1;
    assert!(matches!(read(&old).end, Err(CaptureError::Unsupported { .. })));
    let mut new = Ng::new(Order::Little).bytes;
    new[12] = 2;
    assert!(matches!(read(&new).end, Err(CaptureError::Unsupported { .. })));
}

#[test]
fn what_cannot_be_opened_is_said_so() {
    for path in ["/nonexistent/file.pcap", "/"] {
        match CaptureReader::open(Path::new(path)) {
            Err(error @ CaptureError::Open { .. }) => assert!(error.to_string().contains(path)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_zstd_window_beyond_reason_is_refused() {
    // Descriptor 0 and a window of 2^41 bytes (RFC 8878 section 3.1.1.1.2).
    let bomb = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0x00, 0x00];
    let error = read(&bomb).end.expect_err("too large").to_string();
    assert!(error.contains("window"), "{error}");
}

proptest! {
    /// Whatever follows a good beginning, the reader ends and does not panic.
    #[test]
    fn any_bytes_are_survived(sample in 0usize..6, keep in 0usize..120, tail: Vec<u8>) {
        let (bytes, _) = &samples()[sample];
        let mut bytes = bytes[..keep.min(bytes.len())].to_vec();
        bytes.extend(tail);
        read(&bytes);
        read(&gzip(&bytes));
        bytes.splice(0..0, [0x28, 0xb5, 0x2f, 0xfd]);
        read(&bytes);
    }
}
