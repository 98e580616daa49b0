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
    epoch_by(read)
}

/// How often the clocks are read to find them read close together.
const READINGS: usize = 5;

/// The system's clock less that of boot. Whoever is interrupted between the two reads them apart, which is not
/// a step of the clock: so one is read before and after the other, and the closest counts.
fn epoch_by(mut read: impl FnMut(ClockId) -> u64) -> u64 {
    let mut reading = || {
        let [before, system, after] =
            [ClockId::CLOCK_BOOTTIME, ClockId::CLOCK_REALTIME, ClockId::CLOCK_BOOTTIME]
                .map(&mut read);
        let apart = after.saturating_sub(before);
        (apart, system.saturating_sub(before + apart / 2))
    };
    let readings: [_; READINGS] = std::array::from_fn(|_| reading());
    readings.into_iter().min_by_key(|(apart, _)| *apart).map_or(0, |(_, epoch)| epoch)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interruption_between_two_readings_is_no_step_of_the_clock() {
        const EPOCH: u64 = 1_795_514_400_000_000_000;
        let interrupted_at = |which: usize| {
            let (mut boot, mut count) = (1_000_000_000, 0);
            epoch_by(|clock| {
                // 25 ns for a reading; 20 ms for somebody else.
                boot += if count % 15 == which { 20_000_000 } else { 25 };
                count += 1;
                if clock == ClockId::CLOCK_BOOTTIME { boot } else { EPOCH + boot }
            })
        };
        for which in 0..15 {
            assert_eq!(interrupted_at(which), EPOCH, "interrupted before reading {which}");
        }
    }
}
