//! The kernel: its version, and the settings that decide what BPF may do.

use std::fs;
use std::io;

use aya::programs::loaded_programs;
use nix::sys::utsname::uname;

use super::report::{Cause, Check};

/// Major and minor version.
pub(super) type Version = (u32, u32);

/// BPF ring buffers came with 5.8; there is no other way for events here.
const MINIMUM: Version = (5, 8);

/// The oldest kernel that is tried, by `cargo xtask kernels`.
const SUPPORTED: Version = (5, 10);

/// XDP programs that take packets of several buffers.
const XDP_FRAGMENTS: Version = (5, 18);

/// tcx, which orders several programs and detaches with the agent; before it, clsact.
pub(super) const TCX: Version = (6, 6);

/// BPF memory is charged to the control group and no longer to `RLIMIT_MEMLOCK`.
const CGROUP_MEMORY: Version = (5, 11);

/// Locked memory that the maps need at least on older kernels: 64 MiB, for the flow table.
const LOCKED_MEMORY: u64 = 1 << 26;

/// The version of the running kernel.
pub(super) fn version() -> Option<Version> {
    uname().ok().and_then(|name| parse(&name.release().to_string_lossy()))
}

/// The version in a release such as "6.1.0-18-amd64".
fn parse(release: &str) -> Option<Version> {
    let mut parts = release.split(|letter: char| !letter.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

pub(super) fn release(version: Option<Version>) -> Check {
    let release = uname().map(|name| name.release().to_string_lossy().into_owned());
    judge_release(&release.unwrap_or_default(), version)
}

fn judge_release(release: &str, version: Option<Version>) -> Check {
    let Some(version) = version else {
        return Check::unknown("kernel", format!("a release \"{release}\" without a version"))
            .advise("Forgewatch needs Linux 5.10 or later");
    };
    if version < MINIMUM {
        let seen = format!("{release}, which has no BPF ring buffer");
        return Check::fail("kernel", Cause::Kernel, seen).advise("use Linux 5.10 or later");
    }
    if version < SUPPORTED {
        let seen = format!("{release}, older than what is tested");
        return Check::warn("kernel", seen).advise("use Linux 5.10 or later if it fails to load");
    }
    let egress = if version < TCX { "clsact" } else { "tcx" };
    let fragments = if version < XDP_FRAGMENTS { "without" } else { "with" };
    Check::ok("kernel", format!("{release}: {egress} at egress, XDP {fragments} fragments"))
}

pub(super) fn btf() -> Check {
    let path = "/sys/kernel/btf/vmlinux";
    match fs::metadata(path) {
        Ok(_) => Check::ok("btf", path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Check::warn("btf", format!("no {path}"))
                .advise("use a kernel with CONFIG_DEBUG_INFO_BTF=y if loading fails; mount /sys")
        }
        Err(error) => Check::unknown("btf", format!("cannot look at {path}: {error}")),
    }
}

pub(super) fn jit() -> Check {
    // A program that is loaded already shows it as well, if there is one and it may be seen.
    let compiled =
        || loaded_programs().filter_map(Result::ok).any(|program| program.size_jitted() > 0);
    judge_jit(&fs::read_to_string("/proc/sys/net/core/bpf_jit_enable"), compiled)
}

fn judge_jit(setting: &io::Result<String>, compiled: impl FnOnce() -> bool) -> Check {
    match setting.as_ref().map(|setting| setting.trim()) {
        Ok("0") => Check::warn("jit", "off: BPF programs are interpreted, several times slower")
            .advise("`sysctl net.core.bpf_jit_enable=1`"),
        Ok("1") => Check::ok("jit", "on"),
        Ok("2") => Check::warn("jit", "on, in debug mode: programs are printed to the kernel log")
            .advise("`sysctl net.core.bpf_jit_enable=1`"),
        Ok(other) => Check::unknown("jit", format!("a setting \"{other}\" that is not known")),
        Err(_) if compiled() => Check::ok("jit", "on: a loaded program is compiled"),
        // Only the first network namespace has it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Check::unknown("jit", "no net.core.bpf_jit_enable in this network namespace")
                .advise("look at it outside; without CONFIG_BPF_JIT, programs are interpreted")
        }
        Err(error) => {
            Check::unknown("jit", format!("cannot read net.core.bpf_jit_enable: {error}"))
                .advise("run as root to know")
        }
    }
}

pub(super) fn lockdown() -> Check {
    judge_lockdown(fs::read_to_string("/sys/kernel/security/lockdown"))
}

fn judge_lockdown(modes: io::Result<String>) -> Check {
    let modes = match modes {
        Ok(modes) => modes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Check::ok("lockdown", "not in this kernel, or securityfs is not mounted");
        }
        Err(error) => {
            return Check::unknown("lockdown", format!("cannot read its mode: {error}"))
                .advise("run as root to know");
        }
    };
    // "none [integrity] confidentiality"
    let mode = modes.split(['[', ']']).nth(1).unwrap_or("").to_owned();
    match mode.as_str() {
        "none" | "integrity" => Check::ok("lockdown", mode),
        "confidentiality" => {
            Check::warn("lockdown", "confidentiality: BPF may read no kernel memory")
                .advise("if loading fails, boot with lockdown=integrity")
        }
        _ => Check::unknown("lockdown", format!("modes \"{}\"", modes.trim())),
    }
}

