//! Copying and clearing records in the kernel.
//!
//! For anything above 128 octets the compiler calls `memcpy` or `memset`, which for BPF copy octet
//! by octet in a loop: 320 rounds for a flow's record, at run time and once more for each state in
//! the verifier. Word by word it is an eighth of that, without a call. Volatile, since otherwise
//! the compiler recognises the loop and calls `memcpy`.

use zerocopy::{FromBytes, IntoBytes};

/// Copies a record.
#[inline(always)]
pub fn copy<T: FromBytes + IntoBytes + Copy>(from: &T, to: &mut T) {
    #[cfg(not(target_arch = "bpf"))]
    {
        *to = *from;
    }
    #[cfg(target_arch = "bpf")]
    {
        const { assert!(align_of::<T>() == 8 && size_of::<T>() % 8 == 0) };
        let from = core::ptr::from_ref(from).cast::<u64>();
        let to = core::ptr::from_mut(to).cast::<u64>();
        for word in 0..size_of::<T>() / 8 {
            // SAFETY: within both values, aligned, and any bits are valid for either.
            unsafe { to.add(word).write_volatile(from.add(word).read_volatile()) };
        }
    }
}

/// Sets a record to all zero.
#[inline(always)]
pub fn clear<T: FromBytes + IntoBytes>(to: &mut T) {
    #[cfg(not(target_arch = "bpf"))]
    {
        to.as_mut_bytes().fill(0);
    }
    #[cfg(target_arch = "bpf")]
    {
        const { assert!(align_of::<T>() == 8 && size_of::<T>() % 8 == 0) };
        let to = core::ptr::from_mut(to).cast::<u64>();
        for word in 0..size_of::<T>() / 8 {
            // SAFETY: within the value, aligned, and all zero is valid for it.
            unsafe { to.add(word).write_volatile(0) };
        }
    }
}
