//! Answers that differ from the Internet's because somebody whose business it is wants them to.

use std::net::{IpAddr, Ipv6Addr};

use super::{Behaviour, passes, servers::nothing};
use crate::corpus::{
    dns::{
        message::{ANSWER, Data, Record, kind, rcode},
        names::{Name, Served, WATCHED},
        resolver::Node,
        scene::{Asked, Scene},
    },
    script::MS,
};

pub(super) static BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "adblock-null",
        what: "an ad-blocking resolver leads names of advertising to 0.0.0.0 and ::",
        act: |scene| blocked(scene, &[("0.0.0.0", "::")]),
    },
    Behaviour {
        name: "adblock-loopback",
        what: "the same to 127.0.0.1 and ::1",
        act: |scene| blocked(scene, &[("127.0.0.1", "::1")]),
    },
    Behaviour {
        name: "adblock-nowhere",
        what: "the same by saying that they do not exist, or refusing",
        act: |scene| blocked(scene, &[]),
    },
    Behaviour {
        name: "safe-search",
        what: "a filtering resolver leads a search engine's name to its strict twin",
        act: |scene| {
            let name = Name::called("www.google.com", Served::Alone, 0);
            scene.name = name.clone();
            let (asked, node) = asked(scene, &name, kind::A);
            let time = passes(scene, &asked, &node, MS / 5);
            let alias = "forcesafesearch.google.com";
            let first = Record::new(300, Data::Alias(alias.into()));
            let mut last = Record::address(300, std::net::Ipv4Addr::new(216, 239, 38, 120));
            last.owner = Some(alias.into());
            let mut reply = asked.query.reply(ANSWER, vec![first, last]);
            reply.opt = scene.opt(&asked);
            scene.reply(&asked, &node, time, &reply);
        },
    },
    Behaviour {
        name: "split-horizon",
        what: "a company's resolver knows private addresses of the company's names",
        act: |scene| {
            let name = Name::called("intranet.corp-site.com", Served::Alone, 0);
            leads_to(scene, &name, "10.20.30.40", "fd12:3456:789a::40");
        },
    },
    Behaviour {
        name: "private-by-owner",
        what: "a public name that its owner leads to a private address or loopback",
        act: |scene| {
            let choices = [
                ("192-168-1-10.home-server.direct", "192.168.1.10", "fd00::10"),
                ("localtest.me", "127.0.0.1", "::1"),
                ("10.0.0.7.nip.io", "10.0.0.7", "::"),
                ("printer.vendor-cloud.com", "169.254.7.7", "fe80::7"),
            ];
            let (text, v4, v6) = *scene.rng.pick(&choices);
            leads_to(scene, &Name::called(text, Served::Alone, 0), v4, v6);
        },
    },
    Behaviour {
        name: "rebinding",
        what: "a name that leads to a public address first and to a private one a second later",
        act: |scene| {
            let name = Name::called("a.rebind-test.net", Served::Alone, scene.rng.bits());
            let time = scene.start;
            scene.exchange(&name, kind::A, time, 0);
            scene.start += 1_100 * MS;
            leads_to(scene, &name, "192.168.0.1", "fd00::1");
        },
    },
    Behaviour {
        name: "captive-portal",
        what: "before the login every name leads to the portal, after it to where it belongs",
        act: |scene| {
            let start = scene.start;
            for shift in 0..3 {
                let name = match shift {
                    0 => Name::control(3),
                    1 => Name::watched(scene.rng.bits()),
                    _ => Scene::any_name(scene.world, &mut scene.rng),
                };
                scene.start = start + u64::from(shift) * 200 * MS;
                leads(scene, &name, ("172.16.99.1", "fd99::1"), shift);
            }
            let name = Name::watched(scene.rng.bits());
            scene.exchange(&name, kind::A, start + 9_000 * MS, 3);
        },
    },
    Behaviour {
        name: "dns64",
        what: "addresses of IPv6 made of those for IPv4 (RFC 6147)",
        act: |scene| {
            let (text, v4, _) = WATCHED[scene.rng.below(WATCHED.len() as u64) as usize];
            let name = Name::called(text, Served::Alone, 0);
            let v4 =
                v4[0].split(' ').next().and_then(|text| text.parse::<std::net::Ipv4Addr>().ok());
            let low = v4.map_or(0, u32::from);
            let v6 = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, (low >> 16) as u16, low as u16);
            let (asked, node) = asked(scene, &name, kind::AAAA);
            let time = passes(scene, &asked, &node, MS / 5);
            let mut reply = asked.query.reply(ANSWER, vec![Record::address(60, v6)]);
            reply.opt = scene.opt(&asked);
            scene.reply(&asked, &node, time, &reply);
        },
    },
    Behaviour {
        name: "rewritten-nowhere",
        what: "the provider leads names that do not exist to its search page, mistyped ones of a watched service among them",
        act: |scene| {
            let choices = [
                "wwww.linkedn-jobs.com",
                "www.no-such-name.net",
                "wwww.linkedin.com",
                "linkedin.com.home",
            ];
            let text = *scene.rng.pick(&choices);
            leads_to(
                scene,
                &Name::called(text, Served::Nowhere, 0),
                "198.18.77.77",
                "2001:db8:77::77",
            );
        },
    },
    Behaviour {
        name: "two-fronts",
        what: "a watched name is served by one content network now and by another a minute later",
        act: |scene| {
            let name = Name::watched(scene.rng.below(2) * 2);
            let node = scene.usual();
            let start = scene.start;
            for (shift, later) in [(0, 0), (1, 61_000 * MS), (2, 130_000 * MS)] {
                let asked = scene.ask(&name, kind::A, start + later, shift);
                scene.answer(&asked, &node);
            }
        },
    },
];

