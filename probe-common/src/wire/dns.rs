//! UDP (RFC 768) and the fixed part and question of a DNS message (RFC 1035, section 4.1).

use super::{Located, Octets, Packet, ip, quirk};

const UDP_LEN: usize = 8;
const DNS_LEN: usize = 12;

/// Words of eight octets of a question's name that are hashed: 256 octets, one more than the
/// longest name there may be (RFC 1035, 2.3.4).
pub const NAME_WORDS: usize = 32;

/// Response bit of the DNS flags.
pub const QR: u16 = 0x8000;

/// The fixed part of a DNS message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Transaction id.
    pub id: u16,
    /// Flags and response code, as they stand.
    pub flags: u16,
    /// Question, answer, authority and additional counts.
    pub counts: [u16; 4],
}

/// Reads a datagram into `packet`.
#[inline(always)]
pub fn describe<O: Octets>(octets: &O, found: &Located, packet: &mut Packet) -> Option<()> {
    ip::describe(octets, found, packet)?;
    let at = found.at;
    let ports = octets.u32(at)?;
    packet.source_port = (ports >> 16) as u16;
    packet.destination_port = ports as u16;
    let rest = octets.u32(at + 4)?;
    packet.checksum = rest as u16;
    if packet.checksum == 0 {
        packet.quirks |= quirk::UDP_NO_CHECKSUM;
    }
    let length = (rest >> 16) as usize;
    let fragmented = packet.quirks & quirk::MORE_FRAGMENTS != 0;
    if length != found.length && !fragmented {
        packet.quirks |= quirk::UDP_LENGTH;
    }
    packet.payload = found.length.saturating_sub(UDP_LEN) as u32;
    packet.payload_at = (at + UDP_LEN) as u16;
    Some(())
}

/// The ports of a datagram.
#[inline(always)]
pub fn ports<O: Octets>(octets: &O, found: &Located) -> Option<(u16, u16)> {
    let ports = octets.u32(found.at)?;
    Some(((ports >> 16) as u16, ports as u16))
}

/// Reads the fixed part of the message.
#[inline(always)]
pub fn header<O: Octets>(octets: &O, found: &Located) -> Option<Header> {
    let at = found.at + UDP_LEN;
    let first = octets.u32(at)?;
    let second = octets.u64(at + 4)?;
    Some(Header {
        id: (first >> 16) as u16,
        flags: first as u16,
        counts: [
            (second >> 48) as u16,
            (second >> 32) as u16,
            (second >> 16) as u16,
            second as u16,
        ],
    })
}

