//! Capabilities: which the running loop needs, and how the others go.
//!
//! Once the programs are attached, the loop reads and writes maps that it has in its memory, which takes none.
//! Two things may take one:
//!
//! * The counters are read by the `bpf` system call. Before Linux 5.19, where `kernel.unprivileged_bpf_disabled`
//!   is set (as distributions do), that whole call takes CAP_BPF; since then, only what makes a map or loads a
//!   program does. So it is tried.
//! * An egress filter of clsact (below Linux 6.6) is taken off by netlink, which takes CAP_NET_ADMIN. Links are
//!   descriptors: closing one takes nothing.

use caps::{CapSet, Capability, CapsHashSet};

use super::{Layer, PrivilegeError};

/// Which capabilities the loop needs: with `net_admin`, that one; and whichever `works` does not work without,
/// which is tried with none in force.
///
/// # Errors
///
/// If the kernel does not say or change what is in force.
pub fn needed(
    net_admin: bool,
    works: impl FnOnce() -> bool,
) -> Result<CapsHashSet, PrivilegeError> {
    let failed = |error| PrivilegeError::step("try without capabilities", &error);
    let mut needed = CapsHashSet::new();
    if net_admin {
        needed.insert(Capability::CAP_NET_ADMIN);
    }
    let before = caps::read(None, CapSet::Effective).map_err(failed)?;
    caps::clear(None, CapSet::Effective).map_err(failed)?;
    let works = works();
    caps::set(None, CapSet::Effective, &before).map_err(failed)?;
    if !works {
        // Before Linux 5.8 there was only one for everything.
        let split = before.contains(&Capability::CAP_BPF);
        needed.insert(if split { Capability::CAP_BPF } else { Capability::CAP_SYS_ADMIN });
    }
    Ok(needed)
}

/// Empties the ambient set, and the bounding set as far as that is permitted.
pub(super) fn empty_bounds() -> Result<Layer, PrivilegeError> {
    const NAME: &str = "bounding set";
    // Since Linux 4.3; where there is none, there is nothing in it.
    if caps::runtime::ambient_set_supported().is_ok() {
        caps::clear(None, CapSet::Ambient)
            .map_err(|error| PrivilegeError::step("empty the ambient capabilities", &error))?;
    }
    let bounds = caps::read(None, CapSet::Bounding)
        .map_err(|error| PrivilegeError::step("read the bounding set", &error))?;
    if bounds.is_empty() {
        return Ok(Layer::done(NAME, "empty"));
    }
    let may = caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false);
    if !may {
        // Without new privileges nothing can be had out of it.
        let words = format!("of {} as it was given, out of reach", bounds.len());
        return Ok(Layer::done(NAME, words));
    }
    caps::clear(None, CapSet::Bounding)
        .map_err(|error| PrivilegeError::step("empty the bounding set", &error))?;
    Ok(Layer::done(NAME, "empty"))
}

/// Leaves `keep` and no others.
pub(super) fn keep(keep: &CapsHashSet) -> Result<Layer, PrivilegeError> {
    let failed = |error| PrivilegeError::step("give capabilities up", &error);
    caps::clear(None, CapSet::Inheritable).map_err(failed)?;
    // What is in force must be permitted all the time: first less in force, then less permitted.
    caps::clear(None, CapSet::Effective).map_err(failed)?;
    caps::set(None, CapSet::Permitted, keep).map_err(failed)?;
    caps::set(None, CapSet::Effective, keep).map_err(failed)?;
    Ok(Layer::done("capabilities", names(keep)))
}

/// A set for people.
pub fn names(set: &CapsHashSet) -> String {
    let mut names: Vec<String> = set.iter().map(ToString::to_string).collect();
    names.sort_unstable();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_named_in_order() {
        assert_eq!(names(&CapsHashSet::new()), "none");
        let two = [Capability::CAP_NET_ADMIN, Capability::CAP_BPF].into_iter().collect();
        assert_eq!(names(&two), "CAP_BPF, CAP_NET_ADMIN");
    }

    #[test]
    fn what_works_without_is_not_kept() {
        let without = needed(false, || true).expect("capabilities can be put out of force");
        assert!(without.is_empty());
        let tried = || caps::read(None, CapSet::Effective).is_ok_and(|held| held.is_empty());
        assert!(needed(false, tried).expect("they are out of force meanwhile").is_empty());
        let with = needed(true, || false).expect("capabilities can be put out of force");
        assert_eq!(with.len(), 2);
    }
}
