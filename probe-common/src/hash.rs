//! The keyed hash behind the flow and DNS tables.
//!
//! SipHash-1-3 (Aumasson and Bernstein, 2012): the key is drawn at every start, so nobody outside
//! can choose packets that fall into one set of a table and push a flow out of it. One round per
//! word and three at the end are what Linux's own hash tables settle for, too.

/// The secret of one run.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct HashKey {
    /// First half.
    pub k0: u64,
    /// Second half.
    pub k1: u64,
}

/// SipHash-1-3 over whole 64-bit words.
pub struct Sip {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
    words: u64,
}

impl Sip {
    /// Starts a hash under `key`.
    #[inline(always)]
    pub const fn new(key: HashKey) -> Self {
        Self {
            v0: key.k0 ^ 0x736f_6d65_7073_6575,
            v1: key.k1 ^ 0x646f_7261_6e64_6f6d,
            v2: key.k0 ^ 0x6c79_6765_6e65_7261,
            v3: key.k1 ^ 0x7465_6462_7974_6573,
            words: 0,
        }
    }

    /// Takes in one word.
    #[inline(always)]
    pub const fn word(mut self, word: u64) -> Self {
        self.v3 ^= word;
        self = self.round();
        self.v0 ^= word;
        self.words += 1;
        self
    }

    /// Closes the hash.
    #[inline(always)]
    pub const fn finish(mut self) -> u64 {
        // The last block holds the length in octets in its top byte, as in the paper.
        let last = (self.words * 8) << 56;
        self.v3 ^= last;
        self = self.round();
        self.v0 ^= last;
        self.v2 ^= 0xff;
        self = self.round().round().round();
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }

    #[inline(always)]
    const fn round(mut self) -> Self {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v2 = self.v2.rotate_left(32);
        self
    }
}

#[cfg(test)]
mod tests {
    use core::hash::Hasher;

    use super::{HashKey, Sip};

    // The standard library's SipHasher13 is not public; its DefaultHasher is SipHash-1-3 with a
    // zero key, and hashing a u64 feeds it the eight octets in memory order.
    extern crate std;

    #[test]
    fn agrees_with_the_standard_library() {
        for words in [&[][..], &[0], &[1, 2], &[u64::MAX, 7, 0x0123_4567_89ab_cdef]] {
            let mut oracle = std::collections::hash_map::DefaultHasher::new();
            let mut sip = Sip::new(HashKey::default());
            for &word in words {
                oracle.write_u64(word);
                sip = sip.word(word);
            }
            assert_eq!(sip.finish(), oracle.finish(), "{words:?}");
        }
    }

    #[test]
    fn depends_on_the_key() {
        let hash = |k0| Sip::new(HashKey { k0, k1: 0 }).word(42).finish();
        assert_ne!(hash(1), hash(2));
    }
}