/// The limit on locked memory, on kernels where it counts.
pub(super) fn memlock(version: Option<Version>) -> Option<Check> {
    if version.is_none_or(|version| version >= CGROUP_MEMORY) {
        return None;
    }
    Some(match fs::read_to_string("/proc/self/limits") {
        Ok(limits) => judge_memlock(locked_memory(&limits)),
        Err(error) => Check::unknown("memlock", format!("cannot read the limit: {error}")),
    })
}

/// The soft limit on locked memory in the format of `/proc/self/limits`, in bytes.
fn locked_memory(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

fn judge_memlock(limit: Option<u64>) -> Check {
    match limit {
        None => Check::unknown("memlock", "the limit cannot be understood"),
        Some(u64::MAX) => Check::ok("memlock", "unlimited"),
        Some(limit) if limit >= LOCKED_MEMORY => Check::ok("memlock", format!("{limit} bytes")),
        Some(limit) => Check::warn("memlock", format!("{limit} bytes, below {LOCKED_MEMORY}"))
            .advise("`ulimit -l unlimited`, or LimitMEMLOCK=infinity in the service"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    #[test]
    fn releases_of_distributions_are_understood() {
        for (release, expected) in [
            ("6.18.44", Some((6, 18))),
            ("6.1.0-18-amd64", Some((6, 1))),
            ("5.15.0-1052-azure", Some((5, 15))),
            ("4.18.0-513.el8.x86_64", Some((4, 18))),
            ("7.0-rc1+", Some((7, 0))),
            ("6", None),
            ("", None),
            ("generic", None),
        ] {
            assert_eq!(parse(release), expected, "{release}");
        }
    }

    #[test]
    fn old_kernels_fail_and_middle_ones_use_clsact() {
        let judge = |version| judge_release("x", Some(version));
        assert_eq!(judge((5, 7)).cause, Some(Cause::Kernel));
        assert_eq!(judge((5, 8)).status, Status::Warn);
        assert_eq!(judge((5, 10)).status, Status::Ok);
        assert_eq!(judge((5, 15)).seen, "x: clsact at egress, XDP without fragments");
        assert_eq!(judge((6, 5)).seen, "x: clsact at egress, XDP with fragments");
        assert_eq!(judge((6, 6)).seen, "x: tcx at egress, XDP with fragments");
        assert_eq!(judge_release("x", None).status, Status::Unknown);
    }

    #[test]
    fn settings_are_judged() {
        let found = |text: &str| Ok(format!("{text}\n"));
        let denied = || Err(io::ErrorKind::PermissionDenied.into());
        assert_eq!(judge_jit(&found("1"), || false).status, Status::Ok);
        assert_eq!(judge_jit(&found("0"), || true).status, Status::Warn);
        assert_eq!(judge_jit(&denied(), || false).status, Status::Unknown);
        assert_eq!(judge_jit(&denied(), || true).status, Status::Ok);
        assert_eq!(judge_lockdown(found("[none] integrity confidentiality")).seen, "none");
        let strict = judge_lockdown(found("none integrity [confidentiality]"));
        assert_eq!(strict.status, Status::Warn);
        assert_eq!(judge_lockdown(denied()).status, Status::Unknown);
        let limits =
            "Limit  Soft Limit  Hard Limit  Units\nMax locked memory  65536  65536  bytes\n";
        assert_eq!(locked_memory(limits), Some(65_536));
        assert_eq!(judge_memlock(Some(65_536)).status, Status::Warn);
        assert_eq!(judge_memlock(locked_memory("Max locked memory  unlimited")).seen, "unlimited");
        assert_eq!(judge_memlock(locked_memory("")).status, Status::Unknown);
        assert!(memlock(Some((6, 1))).is_none());
    }
}
