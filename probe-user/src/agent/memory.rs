//! What the allocator has and nobody uses: little of it, and not for long.

use std::time::Duration;

/// How often it is given back to the system. Clients of a window come and go in hundreds of thousands, in
/// pieces of some hundred octets between others that stay, and what they leave lies idle. The ring has room
/// for what comes meanwhile.
pub(super) const PERIOD: Duration = Duration::from_secs(60);

/// Octets from which on a block of memory is one of its own, which grows without being copied and goes back to
/// the system as soon as it is free. The allocator would raise this with each such block that is freed, and
/// then tables that grow leave holes among what is small.
#[cfg(target_env = "gnu")]
const APART: libc::c_int = 128 << 10;

/// Has large blocks lie apart.
pub(super) fn prepare() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time. Where it is refused, all is as it was.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, APART);
    }
}

/// Gives it back. The allocator of musl does so by itself.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
