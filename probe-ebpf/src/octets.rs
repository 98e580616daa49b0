//! Packets in kernel memory.

use core::ffi::c_void;

use aya_ebpf::{
    bindings::{__sk_buff, xdp_md},
    helpers::{
        bpf_skb_load_bytes, bpf_xdp_get_buff_len, bpf_xdp_load_bytes,
        generated::bpf_probe_read_kernel,
    },
    programs::{TcContext, XdpContext},
};
use probe_common::wire::{LOOK_MAX, Near, Octets};

/// What can copy payload out of a packet, besides reading its headers.
pub(crate) trait Capture: Octets {
    /// Copies `len` octets at `at` to `to`; returns whether they were there.
    ///
    /// # Safety
    ///
    /// `to` must point to `len` writable octets of map memory.
    unsafe fn capture(&self, at: u32, to: *mut u8, len: u32) -> bool;
}

/// Hides from the compiler what it knows of `value`, at the cost of moving it to itself (without
/// any instruction, the debug information would have two lines for one place, which the kernel
/// refuses).
///
/// It would leave out a comparison with a packet's end that an earlier one implies. Rightly, but to
/// the verifier a pointer computed anew is another pointer, and only a comparison vouches for it.
#[inline(always)]
pub(crate) fn opaque(value: usize) -> usize {
    let mut value = value;
    // SAFETY: moves a register to itself.
    unsafe {
        core::arch::asm!("{0} = {0}", inout(reg) value, options(nomem, nostack, preserves_flags));
    }
    value
}

/// The part of a packet that is directly readable: the first buffer of an XDP packet, the linear
/// part of an skb.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    start: usize,
    end: usize,
}

impl Window {
    /// From the two fields of a context. They are 32 bits wide, but the kernel loads pointers from
    /// them; hidden, the compiler cannot treat them as 32-bit numbers once more, which to the
    /// verifier would make numbers of them.
    #[inline(always)]
    pub(crate) fn new(start: u32, end: u32) -> Self {
        Self { start: opaque(start as usize), end: opaque(end as usize) }
    }

    /// Reads a `T` at `at`, in memory order.
    ///
    /// The verifier wants three things: an offset it knows to be small, a comparison of the end of
    /// the read with the end of the packet, and the read through the very pointer compared.
    #[inline(always)]
    pub(crate) fn read<T: Copy>(&self, at: usize) -> Option<T> {
        let at = opaque(at);
        if at > LOOK_MAX {
            return None;
        }
        let start = opaque(self.start + at);
        if start + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: just compared with the end of the packet. Headers need not be aligned; the
        // verifier admits such loads on machines that do them, which is where it runs, and
        // loading octet by octet would cost four times as much.
        Some(unsafe { *(start as *const T) })
    }

    /// `N` octets from `at` on, which the verifier has to know to be small.
    #[inline(always)]
    fn near<const N: usize>(&self, at: usize) -> Option<Near<'_, N>> {
        let start = opaque(self.start + at);
        if start + N > self.end {
            return None;
        }
        // SAFETY: just compared with the end of the packet.
        Some(Near::new(unsafe { &*(start as *const [u8; N]) }))
    }

    /// Copies `len` octets at `at` to `to`; returns whether they were there.
    ///
    /// By the helper that reads any kernel memory: the verifier would have a loop followed octet by
    /// octet. It knows nothing of packets, so the comparison here is what keeps it inside of this one.
    ///
    /// # Safety
    ///
    /// `to` must point to `len` writable octets of map memory.
    #[inline(always)]
    unsafe fn copy(&self, at: usize, to: *mut u8, len: u32) -> bool {
        let at = opaque(at);
        // Payload may begin beyond what is looked at for headers; the verifier wants some bound.
        if at > u16::MAX as usize {
            return false;
        }
        let start = self.start + at;
        if self.end < start || self.end - start < len as usize {
            return false;
        }
        // SAFETY: the caller vouches for `to`; the octets to be read were just compared with the end.
        unsafe { bpf_probe_read_kernel(to.cast::<c_void>(), len, start as *const c_void) == 0 }
    }
}

/// A packet at the XDP hook.
///
/// `SEVERAL`: it may be in several buffers. The helpers for that are in Linux since 5.18; on older kernels
/// a packet is in one, and the window shows all of it.
#[derive(Clone, Copy)]
pub(crate) struct XdpOctets<'a, const SEVERAL: bool> {
    md: &'a xdp_md,
    window: Window,
    wire_len: Option<usize>,
}

