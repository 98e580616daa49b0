//! What a running agent can give up on this kernel.

use crate::privilege::{calls, files};

use super::{
    kernel::{TCX, Version},
    report::Check,
};

/// The kernel from which on unprivileged processes may use maps whatever `kernel.unprivileged_bpf_disabled` says.
const MAPS_FREE: Version = (5, 19);

pub(super) fn check(version: Option<Version>) -> Check {
    judge(version, files::version(), calls::available())
}

fn judge(version: Option<Version>, landlock: Option<u32>, filter: bool) -> Check {
    let older = |than| version.is_some_and(|version| version < than);
    let mut kept = Vec::new();
    if older(TCX) {
        kept.push("CAP_NET_ADMIN");
    }
    if older(MAPS_FREE) {
        kept.push("perhaps CAP_BPF");
    }
    let kept = if kept.is_empty() { "no capability".to_owned() } else { kept.join(" and ") };
    let has = match landlock {
        Some(version) => format!("Landlock {version}"),
        None => "no Landlock".to_owned(),
    };
    let calls = if filter { "system calls filtered" } else { "no filter of system calls" };
    let seen = format!("{has}, {calls}; a running agent keeps {kept}");
    if landlock.is_some() && filter {
        return Check::ok("sandbox", seen);
    }
    Check::warn("sandbox", seen).advise(
        "it runs with what there is; more has a kernel with CONFIG_SECURITY_LANDLOCK, CONFIG_SECCOMP_FILTER \
         and `lsm=landlock,...`",
    )
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    #[test]
    fn what_is_kept_goes_by_the_kernel() {
        let check = judge(Some((6, 12)), Some(6), true);
        assert_eq!(check.status, Status::Ok);
        assert_eq!(
            check.seen,
            "Landlock 6, system calls filtered; a running agent keeps no capability"
        );
        let check = judge(Some((6, 1)), Some(2), true);
        assert!(check.seen.ends_with("keeps CAP_NET_ADMIN"), "{}", check.seen);
        let check = judge(Some((5, 10)), None, true);
        assert_eq!(check.status, Status::Warn);
        assert!(check.seen.ends_with("CAP_NET_ADMIN and perhaps CAP_BPF"), "{}", check.seen);
    }
}
