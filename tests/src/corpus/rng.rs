//! Random numbers that are the same everywhere: xoshiro256++ (Blackman and Vigna, 2018), seeded by
//! SplitMix64.
//!
//! Written out here, since a library may change its stream with a version, and a corpus must not
//! change with a dependency.

/// A small, fast generator.
#[derive(Clone, Debug)]
pub struct Rng([u64; 4]);

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rng {
    /// The generator of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| split_mix(&mut state)))
    }

    /// A generator for the `index`th part of what `seed` stands for: parts can be made in any
    /// order, or one alone.
    pub fn part(seed: u64, index: u64) -> Self {
        let mut state = seed ^ index.wrapping_mul(0xd134_2543_de82_ef95);
        Self::new(split_mix(&mut state))
    }

    /// A generator for what is called `name`: what is added to a list later does not change what
    /// the others are.
    pub fn named(seed: u64, name: &str) -> Self {
        let fnv = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3);
        Self::part(seed, name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The bias is below 2^-32 for the bounds in use.
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both possible.
    pub fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// 16 random bits.
    pub fn u16(&mut self) -> u16 {
        (self.bits() >> 48) as u16
    }

    /// 32 random bits.
    pub fn u32(&mut self) -> u32 {
        (self.bits() >> 32) as u32
    }

    /// True once in `1 / share` times.
    pub fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && ((self.bits() >> 11) as f64) < share * (1u64 << 53) as f64
    }

    /// One of `list`, which must not be empty.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn the_stream_is_fixed_and_parts_are_independent_of_order() {
        let mut one = Rng::new(1);
        assert_eq!(one.bits(), Rng::new(1).bits());
        assert_ne!(Rng::part(1, 1).bits(), Rng::part(1, 2).bits());
        assert_ne!(Rng::named(1, "a").bits(), Rng::named(1, "b").bits());
        assert!((0..10_000).all(|_| one.below(7) < 7));
        let hits = (0..10_000).filter(|_| one.chance(0.25)).count();
        assert!((2_300..2_700).contains(&hits), "{hits}");
    }
}