impl<'a, const SEVERAL: bool> XdpOctets<'a, SEVERAL> {
    /// The packet of `ctx`; `wire_len` is its length on the wire, if it was captured shorter.
    #[inline(always)]
    pub(crate) fn new(ctx: &'a XdpContext, wire_len: Option<usize>) -> Self {
        // SAFETY: the kernel gives a valid context.
        let md = unsafe { &*ctx.ctx };
        Self { md, window: Window::new(md.data, md.data_end), wire_len }
    }
}

impl<const SEVERAL: bool> Octets for XdpOctets<'_, SEVERAL> {
    /// Of a packet in several buffers the window shows only the first, so this asks the kernel; which
    /// takes longer than all that is done with a bulk packet.
    #[inline(always)]
    fn anew(&self) -> Self {
        // SAFETY: references are valid to read. Volatile, or the compiler would take the pointers
        // that it has.
        let (start, end) = unsafe {
            (
                core::ptr::read_volatile(&raw const self.md.data),
                core::ptr::read_volatile(&raw const self.md.data_end),
            )
        };
        Self { window: Window::new(start, end), ..*self }
    }

    #[inline(always)]
    fn near<const N: usize>(&self, at: usize) -> Option<Near<'_, N>> {
        self.window.near(at)
    }

    #[inline(always)]
    fn len(&self) -> usize {
        if !SEVERAL {
            return self.window.end - self.window.start;
        }
        // SAFETY: the kernel gave a valid context.
        unsafe { bpf_xdp_get_buff_len(core::ptr::from_ref(self.md).cast_mut()) as usize }
    }

    #[inline(always)]
    fn wire_len(&self) -> usize {
        match self.wire_len {
            Some(len) => len,
            None => self.len(),
        }
    }

    #[inline(always)]
    fn wire_len_up_to(&self, end: usize) -> usize {
        if let Some(len) = self.wire_len {
            return len;
        }
        let window = self.window.end - self.window.start;
        if window < end { self.len() } else { window }
    }

    #[inline(always)]
    fn is_cut(&self) -> bool {
        self.wire_len.is_some_and(|len| self.len() < len)
    }

    #[inline(always)]
    fn u8(&self, at: usize) -> Option<u8> {
        // "One octet before the end" becomes "start >= end", from which the verifier learns
        // nothing; of two octets it learns what it needs. Only a packet's very last octet is
        // left to the helper.
        if let Some(two) = self.u16(at) {
            return Some((two >> 8) as u8);
        }
        if at > LOOK_MAX {
            return None;
        }
        let mut octet = 0_u8;
        // SAFETY: there is room for one octet.
        if unsafe { self.capture(at as u32, &raw mut octet, 1) } { Some(octet) } else { None }
    }

    #[inline(always)]
    fn u16(&self, at: usize) -> Option<u16> {
        self.window.read(at).map(u16::from_be)
    }

    #[inline(always)]
    fn u32(&self, at: usize) -> Option<u32> {
        self.window.read(at).map(u32::from_be)
    }

    #[inline(always)]
    fn u64(&self, at: usize) -> Option<u64> {
        self.window.read(at).map(u64::from_be)
    }
}

impl<const SEVERAL: bool> Capture for XdpOctets<'_, SEVERAL> {
    #[inline(always)]
    unsafe fn capture(&self, at: u32, to: *mut u8, len: u32) -> bool {
        if !SEVERAL {
            // SAFETY: the caller vouches for `to`.
            return unsafe { self.window.copy(at as usize, to, len) };
        }
        let ctx = core::ptr::from_ref(self.md).cast_mut();
        // SAFETY: the caller vouches for `to`, and the verifier checks it.
        unsafe { bpf_xdp_load_bytes(ctx, at, to.cast::<c_void>(), len) == 0 }
    }
}

/// Copies out of an skb, linear or not.
///
/// # Safety
///
/// `to` must point to `len` writable octets.
#[inline(always)]
unsafe fn load(skb: &__sk_buff, at: u32, to: *mut u8, len: u32) -> bool {
    let skb = core::ptr::from_ref(skb).cast_mut().cast::<c_void>();
    // SAFETY: the caller vouches for `to`, and the verifier checks it.
    unsafe { bpf_skb_load_bytes(skb, at, to.cast::<c_void>(), len) == 0 }
}

