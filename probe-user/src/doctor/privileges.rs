//! What the caller may do.

use caps::{CapSet, Capability};

use super::kernel::Version;
use super::report::{Cause, Check};

/// The kernel that split CAP_BPF and CAP_PERFMON off CAP_SYS_ADMIN.
const SPLIT: Version = (5, 8);

/// What loading and attaching needs, and for what.
const NEEDED: [(Capability, &str); 3] = [
    (Capability::CAP_BPF, "to load programs"),
    (Capability::CAP_NET_ADMIN, "to attach them"),
    (Capability::CAP_PERFMON, "for programs that do arithmetic with pointers"),
];

pub(super) fn check(version: Option<Version>) -> Check {
    match caps::read(None, CapSet::Effective) {
        Ok(held) => judge(version, |capability| held.contains(&capability)),
        Err(error) => Check::unknown("privileges", format!("cannot read capabilities: {error}"))
            .advise("mount /proc"),
    }
}

fn judge(version: Option<Version>, held: impl Fn(Capability) -> bool) -> Check {
    let split = version.is_none_or(|version| version >= SPLIT);
    let administrator = held(Capability::CAP_SYS_ADMIN);
    let missing: Vec<String> = NEEDED
        .iter()
        .filter(|(capability, _)| {
            let covered = administrator && *capability != Capability::CAP_NET_ADMIN;
            !covered && (!split || !held(*capability))
        })
        .map(|(capability, purpose)| format!("{capability} ({purpose})"))
        .collect();
    if missing.is_empty() {
        let with = if administrator { "CAP_SYS_ADMIN" } else { "CAP_BPF, CAP_PERFMON" };
        return Check::ok("privileges", format!("{with} and CAP_NET_ADMIN"));
    }
    Check::fail("privileges", Cause::Privileges, format!("missing {}", missing.join(", ")))
        .advise("run with sudo, or give the service these as AmbientCapabilities")
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    const NEW: Option<Version> = Some((6, 1));

    #[test]
    fn root_and_the_three_are_enough() {
        let three = |capability| NEEDED.iter().any(|(needed, _)| *needed == capability);
        assert_eq!(judge(NEW, |_| true).status, Status::Ok);
        assert_eq!(judge(NEW, three).status, Status::Ok);
    }

    #[test]
    fn what_is_missing_is_named() {
        let check = judge(NEW, |capability| capability == Capability::CAP_BPF);
        assert_eq!(check.cause, Some(Cause::Privileges));
        assert!(check.seen.contains("CAP_NET_ADMIN") && check.seen.contains("CAP_PERFMON"));
        assert!(!check.seen.contains("CAP_BPF"));
        // An administrator of everything but networks still cannot attach.
        let check = judge(NEW, |capability| capability == Capability::CAP_SYS_ADMIN);
        assert_eq!(check.seen, "missing CAP_NET_ADMIN (to attach them)");
    }
}