/// Names of advertising and of counting visitors, of a watched service among them.
const ADVERTISING: [&str; 6] = [
    "px.ads.linkedin.com",
    "snap.licdn.com",
    "ads.linkedin.com",
    "ad.doubleclick.net",
    "www.google-analytics.com",
    "telemetry.tracker-site.io",
];

fn asked(scene: &mut Scene<'_>, name: &Name, kind: u16) -> (Asked, Node) {
    let (node, time) = (scene.node(), scene.start);
    (scene.ask(name, kind, time, 0), node)
}

/// The name leads to this address of either family.
fn leads_to(scene: &mut Scene<'_>, name: &Name, v4: &str, v6: &str) {
    leads(scene, name, (v4, v6), 1);
}

fn leads(scene: &mut Scene<'_>, name: &Name, (v4, v6): (&str, &str), shift: u16) {
    let (node, time) = (scene.node(), scene.start);
    let kind = if scene.rng.chance(0.5) { kind::A } else { kind::AAAA };
    let asked = scene.ask(name, kind, time, shift);
    let time = passes(scene, &asked, &node, MS / 5);
    let text = if kind == kind::A { v4 } else { v6 };
    let address: IpAddr = text.parse().unwrap_or_else(|_| unreachable!("{text} is an address"));
    let mut reply = asked.query.reply(ANSWER, vec![Record::address(10, address)]);
    reply.opt = scene.opt(&asked);
    scene.reply(&asked, &node, time, &reply);
}

fn blocked(scene: &mut Scene<'_>, to: &[(&str, &str)]) {
    let text = *scene.rng.pick(&ADVERTISING);
    let name = Name::called(text, Served::Alone, 0);
    let start = scene.start;
    for shift in 0..2 {
        scene.start = start + u64::from(shift) * 3 * MS;
        match to {
            [pair, ..] => leads(scene, &name, *pair, shift),
            [] => {
                let (node, time) = (scene.node(), scene.start);
                let asked = scene.ask(&name, kind::A, time, shift);
                let time = passes(scene, &asked, &node, MS / 5);
                let code = if shift == 0 { rcode::NXDOMAIN } else { rcode::REFUSED };
                let reply = nothing(&asked, code, scene.opt(&asked));
                scene.reply(&asked, &node, time, &reply);
            }
        }
    }
}