/// Octets of a packet's beginning that are copied: all headers, and a question of the usual length. A power of two, as a mask bounds the offsets.
pub(crate) const COPY_LEN: usize = 256;

/// A copy of a packet's beginning.
#[repr(C)]
pub(crate) struct Copied {
    /// How much was copied.
    len: u32,
    reserved: u32,
    /// Room for it, with a margin for what the verifier believes of a masked offset.
    octets: [u8; COPY_LEN + size_of::<u64>()],
}

/// A packet at the tc hook, whose headers are read from a copy.
#[derive(Clone, Copy)]
pub(crate) struct CopiedOctets<'a> {
    skb: &'a __sk_buff,
    copy: &'a Copied,
}

impl<'a> CopiedOctets<'a> {
    /// Copies the beginning of the packet of `ctx`.
    #[inline(always)]
    pub(crate) fn new(ctx: &'a TcContext, copy: &'a mut Copied) -> Option<Self> {
        // SAFETY: the kernel gives a valid context.
        let skb = unsafe { &*ctx.skb.skb };
        if skb.len == 0 {
            return None;
        }
        let wanted = if skb.len < COPY_LEN as u32 { skb.len } else { COPY_LEN as u32 };
        // As in `output::send`: a mask that the verifier cannot misread. Hidden, or the compiler would
        // leave it out, and kernels before 6.8 believe that `wanted` may be 0.
        let wanted = (opaque(wanted as usize - 1) & (COPY_LEN - 1)) as u32 + 1;
        copy.len = wanted;
        // SAFETY: `copy` has that much room.
        let done = unsafe { load(skb, 0, copy.octets.as_mut_ptr(), wanted) };
        if done { Some(Self { skb, copy }) } else { None }
    }

    /// What [`new`](Self::new) has copied of the same packet before.
    #[inline(always)]
    pub(crate) fn copied(ctx: &'a TcContext, copy: &'a Copied) -> Self {
        // SAFETY: the kernel gives a valid context.
        Self { skb: unsafe { &*ctx.skb.skb }, copy }
    }

    #[inline(always)]
    fn read<T: Copy>(&self, at: usize) -> Option<T> {
        // Loaded anew each time: in a register, each comparison would leave the verifier with
        // another range for it, and another state to go through.
        // SAFETY: a reference is valid to read.
        let len = unsafe { core::ptr::read_volatile(&raw const self.copy.len) } as usize;
        if at > LOOK_MAX || at + size_of::<T>() > len {
            return None;
        }
        // SAFETY: just compared; the mask says it once more, to the verifier.
        Some(unsafe { *self.copy.octets.as_ptr().add(at & (COPY_LEN - 1)).cast::<T>() })
    }
}

impl Octets for CopiedOctets<'_> {
    #[inline(always)]
    fn anew(&self) -> Self {
        *self
    }

    #[inline(always)]
    fn near<const N: usize>(&self, at: usize) -> Option<Near<'_, N>> {
        if at + N > self.copy.len as usize {
            return None;
        }
        // SAFETY: just compared with what was copied, for which there is room. The verifier knows `at`.
        Some(Near::new(unsafe { &*self.copy.octets.as_ptr().add(at).cast::<[u8; N]>() }))
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.skb.len as usize
    }

    #[inline(always)]
    fn u8(&self, at: usize) -> Option<u8> {
        self.read(at)
    }

    #[inline(always)]
    fn u16(&self, at: usize) -> Option<u16> {
        self.read(at).map(u16::from_be)
    }

    #[inline(always)]
    fn u32(&self, at: usize) -> Option<u32> {
        self.read(at).map(u32::from_be)
    }

    #[inline(always)]
    fn u64(&self, at: usize) -> Option<u64> {
        self.read(at).map(u64::from_be)
    }

    #[inline(always)]
    fn word(&self, at: usize) -> Option<u64> {
        if let Some(word) = self.u64(at) {
            return Some(word);
        }
        if at > LOOK_MAX {
            return None;
        }
        let mut word = 0_u64;
        // SAFETY: there is room for eight octets.
        if unsafe { self.capture(at as u32, (&raw mut word).cast(), 8) } {
            Some(u64::from_be(word))
        } else {
            None
        }
    }
}

impl Capture for CopiedOctets<'_> {
    #[inline(always)]
    unsafe fn capture(&self, at: u32, to: *mut u8, len: u32) -> bool {
        // SAFETY: as of `load`.
        unsafe { load(self.skb, at, to, len) }
    }
}
