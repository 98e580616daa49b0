//! The packets of the standards, and packets made here: whole, in parts, and damaged.

use proptest::prelude::*;
use rustls::{
    Side,
    crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
    quic::{DirectionalKeys, Keys, Version as Protection},
};

use super::*;
use crate::names::tls::State;

/// Destination connection id of the examples: RFC 9001 appendix A, RFC 9369 appendix A.
const ID: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

/// The CRYPTO frame of their client's packet, a hello for example.com: RFC 9001 appendix A.2.
const HELLO_FRAME: &str = "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f0\
    6a2b69484c00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a0008000600\
    1d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fed\
    ba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e04030503060302030804080508060\
    02d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff08011001048000753009\
    01100f088394c8f03e51570806048000ffff";

/// Length of that packet's payload, padding included.
const PAYLOAD: usize = 1_162;

const V1: u32 = 1;
const V2: u32 = 0x6b33_43cf;

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.bytes().filter_map(|digit| char::from(digit).to_digit(16)).map(|d| d as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn client_keys(protection: Protection, id: &[u8]) -> DirectionalKeys {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().expect("a suite of TLS 1.3");
    let quic = suite.quic.expect("a suite for QUIC");
    Keys::initial(protection, suite, quic, id, Side::Client).local
}

/// How an Initial packet is made.
#[derive(Debug, Clone)]
struct Recipe {
    version: u32,
    protection: Protection,
    /// What the keys follow from.
    original: Vec<u8>,
    destination: Vec<u8>,
    token: Vec<u8>,
    number: u64,
    width: usize,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            version: V1,
            protection: Protection::V1,
            original: ID.to_vec(),
            destination: ID.to_vec(),
            token: Vec::new(),
            number: 2,
            width: 4,
        }
    }
}

fn varint(value: usize) -> Vec<u8> {
    match value {
        0..0x40 => vec![value as u8],
        0x40..0x4000 => (value as u16 | 0x4000).to_be_bytes().to_vec(),
        _ => (value as u32 | 0x8000_0000).to_be_bytes().to_vec(),
    }
}

impl Recipe {
    fn v2() -> Self {
        Self { version: V2, protection: Protection::V2, ..Self::default() }
    }

    /// The packet around `frames`, padded to `length` octets of payload.
    fn packet(&self, frames: &[u8], length: usize) -> Vec<u8> {
        let keys = client_keys(self.protection, &self.original);
        let kind = if self.version == V2 { 1 } else { 0 };
        let mut header = vec![0xc0 | kind << 4 | (self.width - 1) as u8];
        header.extend(self.version.to_be_bytes());
        header.push(self.destination.len() as u8);
        header.extend(&self.destination);
        header.push(0);
        header.extend(varint(self.token.len()));
        header.extend(&self.token);
        let mut payload = frames.to_vec();
        payload.resize(length.max(frames.len()), 0);
        header.extend(varint(self.width + payload.len() + keys.packet.tag_len()));
        let number_at = header.len();
        header.extend(&self.number.to_be_bytes()[8 - self.width..]);
        let tag = keys.packet.encrypt_in_place(self.number, &header, &mut payload);
        payload.extend(tag.expect("short enough").as_ref());
        let mut packet = [header, payload].concat();
        let (head, rest) = packet.split_at_mut(number_at);
        let (number, rest) = rest.split_at_mut(4);
        let sample = &rest[..keys.header.sample_len()];
        let number = &mut number[..self.width];
        keys.header.encrypt_in_place(sample, &mut head[0], number).expect("a sample");
        packet
    }
}

fn crypto(offset: usize, piece: &[u8]) -> Vec<u8> {
    [&[6][..], &varint(offset), &varint(piece.len()), piece].concat()
}

fn example_hello() -> Vec<u8> {
    octets(HELLO_FRAME).split_off(4)
}

/// A hello for `name` that is padded to `length` octets, as one with a post-quantum key share is.
fn hello(name: &str, length: usize) -> Vec<u8> {
    let prefixed = |width: usize, content: &[u8]| {
        [&(content.len() as u32).to_be_bytes()[4 - width..], content].concat()
    };
    let name = [&[0][..], &prefixed(2, name.as_bytes())].concat();
    let name = [&[0, 0][..], &prefixed(2, &prefixed(2, &name))].concat();
    let share = vec![0x5a; length.saturating_sub(51 + name.len())];
    let extensions = [&[0, 51][..], &prefixed(2, &share), &name].concat();
    let body =
        [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0], &prefixed(2, &extensions)].concat();
    [&[1][..], &prefixed(3, &body)].concat()
}

