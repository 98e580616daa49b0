//! Whether the clock can be trusted: findings of several places are compared by time.

use super::report::Check;

/// Errors over this many microseconds make comparing onsets between probes doubtful.
const LARGE_ERROR: i64 = 1_000_000;

pub(super) fn check() -> Check {
    // SAFETY: `timex` is plain data, for which all zeroes are a value: it asks and sets nothing.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live `timex`.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state < 0 {
        let error = std::io::Error::last_os_error();
        return Check::unknown("clock", format!("adjtimex fails: {error}"));
    }
    let unsynchronised = state == libc::TIME_ERROR || timex.status & libc::STA_UNSYNC != 0;
    // The field is 32 bits wide on some targets.
    #[expect(clippy::useless_conversion, reason = "c_long is i32 on 32-bit targets")]
    judge(unsynchronised, i64::from(timex.maxerror))
}

fn judge(unsynchronised: bool, maximum_error: i64) -> Check {
    let advice = "run chrony, ntpd or systemd-timesyncd; times of findings are doubtful until then";
    if unsynchronised {
        return Check::warn("clock", "not synchronised").advise(advice);
    }
    let milliseconds = maximum_error / 1000;
    if maximum_error > LARGE_ERROR {
        let seen = format!("synchronised, but possibly {milliseconds} ms off");
        return Check::warn("clock", seen).advise(advice);
    }
    Check::ok("clock", format!("synchronised, at most {milliseconds} ms off"))
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    #[test]
    fn the_kernel_answers() {
        assert_ne!(check().status, Status::Unknown);
    }

    #[test]
    fn error_and_state_both_count() {
        assert_eq!(judge(false, 20_000).seen, "synchronised, at most 20 ms off");
        assert_eq!(judge(true, 0).status, Status::Warn);
        assert_eq!(judge(false, 16_000_000).status, Status::Warn);
    }
}
