//! Packets in kernel memory.

use core::ffi::c_void;

use aya_ebpf::{
    helpers::{bpf_skb_load_bytes, bpf_xdp_load_bytes},
    programs::{TcContext, XdpContext},
};
use probe_common::wire::{LOOK_MAX, Octets};

/// What can copy payload out of a packet, besides reading its headers.
pub(crate) trait Capture: Octets {
    /// Copies `len` octets at `at` to `to`; returns whether they were there.
    ///
    /// # Safety
    ///
    /// `to` must point to `len` writable octets of map memory.
    unsafe fn capture(&self, at: u32, to: *mut u8, len: u32) -> bool;
}

/// The part of a packet that is directly readable: the first buffer of an XDP packet, the linear
/// part of an skb.
struct Window {
    start: usize,
    end: usize,
}

impl Window {
    /// Reads a `T` at `at`, in memory order.
    ///
    /// The verifier wants three things: an offset it knows to be small, a comparison of the end of
    /// the read with the end of the packet, and the read through the very pointer compared. An
    /// offset kept as a number and added anew would be another pointer to it.
    #[inline(always)]
    fn read<T: Copy>(&self, at: usize) -> Option<T> {
        if at > LOOK_MAX {
            return None;
        }
        let start = self.start + at;
        if start + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: just compared with the end of the packet. Headers need not be aligned; the
        // verifier admits such loads on machines that do them, which is where it runs, and
        // loading octet by octet would cost four times as much.
        Some(unsafe { *(start as *const T) })
    }
}

/// A packet at the XDP hook.
pub(crate) struct XdpOctets<'a> {
    ctx: &'a XdpContext,
    window: Window,
    wire_len: Option<usize>,
}

impl<'a> XdpOctets<'a> {
    /// The packet of `ctx`; `wire_len` is its length on the wire, if it was captured shorter.
    #[inline(always)]
    pub(crate) fn new(ctx: &'a XdpContext, wire_len: Option<usize>) -> Self {
        Self { ctx, window: Window { start: ctx.data(), end: ctx.data_end() }, wire_len }
    }
}

impl Octets for XdpOctets<'_> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.window.end - self.window.start
    }

    #[inline(always)]
    fn wire_len(&self) -> usize {
        match self.wire_len {
            Some(len) => len,
            None => self.len(),
        }
    }

    #[inline(always)]
    fn u8(&self, at: usize) -> Option<u8> {
        // "One octet before the end" becomes "start >= end", from which the verifier learns
        // nothing; of two octets it learns what it needs. Only a packet's very last octet is left
        // to the helper.
        if let Some(two) = self.u16(at) {
            return Some((two >> 8) as u8);
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

impl Capture for XdpOctets<'_> {
    #[inline(always)]
    unsafe fn capture(&self, at: u32, to: *mut u8, len: u32) -> bool {
        // SAFETY: the caller vouches for `to`, and the verifier checks it.
        unsafe { bpf_xdp_load_bytes(self.ctx.ctx, at, to.cast::<c_void>(), len) == 0 }
    }
}

/// A packet at the tc hook.
///
/// The linear part of an skb may end anywhere after the headers that the stack has looked at, so
/// whatever lies beyond is copied out by the helper.
pub(crate) struct TcOctets<'a> {
    ctx: &'a TcContext,
    window: Window,
}

impl<'a> TcOctets<'a> {
    /// The packet of `ctx`.
    #[inline(always)]
    pub(crate) fn new(ctx: &'a TcContext) -> Self {
        Self { ctx, window: Window { start: ctx.data(), end: ctx.data_end() } }
    }

    #[inline(always)]
    fn read<T: Copy + Default>(&self, at: usize) -> Option<T> {
        if let Some(value) = self.window.read(at) {
            return Some(value);
        }
        if at > LOOK_MAX {
            return None;
        }
        let mut value = T::default();
        // SAFETY: `value` has room for its own size.
        let failed = unsafe {
            bpf_skb_load_bytes(
                self.ctx.skb.skb.cast(),
                at as u32,
                (&raw mut value).cast::<c_void>(),
                size_of::<T>() as u32,
            )
        };
        if failed == 0 { Some(value) } else { None }
    }
}

impl Octets for TcOctets<'_> {
    #[inline(always)]
    fn len(&self) -> usize {
        self.ctx.len() as usize
    }

    #[inline(always)]
    fn u8(&self, at: usize) -> Option<u8> {
        // As for XDP.
        if let Some(two) = self.window.read::<u16>(at) {
            return Some(two.to_ne_bytes()[0]);
        }
        let mut octet = 0_u8;
        // SAFETY: there is room for one octet.
        if unsafe { self.capture(at as u32, &raw mut octet, 1) } { Some(octet) } else { None }
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
}

impl Capture for TcOctets<'_> {
    #[inline(always)]
    unsafe fn capture(&self, at: u32, to: *mut u8, len: u32) -> bool {
        // SAFETY: the caller vouches for `to`, and the verifier checks it.
        unsafe { bpf_skb_load_bytes(self.ctx.skb.skb.cast(), at, to.cast::<c_void>(), len) == 0 }
    }
}
