//! How full the ring buffer is, read beside those who use it.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _},
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use nix::unistd::{SysconfVar, sysconf};

/// A page that the kernel shares of the ring, with a position at its beginning.
struct Page(NonNull<AtomicU64>);

// SAFETY: the memory belongs to the map, not to a thread.
unsafe impl Send for Page {}

impl Page {
    fn map(ring: &impl AsFd, offset: usize, size: usize) -> io::Result<Self> {
        let descriptor = ring.as_fd().as_raw_fd();
        let offset = i64::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: a fresh mapping, placed by the kernel, that is only read.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ,
                libc::MAP_SHARED,
                descriptor,
                offset,
            )
        };
        match NonNull::new(start) {
            Some(start) if start.as_ptr() != libc::MAP_FAILED => Ok(Self(start.cast())),
            _ => Err(io::Error::last_os_error()),
        }
    }

    fn position(&self) -> u64 {
        // SAFETY: the page is mapped as long as this lives, and begins with the position.
        unsafe { self.0.as_ref() }.load(Ordering::Acquire)
    }
}

/// The positions of who writes and who reads, in octets since the beginning.
pub(super) struct RingGauge {
    written: Page,
    read: Page,
    size: usize,
}

impl RingGauge {
    /// Maps the two positions of `ring`. The first page is the reader's, the second the writers'.
    pub(super) fn of(ring: &impl AsFd) -> io::Result<Self> {
        let size = sysconf(SysconfVar::PAGE_SIZE)?.unwrap_or_default();
        let size = usize::try_from(size).map_err(io::Error::other)?;
        Ok(Self { read: Page::map(ring, 0, size)?, written: Page::map(ring, size, size)?, size })
    }

    /// Octets that wait to be read, heads of events included.
    pub(super) fn pending(&self) -> u64 {
        // In this order it is never less than nothing.
        let read = self.read.position();
        self.written.position().saturating_sub(read)
    }
}

impl Drop for RingGauge {
    fn drop(&mut self) {
        for page in [&self.written, &self.read] {
            // SAFETY: both were mapped with this size, and nothing borrows from them any more.
            unsafe { libc::munmap(page.0.as_ptr().cast(), self.size) };
        }
    }
}
