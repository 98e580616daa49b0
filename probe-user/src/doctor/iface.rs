//! The interface itself: is it there, on, of the right kind, and on how many CPUs.

use std::fs;

use super::link::Link;
use super::report::{Cause, Check};

/// Names listed for an interface that is missing; a host can have thousands.
const MAX_LISTED: usize = 16;

/// The check that fails when the interface does not exist: the name is added by the caller.
pub(super) fn missing() -> Check {
    Check::fail("interface", Cause::Interface, "does not exist").advise(match existing() {
        names if names.is_empty() => "this network namespace has no interfaces".to_owned(),
        names => format!("choose one of {names}"),
    })
}

/// What there is, for a caller who asked for nothing.
pub(super) fn list() -> Check {
    Check::ok("interfaces", existing()).advise("name one with --iface to have it examined")
}

/// The names of the interfaces with their state.
fn existing() -> String {
    let interfaces = pnet::datalink::interfaces();
    let mut names: Vec<String> = interfaces
        .iter()
        .take(MAX_LISTED)
        .map(|interface| match interface.is_up() {
            true => interface.name.clone(),
            false => format!("{} (down)", interface.name),
        })
        .collect();
    if interfaces.len() > MAX_LISTED {
        names.push(format!("{} more", interfaces.len() - MAX_LISTED));
    }
    names.join(", ")
}

pub(super) fn state(link: &Link) -> Check {
    match (link.up, link.carrier) {
        (true, true) => Check::ok("interface", "up"),
        (true, false) => Check::warn("interface", "up, but nothing is connected")
            .advise("check the cable, or the other end of a virtual interface"),
        (false, _) => Check::warn("interface", "down: there are no packets to see")
            .advise(format!("`ip link set {} up`", link.name)),
    }
}

/// The engine reads Ethernet frames.
pub(super) fn hardware(link: &Link) -> Check {
    match link.hardware {
        libc::ARPHRD_ETHER => Check::ok("type", "Ethernet"),
        libc::ARPHRD_LOOPBACK => {
            Check::warn("type", "loopback: only this host's talk with itself passes")
                .advise("name the interface towards the network")
        }
        number => Check::fail(
            "type",
            Cause::Interface,
            format!("not Ethernet (ARPHRD {number}): its packets cannot be read"),
        )
        .advise("name the Ethernet interface that it runs over"),
    }
}

/// Packets of one queue are all handled on one CPU.
pub(super) fn queues(queues: u32) -> Check {
    let cpus = fs::read_to_string("/sys/devices/system/cpu/online")
        .ok()
        .and_then(|list| count(list.trim()))
        .or_else(|| std::thread::available_parallelism().ok().map(|cpus| cpus.get() as u32));
    judge_queues(queues, cpus.unwrap_or(1))
}

fn judge_queues(queues: u32, cpus: u32) -> Check {
    match queues {
        0 => Check::unknown("queues", "the driver does not tell how many receive queues there are"),
        1 if cpus > 1 => {
            Check::warn("queues", format!("1 receive queue: 1 of {cpus} CPUs handles all packets"))
                .advise("`ethtool -L IFACE combined N` if the hardware has more")
        }
        _ => Check::ok("queues", format!("{queues} receive queues, {cpus} CPUs")),
    }
}

/// The number of CPUs in a list such as "0-3,8".
fn count(list: &str) -> Option<u32> {
    list.split(',')
        .map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
            last.checked_sub(first)?.checked_add(1)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    #[test]
    fn only_ethernet_will_do() {
        let of = |number| hardware(&Link { hardware: number, ..Link::default() }).status;
        assert_eq!(of(libc::ARPHRD_ETHER), Status::Ok);
        assert_eq!(of(libc::ARPHRD_LOOPBACK), Status::Warn);
        // A TUN or WireGuard device.
        assert_eq!(of(libc::ARPHRD_NONE), Status::Fail);
        assert_eq!(of(libc::ARPHRD_PPP), Status::Fail);
    }

    #[test]
    fn cpu_lists_are_counted() {
        assert_eq!(count("0"), Some(1));
        assert_eq!(count("0-3"), Some(4));
        assert_eq!(count("0-1,4,6-7"), Some(5));
        assert_eq!(count("3-1"), None);
        assert_eq!(count(""), None);
    }

    #[test]
    fn one_queue_is_a_drawback_only_with_several_cpus() {
        assert_eq!(judge_queues(1, 8).status, Status::Warn);
        assert_eq!(judge_queues(1, 1).status, Status::Ok);
        assert_eq!(judge_queues(4, 8).status, Status::Ok);
        assert_eq!(judge_queues(0, 8).status, Status::Unknown);
    }

    #[test]
    fn a_missing_interface_comes_with_those_that_exist() {
        assert!(missing().advice.is_some_and(|advice| advice.contains("lo")));
    }
}