fn name(initials: &Initials) -> Option<String> {
    initials.hello().sni
}

#[test]
fn reads_the_packets_of_the_standards() {
    let frame = octets(HELLO_FRAME);
    assert_eq!(frame.len(), 245);
    // The header that is told, and the last octets, which depend on all others: RFC 9001 appendix
    // A.2, RFC 9369 appendix A.2.
    let examples = [
        (
            Recipe::default(),
            "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9b",
            "e221af44860018ab0856972e194cd934",
        ),
        (
            Recipe::v2(),
            "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071",
            "a18b2faa745b6fe189cf772a9f84cbfc",
        ),
    ];
    for (recipe, begins, ends) in examples {
        let packet = recipe.packet(&frame, PAYLOAD);
        assert_eq!(packet.len(), 1_200);
        assert!(packet.starts_with(&octets(begins)) && packet.ends_with(&octets(ends)));
        let mut initials = Initials::new();
        assert_eq!(initials.push(&packet), Pushed { initials: 1, opened: 1, grew: true });
        let hello = initials.hello();
        assert_eq!(hello.sni.as_deref(), Some("example.com"));
        assert_eq!((hello.state, hello.version), (State::Complete, 0x0304));
        assert_eq!(hello.alpn, ["alpn"]);
    }
}

#[test]
fn tells_the_packets_of_a_server_apart() {
    // Retry: RFC 9001 appendix A.4, RFC 9369 appendix A.4.
    let retries = [
        "ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba",
        "cf6b3343cf0008f067a5502a4262b5746f6b656ec8646ce8bfe33952d955543665dcc7b6",
    ];
    for retry in retries {
        let octets = octets(retry);
        let all: Vec<Packet<'_>> = packets(&octets).collect();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].kind, Kind::Retry);
        assert_eq!(all[0].source, &octets[7..15]);
    }
    // A server's Initial: RFC 9001 appendix A.3. Its keys are not the client's.
    let answer = octets(
        "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780b\
         b38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19\
         fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee",
    );
    assert_eq!(packets(&answer).map(|packet| packet.kind).collect::<Vec<_>>(), [Kind::Initial]);
    let mut initials = Initials::new();
    assert_eq!(initials.push(&answer), Pushed { initials: 1, ..Pushed::default() });
    assert_eq!(initials.refused(), 1);

    let negotiation = octets("8000000000 04aabbccdd 02eeff 00000001 6b3343cf");
    let kinds: Vec<Kind> = packets(&negotiation).map(|packet| packet.kind).collect();
    assert_eq!(kinds, [Kind::VersionNegotiation]);
    assert_eq!(packets(b"\x40\x01\x02").map(|p| p.kind).collect::<Vec<_>>(), [Kind::Short]);
    let google = octets("c3 51303433 08 0102030405060708 00");
    assert_eq!(packets(&google).map(|p| p.kind).collect::<Vec<_>>(), [Kind::Unknown]);
}

#[test]
fn joins_frames_in_any_order_and_datagrams_in_any_order() {
    let hello = hello("www.linkedin.com", 1_900);
    let frames = |pieces: &[(usize, usize)]| -> Vec<u8> {
        pieces.iter().flat_map(|&(from, to)| crypto(from, &hello[from..to])).collect()
    };
    let first = [&[0, 0, 1][..], &frames(&[(900, 1000), (0, 3), (40, 500)])].concat();
    let second = [&frames(&[(1_000, 1_900)])[..], &[1], &frames(&[(3, 40)])].concat();
    let third = frames(&[(500, 900), (1_850, hello.len())]);
    let packets: Vec<Vec<u8>> = [first, second, third]
        .iter()
        .enumerate()
        .map(|(number, frames)| {
            Recipe { number: number as u64, width: 1, ..Recipe::default() }.packet(frames, 1_162)
        })
        .collect();
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut initials = Initials::new();
        for place in order {
            initials.push(&packets[place]);
            initials.push(&packets[place]);
        }
        assert_eq!(name(&initials).as_deref(), Some("www.linkedin.com"), "{order:?}");
        assert_eq!(initials.hello().state, State::Complete);
        assert!(!initials.is_malformed());
    }
    let mut initials = Initials::new();
    initials.push(&packets[0]);
    initials.push(&packets[2]);
    assert_eq!((name(&initials), initials.hello().state), (None, State::Incomplete));
}

