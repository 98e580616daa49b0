//! That two CPUs do not open a record in the same place at once.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::FlowStore;

/// How many turns there are: sets share them. A power of two.
///
/// Two CPUs that open connections without pause in other sets meet at one in some thousands of them.
pub const TURNS: u32 = 1 << 10;

/// Whose turn it is to open a record in some sets of the table.
///
/// Nobody waits: who finds that it is another's turn goes on without a record. There is no exchange by
/// comparison in it, which BPF has since Linux 5.12; only adding at once for all, which it always had.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Turn {
    /// How many turns were taken, and how many are being tried for.
    taken: u64,
    /// How many of them are over. Only whose turn it is writes it.
    over: u64,
}

impl Turn {
    /// Takes a turn, if it is nobody's.
    ///
    /// Who has found that all turns are over adds one. If then there is one more, it is his: whoever adds
    /// after him finds two more, and takes his own off again.
    #[inline(always)]
    pub fn take<F: FlowStore>(&mut self) -> bool {
        let before = read(&self.taken);
        if before != read(&self.over) {
            return false;
        }
        F::add(&mut self.taken, 1);
        if read(&self.taken) == before.wrapping_add(1) {
            return true;
        }
        F::add(&mut self.taken, u64::MAX);
        false
    }

    /// Ends one's turn. By a plain store: what was written before is seen before it on x86-64.
    #[inline(always)]
    pub fn end(&mut self) {
        let over = read(&self.over).wrapping_add(1);
        // SAFETY: a reference is valid to write. Volatile, so that it is written, and last.
        unsafe { core::ptr::write_volatile(&raw mut self.over, over) };
    }
}

/// Reads what others may write meanwhile.
#[inline(always)]
fn read(number: &u64) -> u64 {
    // SAFETY: a reference is valid to read.
    unsafe { core::ptr::read_volatile(number) }
}

const _: () = assert!(TURNS.is_power_of_two());
