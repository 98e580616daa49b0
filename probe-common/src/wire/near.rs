//! The first octets of a packet, compared with its end once.

/// `N` octets that are there, to be read at places that are known when this is compiled.
///
/// What an [`Octets`](super::Octets) reads is compared with the packet's end each time, which for the headers
/// that nearly all packets have costs more than to read them.
#[derive(Clone, Copy, Debug)]
pub struct Near<'a, const N: usize>(&'a [u8; N]);

impl<'a, const N: usize> Near<'a, N> {
    /// Of these octets.
    #[inline(always)]
    pub const fn new(octets: &'a [u8; N]) -> Self {
        Self(octets)
    }

    #[inline(always)]
    fn read<T: Copy>(&self, at: usize) -> T {
        // Known to hold once `at` is known, and then not there any more.
        assert!(at + size_of::<T>() <= N, "beyond what is near");
        // SAFETY: within the array.
        let place = unsafe { self.0.as_ptr().add(at) }.cast::<T>();
        if cfg!(target_arch = "bpf") {
            // SAFETY: as above. The verifier admits loads that are not aligned on machines that do them, and
            // to put a number together from octets would cost four times as much.
            unsafe { *place }
        } else {
            // SAFETY: as above.
            unsafe { place.read_unaligned() }
        }
    }

    /// The octet at `at`.
    #[inline(always)]
    pub fn u8(&self, at: usize) -> u8 {
        self.read(at)
    }

    /// The two octets at `at`.
    #[inline(always)]
    pub fn u16(&self, at: usize) -> u16 {
        u16::from_be(self.read(at))
    }

    /// The four octets at `at`.
    #[inline(always)]
    pub fn u32(&self, at: usize) -> u32 {
        u32::from_be(self.read(at))
    }

    /// The eight octets at `at`.
    #[inline(always)]
    pub fn u64(&self, at: usize) -> u64 {
        u64::from_be(self.read(at))
    }
}
