//! Access to the octets of a packet.

use super::Near;

/// The octets of one packet, from its link-layer header on.
///
/// Integers are read in network order. Every read is checked against the end of what was captured;
/// the implementation over kernel memory checks it in the form that the verifier follows.
pub trait Octets: Copy {
    /// The same octets, found anew. In the kernel the verifier then forgets what it has learnt of
    /// them, which depends on the way here, and would follow all that comes after once for each.
    fn anew(&self) -> Self;

    /// `N` octets from `at` on, if there are so many.
    fn near<const N: usize>(&self, at: usize) -> Option<Near<'_, N>>;

    /// How many octets can be read.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Length of the packet on the wire, which may be more than was captured.
    fn wire_len(&self) -> usize {
        self.len()
    }

    /// Length on the wire of a packet whose headers say that it reaches to `end`: exact if it is less,
    /// and otherwise no less than `end`.
    ///
    /// To know it exactly can cost a call, which to know this rarely does.
    fn wire_len_up_to(&self, _end: usize) -> usize {
        self.wire_len()
    }

    /// Whether less was captured than there was on the wire.
    fn is_cut(&self) -> bool {
        self.len() < self.wire_len()
    }

    /// The octet at `at`.
    fn u8(&self, at: usize) -> Option<u8>;
    /// The two octets at `at`.
    fn u16(&self, at: usize) -> Option<u16>;
    /// The four octets at `at`.
    fn u32(&self, at: usize) -> Option<u32>;
    /// The eight octets at `at`.
    fn u64(&self, at: usize) -> Option<u64>;

    /// The eight octets at `at`, also where they cannot be read directly and getting them costs a
    /// call: for what may lie far into a packet, such as the end of a DNS message.
    fn word(&self, at: usize) -> Option<u64> {
        self.u64(at)
    }
}

/// The octets of a captured packet.
#[derive(Clone, Copy, Debug)]
pub struct Slice<'a> {
    /// What was captured.
    pub octets: &'a [u8],
    /// Length on the wire.
    pub wire_len: usize,
}

impl<'a> Slice<'a> {
    /// A packet that was captured whole.
    pub const fn whole(octets: &'a [u8]) -> Self {
        Self { octets, wire_len: octets.len() }
    }

    #[inline(always)]
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        // The same bound as in the kernel, so that both see the same.
        if at > super::LOOK_MAX {
            return None;
        }
        self.octets.get(at..)?.first_chunk().copied()
    }
}

impl Octets for Slice<'_> {
    fn anew(&self) -> Self {
        *self
    }

    #[inline(always)]
    fn near<const N: usize>(&self, at: usize) -> Option<Near<'_, N>> {
        self.octets.get(at..)?.first_chunk().map(Near::new)
    }

    fn len(&self) -> usize {
        self.octets.len()
    }

    fn wire_len(&self) -> usize {
        self.wire_len
    }

    #[inline(always)]
    fn u8(&self, at: usize) -> Option<u8> {
        self.array::<1>(at).map(|[octet]| octet)
    }

    #[inline(always)]
    fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    #[inline(always)]
    fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    #[inline(always)]
    fn u64(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_be_bytes)
    }
}
