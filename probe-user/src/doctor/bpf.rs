//! Whether the kernel takes what Forgewatch will ask of it: by asking, with a program of two
//! instructions and a map of one page that are gone at once.

use std::io;

use aya::maps::MapType;
use aya::programs::{ProgramError, ProgramType};
use aya::sys::{is_map_supported, is_program_supported};

use super::report::{Cause, Check, Status};
use crate::source::kernel::object;

pub(super) fn check() -> Check {
    let program = |kind| is_program_supported(kind).map_err(cause_of);
    let map = |kind| is_map_supported(kind).map_err(|error| error.io_error);
    let mut check = judge(&[
        ("XDP programs", program(ProgramType::Xdp)),
        ("tc programs", program(ProgramType::SchedClassifier)),
        ("ring buffers", map(MapType::RingBuf)),
    ]);
    if check.status == Status::Ok {
        let variant = if object::ingress() == object::INGRESS_LINEAR {
            "one buffer"
        } else {
            "several buffers"
        };
        check.seen.push_str(&format!("; XDP on packets in {variant}"));
    }
    check
}

fn judge(answers: &[(&str, io::Result<bool>)]) -> Check {
    let mut missing = Vec::new();
    for (what, answer) in answers {
        match answer {
            Ok(true) => {}
            Ok(false) => missing.push(*what),
            Err(error) => return refused(what, error),
        }
    }
    if missing.is_empty() {
        let loaded: Vec<_> = answers.iter().map(|(what, _)| *what).collect();
        return Check::ok("bpf", format!("the kernel takes {}", loaded.join(", ")));
    }
    Check::fail("bpf", Cause::Kernel, format!("the kernel has no {}", missing.join(" and no ")))
        .advise("use Linux 5.10 or later with CONFIG_BPF_SYSCALL=y and CONFIG_NET_CLS_BPF")
}

fn refused(what: &str, error: &io::Error) -> Check {
    let seen = format!("asking the kernel for {what}: {error}");
    match error.raw_os_error() {
        Some(libc::ENOSYS) => {
            Check::fail("bpf", Cause::Kernel, seen).advise("use a kernel with CONFIG_BPF_SYSCALL=y")
        }
        // The check of privileges has said it; here it may be a sandbox as well.
        Some(libc::EPERM | libc::EACCES) => Check::unknown("bpf", seen)
            .advise("run as root to know; as root, a container or seccomp filter forbids bpf(2)"),
        _ => Check::unknown("bpf", seen),
    }
}

/// What the system said, out of the error of a probe.
fn cause_of(error: ProgramError) -> io::Error {
    match error {
        ProgramError::SyscallError(error) => error.io_error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_judged() {
        assert_eq!(judge(&[("a", Ok(true)), ("b", Ok(true))]).status, Status::Ok);
        let check = judge(&[("a", Ok(false)), ("b", Ok(true)), ("c", Ok(false))]);
        assert_eq!(check.cause, Some(Cause::Kernel));
        assert_eq!(check.seen, "the kernel has no a and no c");
        let errno = |number| [("a", Err(io::Error::from_raw_os_error(number)))];
        assert_eq!(judge(&errno(libc::EPERM)).status, Status::Unknown);
        assert_eq!(judge(&errno(libc::ENOSYS)).cause, Some(Cause::Kernel));
    }
}