#[test]
fn reads_packets_that_share_a_datagram() {
    let hello = hello("a.example", 400);
    let initial =
        |number, frames: &[u8]| Recipe { number, width: 2, ..Recipe::default() }.packet(frames, 0);
    // 0-RTT in between: type 1, whatever is in it.
    let early = octets("d0 00000001 08 8394c8f03e515708 00 0a 00010203040506070809");
    let parts = [
        initial(0, &crypto(0, &hello[..100])),
        early,
        initial(1, &crypto(100, &hello[100..])),
        vec![0; 50],
    ];
    let datagram = parts.concat();
    let kinds: Vec<Kind> = packets(&datagram).map(|packet| packet.kind).collect();
    assert_eq!(kinds, [Kind::Initial, Kind::ZeroRtt, Kind::Initial, Kind::Short]);
    let mut initials = Initials::new();
    assert_eq!(initials.push(&datagram), Pushed { initials: 2, opened: 2, grew: true });
    assert_eq!(name(&initials).as_deref(), Some("a.example"));
}

#[test]
fn follows_a_retry_and_the_id_that_the_server_chose() {
    let hello = hello("a.example", 600);
    let mut initials = Initials::new();
    let lost = Recipe { number: 0, ..Recipe::default() }.packet(&crypto(0, &hello[..200]), 0);
    assert!(initials.push(&lost).grew);
    // After a Retry: its id is the new origin of the keys, and its token comes along.
    let again = Recipe {
        original: b"retried!".to_vec(),
        destination: b"retried!".to_vec(),
        token: b"a token".repeat(20),
        number: 1,
        ..Recipe::default()
    };
    assert!(initials.push(&again.packet(&crypto(200, &hello[200..]), 1_000)).grew);
    assert_eq!(name(&initials).as_deref(), Some("a.example"));
    // After the server's Initial: its id is the destination, and the keys stay. The client gives up.
    let close =
        Recipe { destination: vec![9; 20], token: Vec::new(), number: 2, width: 1, ..again };
    let ack = [0x02, 0x00, 0x00, 0x01, 0x00, 0x05, 0x00];
    let frames = [&ack[..], &[0x1c, 0x0c, 0x00, 0x03], b"bye"].concat();
    assert_eq!(initials.push(&close.packet(&frames, 0)).opened, 1);
    assert_eq!((initials.close(), initials.is_malformed()), (Some(12), false));
}

#[test]
fn another_connection_on_the_same_ports_begins_anew() {
    let mut initials = Initials::new();
    for (id, host) in [(&b"11111111"[..], "first.example"), (b"22222222", "second.example")] {
        let recipe =
            Recipe { original: id.to_vec(), destination: id.to_vec(), ..Recipe::default() };
        initials.push(&recipe.packet(&crypto(0, &hello(host, 500)), 1_000));
        assert_eq!(name(&initials).as_deref(), Some(host));
    }
}

#[test]
fn a_greased_version_is_read_as_what_it_is_protected_as() {
    for protection in [Protection::V1, Protection::V1Draft, Protection::V2] {
        let recipe = Recipe { version: 0x1a2a_3a4a, protection, ..Recipe::default() };
        let mut initials = Initials::new();
        initials.push(&recipe.packet(&crypto(0, &example_hello()), 900));
        assert_eq!(name(&initials).as_deref(), Some("example.com"));
    }
}

#[test]
fn completes_packet_numbers() {
    // RFC 9000 appendix A.3.
    assert_eq!(seal::whole_number(Some(0xa82f_30ea), 0x9b32, 2), 0xa82f_9b32);
    assert_eq!(seal::whole_number(Some(0xff), 0x00, 1), 0x100);
    assert_eq!(seal::whole_number(Some(0x102), 0xfe, 1), 0xfe);
    assert_eq!(seal::whole_number(None, 0x1234, 2), 0x1234);
    let hello = hello("a.example", 500);
    let first = Recipe { number: 0x1_fffe, width: 4, ..Recipe::default() };
    let second = Recipe { number: 0x2_0001, width: 1, ..Recipe::default() };
    let mut initials = Initials::new();
    initials.push(&first.packet(&crypto(0, &hello[..300]), 0));
    initials.push(&second.packet(&crypto(300, &hello[300..]), 0));
    assert_eq!(name(&initials).as_deref(), Some("a.example"));
}

