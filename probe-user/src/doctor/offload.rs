//! Offloads: what hardware and kernel do to packets before they are seen.

use super::link::Link;
use super::report::Check;

/// Merging on receipt (names as in the kernel's `netdev_features_strings`).
const LRO: &str = "rx-lro";
const GRO_HARDWARE: &str = "rx-gro-hw";
/// Splitting on sending.
const SEND: [&str; 4] = [
    "tx-tcp-segmentation",
    "tx-tcp6-segmentation",
    "tx-generic-segmentation",
    "tx-udp-segmentation",
];
const GRO: &str = "rx-gro";
/// Taking the VLAN tag out of the packet.
const VLAN: &str = "rx-vlan-hw-parse";

fn unreadable(check: &'static str) -> Check {
    Check::unknown(check, "the driver does not tell its features")
        .advise("look at `ethtool -k IFACE`")
}

/// Packets that the hardware has merged are not those of the wire: neither their number nor their
/// lengths, and of their headers only the first.
pub(super) fn receive(features: Option<&[String]>) -> Check {
    let Some(features) = features else { return unreadable("rx-merging") };
    let on = |name: &str| features.iter().any(|feature| feature == name);
    let merging: Vec<&str> = [(LRO, "lro"), (GRO_HARDWARE, "rx-gro-hw")]
        .into_iter()
        .filter_map(|(name, option)| on(name).then_some(option))
        .collect();
    if merging.is_empty() {
        return Check::ok("rx-merging", "none in hardware: packets are seen as they came");
    }
    let commands: Vec<String> = merging.iter().map(|option| format!("{option} off")).collect();
    Check::warn(
        "rx-merging",
        format!("{} on: packets may be merged before they are seen", merging.join(" and ")),
    )
    .advise(format!("`ethtool -K IFACE {}`", commands.join(" ")))
}

/// Without their tags, equal addresses of several VLANs look like one flow.
pub(super) fn vlan(features: Option<&[String]>, link: &Link, links: &[Link]) -> Check {
    let Some(features) = features else { return unreadable("vlan-tags") };
    if !features.iter().any(|feature| feature == VLAN) {
        return Check::ok("vlan-tags", "stay in the packet");
    }
    let vlans = links
        .iter()
        .filter(|upper| upper.kind.as_deref() == Some("vlan") && upper.lower == Some(link.index))
        .count();
    if vlans == 0 {
        return Check::ok("vlan-tags", "taken out by the hardware, but no VLAN is used here");
    }
    Check::warn("vlan-tags", format!("of {vlans} VLANs are taken out before packets are seen"))
        .advise("`ethtool -K IFACE rxvlan off` if the VLANs share addresses")
}

/// At egress, packets are seen before they are split: fewer and longer than on the wire. What is
/// forged from upstream comes in at ingress, so that no tell is lost by it.
pub(super) fn send(features: Option<&[String]>) -> Check {
    let Some(features) = features else { return unreadable("tx-splitting") };
    let splitting = SEND.iter().any(|name| features.iter().any(|feature| feature == name));
    let merging = features.iter().any(|feature| feature == GRO);
    if !splitting && !merging {
        return Check::ok("tx-splitting", "none: egress is seen as on the wire");
    }
    Check::ok("tx-splitting", "segments may be seen joined at egress; counts there are lower")
        .advise("for exact counts only, and at a cost: `ethtool -K IFACE gro off gso off tso off`")
}

#[cfg(test)]
mod tests {
    use super::super::report::Status;
    use super::*;

    fn features(names: &[&str]) -> Option<Vec<String>> {
        Some(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn hardware_that_merges_is_a_drawback() {
        assert_eq!(receive(None).status, Status::Unknown);
        assert_eq!(receive(features(&["rx-gro"]).as_deref()).status, Status::Ok);
        let check = receive(features(&["rx-lro", "rx-gro-hw"]).as_deref());
        assert_eq!(check.status, Status::Warn);
        assert_eq!(check.advice.as_deref(), Some("`ethtool -K IFACE lro off rx-gro-hw off`"));
    }

    #[test]
    fn vlan_tags_matter_only_where_there_are_vlans() {
        let port = Link { index: 3, ..Link::default() };
        let vlan_on =
            |lower| Link { kind: Some("vlan".to_owned()), lower: Some(lower), ..Link::default() };
        let stripping = features(&[VLAN]);
        let status = |features: &Option<Vec<String>>, links: &[Link]| {
            vlan(features.as_deref(), &port, links).status
        };
        assert_eq!(status(&stripping, &[vlan_on(3)]), Status::Warn);
        assert_eq!(status(&stripping, &[vlan_on(4)]), Status::Ok);
        assert_eq!(status(&features(&[]), &[vlan_on(3)]), Status::Ok);
        assert_eq!(status(&None, &[]), Status::Unknown);
    }

    #[test]
    fn splitting_is_told_but_no_drawback() {
        let check = send(features(&["tx-tcp-segmentation"]).as_deref());
        assert_eq!((check.status, check.advice.is_some()), (Status::Ok, true));
        assert!(send(features(&[]).as_deref()).advice.is_none());
    }
}
