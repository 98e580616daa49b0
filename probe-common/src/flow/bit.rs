//! Places in the bitmaps that say, for one hit in the first-level cache, which packets are looked at in full.

use crate::{
    config::{AWAIT_BITS, WATCH_BITS},
    wire::Address,
};

/// A bit of the two bitmaps, of watched addresses and behind it of clients that go on with a hello.
///
/// Unkeyed on purpose: a collision costs a look-up, never a finding, and the agent may then keep
/// the bitmaps across restarts of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bit(u32);

impl Bit {
    /// Of an address that is watched.
    #[inline(always)]
    pub const fn watched(address: Address) -> Self {
        Self(fold(address, 0) & (WATCH_BITS - 1))
    }

    /// Of a client and its port that are expected to go on with a hello.
    #[inline(always)]
    pub const fn awaited(client: Address, port: u16) -> Self {
        Self(WATCH_BITS + (fold(client, port) & (AWAIT_BITS - 1)))
    }

    /// The 64-bit word that it is in.
    #[inline(always)]
    pub const fn word(self) -> usize {
        (self.0 / 64) as usize
    }

    /// That word with this bit alone.
    #[inline(always)]
    pub const fn mask(self) -> u64 {
        1 << (self.0 % 64)
    }
}

#[inline(always)]
const fn fold(address: Address, port: u16) -> u32 {
    // The port comes in at the low end: a product's bits depend on those below them, and a translator's clients differ
    // in nothing else.
    let ends = address.high ^ address.low.rotate_left(29) ^ port as u64;
    (ends.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u32
}

#[cfg(test)]
mod tests {
    use super::Bit;
    use crate::{
        config::{MARK_WORDS, WATCH_WORDS},
        wire::Address,
    };

    #[test]
    fn each_kind_has_its_words() {
        let mut seen = [0; MARK_WORDS as usize];
        for low in 0..0x10_0000 {
            let address = Address::v4(low);
            for bit in [Bit::watched(address), Bit::awaited(address, low as u16)] {
                assert_eq!(bit.mask().count_ones(), 1);
                seen[bit.word()] |= bit.mask();
            }
            assert!(Bit::watched(address).word() < WATCH_WORDS as usize);
            assert!(Bit::awaited(address, 50_000).word() >= WATCH_WORDS as usize);
        }
        assert!(seen.iter().all(|word| *word == u64::MAX), "no bit is without use");
    }

    #[test]
    fn clients_behind_one_address_are_told_apart() {
        let client = Address::v4(0x0a00_0001);
        let mut seen = [0; MARK_WORDS as usize];
        for port in 32_768..61_000 {
            let bit = Bit::awaited(client, port);
            seen[bit.word()] |= bit.mask();
        }
        let bits: u32 = seen.map(u64::count_ones).iter().sum();
        assert!(bits > 25_000, "{bits} of 28,232");
    }
}
