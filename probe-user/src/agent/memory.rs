//! What the allocator has and nobody uses.

use std::time::Duration;

/// How often it is given back to the system. Clients of a window come and go in hundreds of thousands, in
/// pieces of some hundred octets between others that stay: after an hour at the highest rate a fifth of
/// what was allocated lay idle so. It takes some milliseconds, for which the ring has room.
pub(super) const PERIOD: Duration = Duration::from_secs(60);

/// Gives it back. The allocator of musl does so by itself.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
