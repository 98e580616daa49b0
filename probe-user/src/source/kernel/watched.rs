//! The bitmaps of watched addresses, and of clients that are expected to go on with a hello.
//!
//! Both sides add to them, and only the agent takes anything away: what a reset has led to within the hour, what
//! a name has led to after a day or two. Without that, on a busy router, most bits would be set after a few days, and
//! most packets looked at in full.

use std::sync::atomic::{AtomicU64, Ordering};

use aya::Ebpf;
use probe_common::{
    config::{MARK_WORDS, WATCH_WORDS},
    flow::Bit,
    wire::Address,
};

use super::{maps::Shared, object::ObjectError};

/// Minutes after which, at the latest, servers are no longer watched only because one of their connections was reset. What comes
/// after a reset comes within seconds.
pub const RESETS_MINUTES: u32 = 60;

/// Minutes after which an address is no longer watched that no name has led to: once or twice as many. Of names that
/// somebody asks for, and of hellos that are sent there, each says so again.
pub const NAMES_MINUTES: u32 = 24 * 60;

const _: () = assert!(NAMES_MINUTES.is_multiple_of(RESETS_MINUTES));

/// One bit for each bit of the map.
type Bits = [u64; WATCH_WORDS as usize];

/// See the module.
pub struct Watched {
    shared: Shared,
    /// What names have led to, in this period and in the one before.
    led: [Box<Bits>; 2],
    /// Minutes that have passed.
    minutes: u32,
}

impl Watched {
    /// Maps the bitmaps. What an agent before this one has watched, names have led to as far as anybody knows.
    ///
    /// # Errors
    ///
    /// If the map is missing or cannot be mapped.
    pub fn take(bpf: &mut Ebpf) -> Result<Self, ObjectError> {
        let shared = Shared::map(bpf, "WATCHED", MARK_WORDS as usize * 8, true)?;
        let mut watched = Self { shared, led: [(); 2].map(|()| Box::new([0; _])), minutes: 0 };
        let found = std::array::from_fn(|at| watched.word(at).load(Ordering::Relaxed));
        *watched.led[1] = found;
        Ok(watched)
    }

    /// Watches `address` from now on.
    pub fn watch(&mut self, address: Address) {
        let bit = Bit::watched(address);
        self.led[0][bit.word()] |= bit.mask();
        self.word(bit.word()).fetch_or(bit.mask(), Ordering::Relaxed);
    }

    /// Says that a minute has passed.
    pub fn minute(&mut self) {
        // Of some hellos the rest has never come. Of one that is under way at this moment it is not read, either.
        for at in WATCH_WORDS..MARK_WORDS {
            self.word(at as usize).store(0, Ordering::Relaxed);
        }
        self.minutes = (self.minutes + 1) % NAMES_MINUTES;
        if !self.minutes.is_multiple_of(RESETS_MINUTES) {
            return;
        }
        if self.minutes == 0 {
            self.led.swap(0, 1);
            self.led[0].fill(0);
        }
        for (at, (now, before)) in self.led[0].iter().zip(&*self.led[1]).enumerate() {
            // A reset at this very moment may go without what comes after it.
            self.word(at).store(now | before, Ordering::Relaxed);
        }
    }

    /// One word of the bitmaps.
    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at < MARK_WORDS as usize, "beyond the bitmaps");
        let start = self.shared.start.as_ptr().cast::<AtomicU64>();
        // SAFETY: within both bitmaps, which are mapped writable and aligned for as long as `self` lives.
        unsafe { &*start.add(at) }
    }
}