#[test]
fn what_opens_no_more_is_bounded() {
    let packet = Recipe::default().packet(&crypto(0, b"\x01"), 40);
    let mut initials = Initials::new();
    for _ in 0..100 {
        assert_eq!(initials.push(&packet).initials, 1);
    }
    assert_eq!(initials.opened(), u16::from(DATAGRAMS_MAX));
    assert!(initials.is_full());
    let many = Recipe::default().packet(&[], 20).repeat(PACKETS_MAX + 5);
    assert_eq!(usize::from(Initials::new().push(&many).opened), PACKETS_MAX);
}

#[test]
fn frames_that_may_not_be_there_end_the_reading() {
    let mut initials = Initials::new();
    let hello = example_hello();
    // STREAM frames belong into later packets.
    let frames = [crypto(0, &hello[..100]), vec![0x08, 0, 0], crypto(100, &hello[100..])].concat();
    initials.push(&Recipe::default().packet(&frames, 0));
    assert!(initials.is_malformed());
    assert_eq!(initials.hello().state, State::Incomplete);
}

#[test]
fn every_truncation_is_taken_and_opens_nothing() {
    let packet = Recipe { token: vec![1; 70], ..Recipe::v2() }.packet(&octets(HELLO_FRAME), 300);
    for length in 0..packet.len() {
        let mut initials = Initials::new();
        assert_eq!(initials.push(&packet[..length]).opened, 0, "{length}");
        assert_eq!(initials.hello().sni, None);
    }
}

proptest! {
    /// A changed octet is noticed: nothing opens, unless it was not part of the packet.
    #[test]
    fn damage_opens_nothing(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
    ) {
        let packet = Recipe::default().packet(&octets(HELLO_FRAME), PAYLOAD);
        let mut changed = packet.clone();
        for (at, by) in damage {
            let at = at.index(changed.len());
            changed[at] ^= by;
        }
        let mut initials = Initials::new();
        let opened = initials.push(&changed).opened;
        prop_assert_eq!(opened != 0, changed == packet);
    }

    #[test]
    fn takes_anything(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut initials = Initials::new();
        initials.push(&octets);
        for version in [V1, V2, 0x0a0a_0a0a, 0xff00_001d, 0] {
            let long = [&[0xc3][..], &version.to_be_bytes(), &octets].concat();
            prop_assert!(packets(&long).count() <= PACKETS_MAX);
            initials.push(&long);
        }
    }

    /// Whatever frames are sealed: they are read to the first that is broken.
    #[test]
    fn takes_any_frames(frames in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut initials = Initials::new();
        prop_assert_eq!(initials.push(&Recipe::default().packet(&frames, 30)).opened, 1);
        let _ = initials.hello();
    }

    /// Cut anywhere, shuffled and spread over datagrams, a hello is put together.
    #[test]
    fn any_cut_of_a_hello_is_put_together(
        length in 100usize..2_500,
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
        seed in any::<u64>(),
    ) {
        let hello = hello("a.example", length);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(hello.len())).collect();
        ends.extend([0, hello.len()]);
        ends.sort_unstable();
        let mut pieces: Vec<(usize, usize)> = ends.windows(2).map(|two| (two[0], two[1])).collect();
        let count = pieces.len();
        for place in 0..count {
            pieces.swap(place, (seed as usize).wrapping_mul(place + 7) % count);
        }
        let mut initials = Initials::new();
        for (number, pieces) in pieces.chunks(4).enumerate() {
            let frames: Vec<u8> =
                pieces.iter().flat_map(|&(from, to)| crypto(from, &hello[from..to])).collect();
            let recipe = Recipe { number: number as u64, width: 1, ..Recipe::default() };
            initials.push(&recipe.packet(&frames, 30));
        }
        prop_assert_eq!(name(&initials), Some("a.example".to_owned()));
        prop_assert_eq!(initials.hello().state, State::Complete);
    }
}