/// A hash of the first question, letters folded to lower case so that 0x20 encoding (a resolver's
/// random capitals) does not matter; 0 if there is no whole question.
///
/// FNV-1a over words of eight octets: it only has to tell apart what came under one transaction id
/// on one pair of ports, and an attacker who could choose both would gain nothing by a collision
/// but an event.
#[inline(always)]
pub fn question_hash<O: Octets>(octets: &O, found: &Located) -> u32 {
    let mut hash = FNV_OFFSET;
    let mut at = found.at + UDP_LEN + DNS_LEN;
    for _ in 0..NAME_WORDS {
        let Some(word) = eight(octets, at) else { return 0 };
        let after = from_first_zero(word);
        // The octets before the end of the name, and none of those after it.
        hash = mix(hash, fold(word & !(after * 0xff)));
        if after != 0 {
            let before = 8 - (after.wrapping_mul(ONES) >> 56);
            let Some(kind) = octets.u32(at + before as usize + 1) else { return 0 };
            hash = mix(hash, u64::from(kind) | 1 << 63);
            let hash = (hash ^ hash >> 32) as u32;
            return if hash == 0 { 1 } else { hash };
        }
        at += 8;
    }
    0
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

#[inline(always)]
const fn mix(hash: u64, word: u64) -> u64 {
    // The rotation carries high octets down, where a multiplication alone leaves them.
    (hash ^ word).wrapping_mul(FNV_PRIME).rotate_left(23)
}

/// The eight octets at `at`; at the end of the packet four of them. Type and class come behind a
/// name, so where there are fewer than eight left, its end is among the first three.
#[inline(always)]
fn eight<O: Octets>(octets: &O, at: usize) -> Option<u64> {
    match octets.u64(at) {
        Some(word) => Some(word),
        None => octets.u32(at).map(|word| u64::from(word) << 32),
    }
}

/// A one in each octet of the word.
const ONES: u64 = 0x0101_0101_0101_0101;

/// A one in the first octet that is zero and in all behind it, zero elsewhere.
///
/// Without a branch: the verifier would follow each of eight.
#[inline(always)]
const fn from_first_zero(word: u64) -> u64 {
    const LOW: u64 = 0x7f * ONES;
    // The high bit of each octet that is zero (Mycroft's test, the exact form).
    let zero = !(((word & LOW) + LOW) | word | LOW);
    let spread = zero | zero >> 8;
    let spread = spread | spread >> 16;
    let spread = spread | spread >> 32;
    spread >> 7
}

/// Folds the letters A to Z to lower case, eight octets at once. Label lengths are at most 63 and
/// thus below "A".
#[inline(always)]
const fn fold(word: u64) -> u64 {
    const HIGH: u64 = 0x80 * ONES;
    let low = word & !HIGH;
    // The high bit of each octet: set where it is at least "A", where it is beyond "Z".
    let from_a = low + (0x80 - b'A' as u64) * ONES;
    let beyond_z = low + (0x80 - b'Z' as u64 - 1) * ONES;
    let upper = from_a & !beyond_z & !word & HIGH;
    word | upper >> 2
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::{fold, from_first_zero, question_hash};
    use crate::wire::{Located, Slice};

    fn hash(name: &str, kind: u16, tail: &[u8]) -> u32 {
        let mut octets = std::vec![0; 20];
        for label in name.split('.') {
            octets.push(label.len() as u8);
            octets.extend_from_slice(label.as_bytes());
        }
        octets.push(0);
        octets.extend_from_slice(&kind.to_be_bytes());
        octets.extend_from_slice(&[0, 1]);
        octets.extend_from_slice(tail);
        question_hash(&Slice::whole(&octets), &Located::default())
    }

    #[test]
    fn folding_touches_letters_only() {
        for octet in 0..=255_u8 {
            let word = u64::from_be_bytes([octet; 8]);
            assert_eq!(fold(word).to_be_bytes(), [octet.to_ascii_lowercase(); 8]);
        }
    }

    #[test]
    fn everything_from_the_first_zero_on_is_marked() {
        assert_eq!(from_first_zero(u64::MAX), 0);
        assert_eq!(from_first_zero(0x0180_ff7f_0102_0380), 0);
        for at in 0..8 {
            let mut octets = [0x80, 1, 0xff, 0x7f, 0x80, 1, 0xff, 0x7f];
            octets[at] = 0;
            let marks = from_first_zero(u64::from_be_bytes(octets)).to_be_bytes();
            assert!(marks.iter().enumerate().all(|(i, &mark)| mark == u8::from(i >= at)));
        }
    }

    #[test]
    fn capitals_do_not_matter_and_all_else_does() {
        let names = ["a.b", "www.linkedin.com", "www.linkedin.co", "example.org", "x.example.org"];
        let mut seen = Vec::new();
        for name in names {
            for kind in [1, 28] {
                let plain = hash(name, kind, b"");
                assert_ne!(plain, 0);
                assert_eq!(plain, hash(&name.to_uppercase(), kind, b""));
                // What follows the question, such as an OPT record, is not part of it.
                for tail in [&b"\0"[..], b"\0\0\x29\x10\0\0\0\0\0\0\0"] {
                    assert_eq!(plain, hash(name, kind, tail));
                }
                assert!(!seen.contains(&plain));
                seen.push(plain);
            }
        }
    }

    #[test]
    fn no_whole_question_no_hash() {
        let octets = [0; 20];
        assert_eq!(question_hash(&Slice::whole(&octets), &Located::default()), 0);
        let mut unfinished = std::vec![0; 20];
        unfinished.extend_from_slice(&[3, b'w', b'w', b'w', 3, b'x']);
        assert_eq!(question_hash(&Slice::whole(&unfinished), &Located::default()), 0);
        let endless = std::vec![1; 600];
        assert_eq!(question_hash(&Slice::whole(&endless), &Located::default()), 0);
    }
}
