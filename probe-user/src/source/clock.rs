//! The clocks of a live run.

use nix::time::{ClockId, clock_gettime};

/// The kernel's clock by which the programs stamp packets, in nanoseconds since boot. It is never set, and
/// goes on while the machine is suspended: a connection that outlived that is as old as it is, and a
/// packet's time stays what it was.
pub fn now() -> u64 {
    read(ClockId::CLOCK_BOOTTIME)
}

/// For how long the machine has been awake, in nanoseconds: what has to be done within a time is not
/// late for having slept.
pub fn awake() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// For how long the machine has slept since it was booted, in nanoseconds; a little less where this process
/// has to wait between the two clocks.
pub fn slept() -> u64 {
    // In this order: time between them is not taken for sleep.
    let all = now();
    all.saturating_sub(awake())
}

/// What to add to [`now`] to get nanoseconds since the Unix epoch, as the system's clock has it at
/// this moment.
pub fn epoch_of_boot() -> u64 {
    read(ClockId::CLOCK_REALTIME).saturating_sub(now())
}

/// Whether the system says that its clock is synchronised; none if it does not say.
pub fn synchronised() -> Option<bool> {
    // SAFETY: all zero is a valid `timex`: no modes, so nothing is set.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `timex` is valid for writes.
    match unsafe { libc::adjtimex(&raw mut timex) } {
        -1 => None,
        state => Some(state != libc::TIME_ERROR && timex.status & libc::STA_UNSYNC == 0),
    }
}

fn read(clock: ClockId) -> u64 {
    // Both clocks exist on every Linux; 0 would only shift the times of a report.
    clock_gettime(clock).map_or(0, |time| {
        (time.tv_sec().cast_unsigned()) * 1_000_000_000 + time.tv_nsec().cast_unsigned()
    })
}
