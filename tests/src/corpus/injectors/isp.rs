//! Devices that providers buy: shapers, advertising and notice boxes, court orders.

use super::{
    ALL, ASKED, BOTH, Deed, FIN_PSH_ACK, LIVE, Look, Model, PSH_ACK, RST, RST_ACK, Then, Web,
    ahead, carrying, forge, shot,
};
use crate::corpus::{
    apps,
    device::{Shot, Trigger},
    rng::Rng,
    segment::End,
};

pub(super) static MODELS: &[Model] = &[
    Model {
        name: "sandvine-rst",
        what: "RST+ACK, IP-ID always 0x3412",
        source: "Marczak et al.: Bad Traffic (Citizen Lab 2018)",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: |trigger, _| {
            let look = Look { ttl: 64, ip_id: 0x3412, df: false, window: 0 };
            BOTH.into_iter().map(|from| shot(300, forge(trigger, from, RST_ACK, look))).collect()
        },
        then: Then::Nothing,
    },
    Model {
        name: "sandvine-307",
        what: "HTTP 307 in FIN+PSH+ACK, IP-ID always 0x3412",
        source: "Marczak et al.: Bad Traffic (Citizen Lab 2018)",
        web: Web::Http,
        deed: Deed::Injected,
        stages: ASKED,
        fire: |trigger, _| page(trigger, 0x3412, false, 307, "http://download.invalid/"),
        then: Then::Nothing,
    },
    Model {
        name: "egypt-second",
        what: "RST+ACK, IP-ID 0 with DF set",
        source: "AFTE and OONI: The State of Internet Censorship in Egypt (2018)",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: |trigger, rng| {
            let look = Look { ttl: 64, ip_id: 0, df: true, window: 0 };
            let delay = rng.range(300, 1_000);
            vec![shot(delay, forge(trigger, End::Server, RST_ACK, look))]
        },
        then: Then::Nothing,
    },
    Model {
        name: "airtel",
        what: "HTTP 200 with a notice in FIN+PSH+ACK, then RST; IP-ID 242",
        source: "Yadav et al.: Where The Light Gets In (IMC 2018)",
        web: Web::Http,
        deed: Deed::Injected,
        stages: LIVE,
        fire: airtel,
        then: Then::Nothing,
    },
    Model {
        name: "perftech",
        what: "a bulletin as HTTP 200 with window 1 and DF clear; FIN",
        source: "LeeBrotherston: notes on Perftech bulletins",
        web: Web::Http,
        deed: Deed::Injected,
        stages: ASKED,
        fire: |trigger, rng| {
            let look = Look { ttl: 64, ip_id: rng.u16(), df: false, window: 1 };
            let body = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>A bulletin</html>";
            vec![shot(400, carrying(forge(trigger, End::Server, FIN_PSH_ACK, look), body))]
        },
        then: Then::Nothing,
    },
    Model {
        name: "korea",
        what: "HTTP 302 to warning.or.kr in FIN+PSH+ACK, and RST to the server",
        source: "irtf-pearg/rfc-censorship-tech#36",
        web: Web::Http,
        deed: Deed::Injected,
        stages: ASKED,
        fire: |trigger, rng| {
            let ip_id = rng.u16();
            let mut shots = page(trigger, ip_id, true, 302, "http://www.warning.or.kr");
            let look = Look { ttl: 64, ip_id, df: true, window: 0 };
            shots.push(shot(420, forge(trigger, End::Client, RST_ACK, look)));
            shots
        },
        then: Then::Nothing,
    },
    Model {
        name: "russia-passive",
        what: "HTTP 302 from a mirror port, then RST; IP-ID 0 to 15; the genuine answer follows",
        source: "ValdikSS: GoodbyeDPI, filter for passive DPI (2017)",
        web: Web::Http,
        deed: Deed::Injected,
        stages: ASKED,
        fire: |trigger, rng| {
            let ip_id = rng.below(16) as u16;
            let mut shots = page(trigger, ip_id, false, 302, "http://warning.rt.ru/?id=3&st=0");
            let look = Look { ttl: 64, ip_id, df: false, window: 0 };
            let after = shots[0].segment.length();
            shots.push(shot(420, ahead(forge(trigger, End::Server, RST, look), after)));
            shots
        },
        then: Then::Nothing,
    },
    Model {
        name: "russia-passive-tls",
        what: "one RST+ACK from a mirror port, IP-ID 0 to 15, DF clear",
        source: "ValdikSS: GoodbyeDPI, filter for passive DPI (2017)",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: |trigger, rng| {
            let ip_id = rng.below(16) as u16;
            let look = Look { ttl: 64, ip_id, df: false, window: 0 };
            vec![shot(400, forge(trigger, End::Server, RST_ACK, look))]
        },
        then: Then::Nothing,
    },
    Model {
        name: "comcast",
        what: "RST pairs 12503 apart to both ends, IP-ID rising by 4 and by 1",
        source: "Weaver, Sommer, Paxson (NDSS 2009), section 7.1: Sandvine at Comcast",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: LIVE,
        fire: comcast,
        then: Then::Nothing,
    },
];

fn page(trigger: &Trigger<'_>, ip_id: u16, df: bool, code: u16, to: &str) -> Vec<Shot> {
    let look = Look { ttl: 64, ip_id, df, window: 5_840 };
    let page = apps::redirect(code, to);
    vec![shot(400, carrying(forge(trigger, End::Server, FIN_PSH_ACK, look), page))]
}

fn airtel(trigger: &Trigger<'_>, _: &mut Rng) -> Vec<Shot> {
    let look = Look { ttl: 64, ip_id: 242, df: false, window: 32_120 };
    let body = "HTTP/1.1 200 OK\r\n\r\n<iframe src=\"http://www.airtel.in/dot/\"></iframe>";
    let notice = carrying(forge(trigger, End::Server, PSH_ACK | FIN_PSH_ACK, look), body);
    let after = notice.length();
    vec![shot(300, notice), shot(330, ahead(forge(trigger, End::Server, RST, look), after))]
}

fn comcast(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    let mut shots = Vec::new();
    let first = rng.u16();
    for from in BOTH {
        for (step, ip_id) in [(0, first.wrapping_add(4)), (12_503, first.wrapping_add(5))] {
            let look = Look { ttl: 64, ip_id, df: false, window: 0 };
            let reset = ahead(forge(trigger, from, RST, look), step);
            shots.push(shot(500 + u64::from(step != 0) * 10, reset));
        }
    }
    shots
}
