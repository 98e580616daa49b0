//! Routing: whether this is a router at all, and whether both directions pass the same way.

use std::collections::BTreeSet;
use std::fs;

use super::report::Check;

/// `RTF_UP` of `/proc/net/route`.
const ROUTE_UP: u32 = 1;

pub(super) fn forwarding() -> Check {
    let on = |path: &str| fs::read_to_string(path).ok().map(|value| value.trim() != "0");
    judge_forwarding(
        on("/proc/sys/net/ipv4/ip_forward"),
        on("/proc/sys/net/ipv6/conf/all/forwarding"),
    )
}

fn judge_forwarding(v4: Option<bool>, v6: Option<bool>) -> Check {
    match (v4, v6) {
        (Some(true), Some(true)) => Check::ok("forwarding", "IPv4 and IPv6"),
        (Some(true), _) => Check::ok("forwarding", "IPv4 only"),
        (_, Some(true)) => Check::ok("forwarding", "IPv6 only"),
        (None, None) => Check::unknown("forwarding", "cannot read the settings in /proc/sys/net"),
        _ => Check::warn("forwarding", "off: this host routes for nobody").advise(
            "only its own traffic will be seen, unless it is a bridge or has a mirror port",
        ),
    }
}

/// Hosts with several ways out may send on one and receive on another.
pub(super) fn uplinks(watched: &[String]) -> Check {
    match fs::read_to_string("/proc/thread-self/net/route") {
        Ok(table) => judge_uplinks(&defaults(&table), watched),
        Err(error) => Check::unknown("uplinks", format!("cannot read the routes: {error}")),
    }
}

/// The interfaces with a default route, in the format of `/proc/net/route`: name, destination,
/// gateway, flags and so on, in hexadecimal, after a line of headings.
fn defaults(table: &str) -> BTreeSet<&str> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [iface, "00000000", _, flags, _, _, _, "00000000", ..] = fields[..] else {
                return None;
            };
            let up = u32::from_str_radix(flags, 16).is_ok_and(|flags| flags & ROUTE_UP != 0);
            up.then_some(iface)
        })
        .collect()
}

fn judge_uplinks(defaults: &BTreeSet<&str>, watched: &[String]) -> Check {
    let listed: Vec<&str> = defaults.iter().copied().collect();
    let listed = listed.join(", ");
    if defaults.len() < 2 {
        let seen = if listed.is_empty() { "no IPv4 default route".to_owned() } else { listed };
        return Check::ok("uplinks", seen);
    }
    let unwatched = watched.iter().any(|iface| defaults.contains(iface.as_str()))
        && !defaults.iter().all(|iface| watched.iter().any(|watched| watched == iface));
    let seen = format!("several IPv4 default routes: {listed}");
    if unwatched {
        return Check::warn("uplinks", seen)
            .advise("watch all of them, or connections may be seen in one direction only");
    }
    Check::ok("uplinks", seen)
}

/// Strict reverse path filtering drops, after they are seen, packets that come in on another way
/// than their answers would go. `None` if it is off or loose.
pub(super) fn reverse_path(iface: &str) -> Option<Check> {
    // A name with a slash would lead elsewhere; such an interface does not exist.
    let read = |name: &str| {
        let path = format!("/proc/sys/net/ipv4/conf/{name}/rp_filter");
        fs::read_to_string(path).ok()?.trim().parse::<u8>().ok()
    };
    judge_reverse_path(read("all")?, read(iface)?)
}

fn judge_reverse_path(all: u8, own: u8) -> Option<Check> {
    // The larger one counts: 0 off, 1 strict, 2 loose (kernel's ip-sysctl documentation).
    (all.max(own) == 1).then(|| {
        Check::ok("rp-filter", "strict: spoofed packets are seen, then dropped by this host")
            .advise("with asymmetric routes, genuine packets too: set it to 2 there")
    })
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    const TABLE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n\
        wan0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        wan1\t00000000\t0100010A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        wan2\t00000000\t0100010A\t0002\t0\t0\t100\t00000000\t0\t0\t0\n\
        lan0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        vpn0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n";

    #[test]
    fn default_routes_are_found() {
        assert_eq!(defaults(TABLE).into_iter().collect::<Vec<_>>(), ["wan0", "wan1"]);
        assert!(defaults("").is_empty());
        assert!(defaults("x\n\nwan0 00000000\n").is_empty());
    }

    #[test]
    fn several_uplinks_are_all_to_be_watched() {
        let defaults = defaults(TABLE);
        let status = |watched: &[&str]| {
            let watched: Vec<String> = watched.iter().map(|name| (*name).to_owned()).collect();
            judge_uplinks(&defaults, &watched).status
        };
        assert_eq!(status(&["wan0"]), Status::Warn);
        assert_eq!(status(&["wan0", "wan1"]), Status::Ok);
        assert_eq!(status(&["lan0"]), Status::Ok);
        assert_eq!(status(&[]), Status::Ok);
    }

    #[test]
    fn a_host_that_forwards_nothing_is_told() {
        assert_eq!(judge_forwarding(Some(false), Some(false)).status, Status::Warn);
        assert_eq!(judge_forwarding(Some(true), None).status, Status::Ok);
        assert_eq!(judge_forwarding(None, None).status, Status::Unknown);
    }

    #[test]
    fn only_strict_filtering_is_told() {
        assert!(judge_reverse_path(0, 1).is_some());
        assert!(judge_reverse_path(1, 0).is_some());
        assert!(judge_reverse_path(2, 1).is_none());
        assert!(judge_reverse_path(0, 0).is_none());
    }
}
