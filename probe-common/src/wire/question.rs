//! The first question of a DNS message (RFC 1035, section 4.1.2): hashed, measured, and kept for
//! the list of watched names.

use super::{
    LOOK_MAX, Octets,
    dns::{DNS_LEN, UDP_LEN},
};

/// Words of eight octets of a question's name that are read: 256 octets, one more than the longest
/// name there may be (RFC 1035, section 2.3.4).
pub const NAME_WORDS: usize = 32;

/// What one question says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Question {
    /// Hash of name, type and class, letters folded to lower case; never 0.
    pub hash: u32,
    /// The same of the name as it is spelled: two spellings of one name differ (0x20).
    pub exact: u32,
    /// Octets of the name, the root's not counted.
    pub name_len: u16,
    /// Whether there is a capital letter in the name.
    pub capitals: bool,
    /// Explicit padding.
    pub reserved: u8,
    /// Offset in the frame of what follows the question.
    pub after: u32,
}

/// The name of a question as it stands in the message, letters folded to lower case; before it
/// there is room for zeros, so that what is read from its end may begin before it.
///
/// In whole words, whose most significant octet comes first.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Name {
    words: [u64; FRONT + NAME_WORDS],
}

/// Words of zeros in front of a name: as many as the longest suffix has.
const FRONT: usize = crate::names::SUFFIX_WORDS;

impl Default for Name {
    fn default() -> Self {
        Self { words: [0; FRONT + NAME_WORDS] }
    }
}

impl Name {
    /// Of a name of `len` octets the word that ends `back` words before its end.
    #[inline(always)]
    pub fn from_end(&self, len: u16, back: usize) -> u64 {
        // At most 255: a name has a root behind it, within what is read.
        let end = usize::from(len) & 0xff;
        let shift = (end & 7) as u32 * 8;
        let at = FRONT - 1 - back + end / 8;
        let Some(&first) = self.words.get(at) else { return 0 };
        let Some(&second) = self.words.get(at + 1) else { return first };
        // In two steps, since a shift by 64 is none.
        first << shift | second >> 1 >> (63 - shift)
    }
}

/// Reads the first question of the message in the datagram at `at`, which ends before `end`, and
/// leaves its name in `name`. `None` if there is no whole one.
///
/// FNV-1a over words of eight octets: it only has to tell apart what came under one transaction id
/// on one pair of ports, and an attacker who could choose both would gain nothing by a collision
/// but an event.
///
/// The name ends with the first octet of zero. What has such an octet within a label (RFC 2181,
/// section 11, permits it) is cut there, in query and reply alike.
#[inline(always)]
pub fn read<O: Octets>(octets: &O, at: usize, end: usize, name: &mut Name) -> Option<Question> {
    let mut hash = FNV_OFFSET;
    let mut exact = FNV_OFFSET;
    let mut capitals = 0;
    let mut at = at + UDP_LEN + DNS_LEN;
    for round in 0..NAME_WORDS {
        let word = eight(octets, at)?;
        let after = from_first_zero(word);
        // The octets before the end of the name, and none of those after it.
        let spelled = word & !(after * 0xff);
        let folded = fold(spelled);
        capitals |= spelled ^ folded;
        hash = mix(hash, folded);
        exact = mix(exact, spelled);
        if let Some(slot) = name.words.get_mut(FRONT + round) {
            *slot = folded;
        }
        if after != 0 {
            let before = 8 - (after.wrapping_mul(ONES) >> 56) as usize;
            let kind = four(octets, at + before + 1)?;
            let after = at + before + 5;
            if after > end || after > LOOK_MAX {
                return None;
            }
            return Some(Question {
                hash: finish(mix(hash, u64::from(kind) | 1 << 63)),
                exact: finish(mix(exact, u64::from(kind) | 1 << 63)),
                name_len: (round * 8 + before) as u16,
                capitals: capitals != 0,
                reserved: 0,
                after: after as u32,
            });
        }
        at += 8;
    }
    None
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// One step of the hash.
#[inline(always)]
pub(crate) const fn mix(hash: u64, word: u64) -> u64 {
    // The rotation carries high octets down, where a multiplication alone leaves them.
    (hash ^ word).wrapping_mul(FNV_PRIME).rotate_left(23)
}

#[inline(always)]
const fn finish(hash: u64) -> u32 {
    let hash = (hash ^ hash >> 32) as u32;
    if hash == 0 { 1 } else { hash }
}

/// The eight octets at `at`; at the end of the packet four of them. Type and class come behind a
/// name, so where there are fewer than eight left, its end is among the first three.
#[inline(always)]
fn eight<O: Octets>(octets: &O, at: usize) -> Option<u64> {
    match octets.word(at) {
        Some(word) => Some(word),
        None => four(octets, at).map(|word| u64::from(word) << 32),
    }
}

/// The four octets at `at`; what is before them belongs to the message, too.
#[inline(always)]
fn four<O: Octets>(octets: &O, at: usize) -> Option<u32> {
    octets.word(at - 4).map(|word| word as u32)
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

    use super::{Name, Question, fold, from_first_zero, read};
    use crate::wire::Slice;

    fn question(octets: &[u8]) -> Option<Question> {
        read(&Slice::whole(octets), 0, octets.len(), &mut Name::default())
    }

    fn asked(name: &str, kind: u16, tail: &[u8]) -> Question {
        let mut octets = std::vec![0; 20];
        for label in name.split('.') {
            octets.push(label.len() as u8);
            octets.extend_from_slice(label.as_bytes());
        }
        octets.push(0);
        octets.extend_from_slice(&kind.to_be_bytes());
        octets.extend_from_slice(&[0, 1]);
        octets.extend_from_slice(tail);
        question(&octets).expect("a whole question")
    }

    fn hash(name: &str, kind: u16, tail: &[u8]) -> u32 {
        asked(name, kind, tail).hash
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
    fn spellings_are_told_apart() {
        let plain = asked("www.linkedin.com", 1, b"");
        let mixed = asked("wWw.LiNkEdIn.cOm", 1, b"");
        assert_eq!((plain.exact, plain.capitals), (plain.hash, false));
        assert_eq!(mixed.hash, plain.hash);
        assert_ne!(mixed.exact, plain.exact);
        assert_ne!(mixed.exact, asked("WwW.lInKeDiN.CoM", 1, b"").exact);
        assert!(mixed.capitals);
        assert_eq!((mixed.name_len, mixed.after), (17, 20 + 17 + 5));
    }

    #[test]
    fn no_whole_question_no_hash() {
        let octets = [0; 20];
        assert_eq!(question(&octets), None);
        let mut unfinished = std::vec![0; 20];
        unfinished.extend_from_slice(&[3, b'w', b'w', b'w', 3, b'x']);
        assert_eq!(question(&unfinished), None);
        let endless = std::vec![1; 600];
        assert_eq!(question(&endless), None);
    }
}
