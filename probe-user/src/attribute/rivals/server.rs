//! The servers are down, misconfigured, or refuse: excluded by packets that they did not send, by others
//! whom they serve at the same time, by what no server does, or by two operators at once.

use super::{Situation, Weighed, lost, percent, stands, won};
use crate::attribute::method::Method;

/// Part of the silent flows whose name must have gone unacknowledged: a kernel acknowledges what arrives
/// whatever the name in it.
const UNACKNOWLEDGED: f64 = 0.8;

/// Part of the flows that are slow beyond what controls have that must lose packets without queueing: a
/// server that paces loses none.
const POLICED: f64 = 0.8;

/// Part of them that must be about equally slow.
const BAND: f64 = 0.6;

/// Part of the ICMP errors that must come from far before the server.
const BEFORE_SERVER: f64 = 0.9;

pub(super) fn weigh(seen: &Situation) -> Weighed {
    if seen.is_dns() {
        return None;
    }
    if seen.says_so {
        return won("the other end says so itself: alerts, errors, unreachable");
    }
    if seen.method_is(&[Method::Residual]) {
        return lost(
            "the same servers answer the same names for clients without an accused flow before",
        );
    }
    if seen.is_proven() {
        return lost(format!(
            "for {} clients or more, what ended the flow is not the server's",
            seen.proven.least
        ));
    }
    if seen.healthy_elsewhere {
        return lost("another observer sees the service served at the same place at the same time");
    }
    if seen.is_at_several_operators() {
        return lost(format!(
            "it began at the same time at networks of {} operators whose other addresses or names are served",
            seen.operators
        ));
    }
    by_method(seen)
}

fn by_method(seen: &Situation) -> Weighed {
    let part = |count: u64, all: u64| count as f64 / all.max(1) as f64;
    match seen.method? {
        Method::SniDrop
            if seen.near_established && part(seen.unacknowledged, seen.flows) >= UNACKNOWLEDGED =>
        {
            lost(
                "the same address acknowledges other names; no kernel reads a name before it acknowledges",
            )
        }
        Method::QuicDrop if seen.near_established => lost(
            "the same address answers QUIC for other names; a server that refuses a name says so",
        ),
        Method::Throttle => policing(seen),
        Method::IcmpReject if part(seen.icmp_before_server, seen.flows) >= BEFORE_SERVER => {
            lost("a device hops before the server prohibits the packets")
        }
        Method::IcmpReject => stands("the ICMP errors may be the servers' own firewall's"),
        _ => stands("nothing that was seen excludes that the servers do it themselves"),
    }
}

fn policing(seen: &Situation) -> Weighed {
    let part = |count| seen.part_of_slowed(count);
    if seen.near_established && part(seen.policed) >= POLICED && part(seen.equally_slow) >= BAND {
        return lost(
            "packets are lost above one rate and not delayed; a server that paces loses none",
        );
    }
    stands(format!(
        "of what is slow beyond the controls' share, {} shows policing, and {} is about equally slow",
        percent(part(seen.policed)),
        percent(part(seen.equally_slow))
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{Situation, blocked_by, standing};
    use crate::attribute::{method::Method, sketch::Range, verdict::Standing};

    #[test]
    fn silence_alone_may_be_the_servers() {
        for method in [Method::IpDrop, Method::IpReset, Method::SniReset, Method::HttpReset] {
            let near = Situation { near_established: true, ..blocked_by(method) };
            assert_eq!(standing(super::weigh(&near)), Standing::Stands, "{method}");
            let elsewhere = Situation { healthy_elsewhere: true, ..near.clone() };
            assert_eq!(standing(super::weigh(&elsewhere)), Standing::Lost, "{method}");
            let own = Situation { operators: 2, foreign: false, ..near.clone() };
            assert_eq!(standing(super::weigh(&own)), Standing::Stands, "{method}");
            let two = Situation { operators: 2, foreign: true, ..near };
            let about_addresses = [Method::IpDrop, Method::IpReset].contains(&method);
            let expected = if about_addresses { Standing::Lost } else { Standing::Stands };
            assert_eq!(standing(super::weigh(&two)), expected, "{method}");
        }
    }

    #[test]
    fn a_name_that_is_not_acknowledged_where_others_are_is_not_the_servers_doing() {
        let drop = Situation {
            near_established: true,
            unacknowledged: 390,
            ..blocked_by(Method::SniDrop)
        };
        assert_eq!(standing(super::weigh(&drop)), Standing::Lost);
        // Acknowledged and not answered: an application that hangs.
        let hangs = Situation { unacknowledged: 10, ..drop.clone() };
        assert_eq!(standing(super::weigh(&hangs)), Standing::Stands);
        // No other name at the address: a full accept queue acknowledges nothing either.
        let alone = Situation { near_established: false, ..drop };
        assert_eq!(standing(super::weigh(&alone)), Standing::Stands);
    }

    #[test]
    fn pacing_is_not_policing() {
        let policed = Situation {
            near_established: true,
            slow: 100,
            policed: 95,
            equally_slow: 80,
            ..blocked_by(Method::Throttle)
        };
        assert_eq!(standing(super::weigh(&policed)), Standing::Lost);
        let paced = Situation { policed: 3, ..policed.clone() };
        assert_eq!(standing(super::weigh(&paced)), Standing::Stands);
        // A third of the slow flows are so on lines that are slow for the controls as well.
        let lines =
            Situation { share: 0.3, near_share: 0.1, policed: 62, equally_slow: 60, ..policed };
        assert_eq!(standing(super::weigh(&lines)), Standing::Lost);
        let paced = Situation { policed: 20, ..lines };
        assert_eq!(standing(super::weigh(&paced)), Standing::Stands);
    }

    #[test]
    fn a_firewall_at_the_server_is_its_own_policy() {
        let near = Situation { icmp_before_server: 20, ..blocked_by(Method::IcmpReject) };
        assert_eq!(standing(super::weigh(&near)), Standing::Stands);
        let far = Situation { icmp_before_server: 399, ..near };
        assert_eq!(standing(super::weigh(&far)), Standing::Lost);
    }

    #[test]
    fn forged_packets_and_confessions_decide() {
        let proven =
            Situation { proven: Range { least: 30, most: 30 }, ..blocked_by(Method::SniReset) };
        assert_eq!(standing(super::weigh(&proven)), Standing::Lost);
        let error = Situation { says_so: true, method: None, ..proven };
        assert_eq!(standing(super::weigh(&error)), Standing::Won);
    }
}
