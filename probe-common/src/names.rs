//! The list of watched names, in a form that costs the same for every name asked for.
//!
//! A suffix is taken as it stands in a message (`\x08linkedin\x03com`, the root left out), hashed
//! from its end in words of eight octets, and stands as two bits in a bitmap (Bloom, 1970). Of a
//! name asked for, only suffixes of lengths are tried that the list has, and only where the octet
//! at their beginning can be a label's length.
//!
//! An accidental match (a collision in the bitmap, or octets inside a label that look like labels)
//! costs an event that the agent looks at and sees through; never a finding.

use crate::{
    hash::HashKey,
    wire::question::{Name, mix},
};

/// Longest suffix, in octets; longer ones are cut to their last labels.
pub const SUFFIX_MAX: usize = 64;

/// The same in words.
pub const SUFFIX_WORDS: usize = SUFFIX_MAX / 8;

/// Bits of the map of watched names: with 1,000 suffixes one name in 1,100 is watched by accident.
pub const NAME_BITS: u32 = 1 << 16;

/// 64-bit words of that map.
pub const NAME_BIT_WORDS: u32 = NAME_BITS / 64;

/// The list.
///
/// One writer, the agent, while the programs read: to replace it, new bits are set first, and old
/// ones cleared afterwards, so that what is on both lists is watched all the time.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Names {
    /// Bit n: there are suffixes of n + 1 octets.
    pub lengths: u64,
    /// Two bits for each suffix.
    pub bits: [u64; NAME_BIT_WORDS as usize],
}

impl Default for Names {
    fn default() -> Self {
        Self { lengths: 0, bits: [0; NAME_BIT_WORDS as usize] }
    }
}

impl Names {
    /// Adds a suffix: labels with their lengths in front, letters folded to lower case, without the
    /// root. One longer than [`SUFFIX_MAX`] is cut to its last labels. Returns whether there was
    /// anything to add.
    pub fn add(&mut self, key: HashKey, suffix: &[u8]) -> bool {
        let mut suffix = suffix;
        while suffix.len() > SUFFIX_MAX {
            let label = 1 + usize::from(suffix[0]);
            suffix = suffix.get(label..).unwrap_or(&[]);
        }
        if suffix.is_empty() {
            return false;
        }
        let mut hash = seed(key);
        for chunk in suffix.rchunks(8) {
            hash = mix(hash, chunk.iter().fold(0, |word, &octet| word << 8 | u64::from(octet)));
        }
        self.lengths |= 1 << (suffix.len() - 1);
        for bit in places(hash) {
            self.bits[(bit / 64) as usize] |= 1 << (bit % 64);
        }
        true
    }

    /// Whether a suffix of the name, of `len` octets, is on the list.
    #[inline(always)]
    pub fn matches(&self, key: HashKey, name: &Name, len: u16) -> bool {
        let mut hash = seed(key);
        let mut found = 0;
        for back in 0..SUFFIX_WORDS {
            if usize::from(len) <= back * 8 {
                break;
            }
            let word = name.from_end(len, back);
            let lengths = (self.lengths >> (back * 8)) & 0xff & label_lengths(word);
            if lengths != 0 {
                for octets in 0..8 {
                    if lengths >> octets & 1 != 0 {
                        let part = word << (56 - 8 * octets) >> (56 - 8 * octets);
                        found |= self.has(mix(hash, part));
                    }
                }
            }
            hash = mix(hash, word);
        }
        found != 0
    }

    /// 1 if both bits of a hash are set.
    #[inline(always)]
    fn has(&self, hash: u64) -> u64 {
        let [one, other] = places(hash);
        let bit = |bit: u32| match self.bits.get((bit / 64) as usize) {
            Some(word) => word >> (bit % 64) & 1,
            None => 0,
        };
        bit(one) & bit(other)
    }
}

#[inline(always)]
const fn seed(key: HashKey) -> u64 {
    key.k0 ^ key.k1.rotate_left(32)
}

/// The bits that a hash stands for.
#[inline(always)]
const fn places(hash: u64) -> [u32; 2] {
    // Twice the golden ratio's fraction: high bits depend on all below them.
    let hash = (hash ^ hash >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [(hash >> 48) as u32 & (NAME_BITS - 1), (hash >> 32) as u32 & (NAME_BITS - 1)]
}

/// Bit n: the octet that has n behind it in the word can be the length of a label, 1 to 63.
///
/// Letters are above that. Digits and hyphens are not, and are tried in vain.
#[inline(always)]
const fn label_lengths(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = 0x3f * ONES;
    // The high bit of each octet that has one of its six low bits set, and neither of the others.
    let some = ((word & LOW) + LOW) << 1;
    let plausible = some & !word & !(word << 1) & (0x80 * ONES);
    // Gathers one bit of each octet, the least significant octet's first.
    (plausible >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}
