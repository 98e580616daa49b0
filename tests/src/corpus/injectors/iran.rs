//! Iran and its neighbours: block pages and resets from devices in the way.

use super::{
    ALL, ASKED, BOTH, Deed, FIN_PSH_ACK, LIVE, Look, Model, PSH_ACK, RST_ACK, Then, Web, ahead,
    carrying, forge, shot,
};
use crate::corpus::{
    device::{Shot, Trigger},
    rng::Rng,
    segment::{End, flag},
};

pub(super) static MODELS: &[Model] = &[
    Model {
        name: "iran-http",
        what: "403 page in FIN+PSH+ACK, then RST+PSH+ACK; the connection is dead from then on",
        source: "Bock et al.: Weaponizing Middleboxes (USENIX Security 2021)",
        web: Web::Http,
        deed: Deed::Injected,
        stages: LIVE,
        fire: iran_http,
        then: Then::Cut,
    },
    Model {
        name: "iran-2013",
        what: "five RST to the server: three in sequence alike, two 30 octets on; 403 to the client",
        source: "Aryan, Aryan, Halderman: Internet Censorship in Iran (FOCI 2013)",
        web: Web::Http,
        deed: Deed::Injected,
        stages: ASKED,
        fire: iran_2013,
        then: Then::Cut,
    },
    Model {
        name: "iran-https",
        what: "one RST+ACK to the client; the connection is dead from then on",
        source: "Tai et al.: IRBlock (USENIX Security 2025)",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ALL,
        fire: |trigger, rng| {
            let look = Look { ttl: 64, ip_id: rng.u16(), df: false, window: 0 };
            vec![shot(300, forge(trigger, End::Server, RST_ACK, look))]
        },
        then: Then::Cut,
    },
    Model {
        name: "iran-blackhole",
        what: "an empty PSH+ACK with the ClientHello's IP-ID, then nothing passes",
        source: "net4people/bbs#39",
        web: Web::Tls,
        deed: Deed::Injected,
        stages: ASKED,
        fire: |trigger, _| {
            let ip_id = trigger.segment.ip_id;
            let look = Look { ttl: 64, ip_id, df: false, window: trigger.segment.window };
            vec![shot(300, forge(trigger, End::Server, PSH_ACK, look))]
        },
        then: Then::Cut,
    },
    Model {
        name: "saudi",
        what: "a block page in three PSH+ACK of 97 and twice 1354 octets of frame",
        source: "Bock et al.: Weaponizing Middleboxes (USENIX Security 2021)",
        web: Web::Http,
        deed: Deed::Injected,
        stages: ASKED,
        fire: saudi,
        then: Then::Cut,
    },
];

const PAGE: &str = "HTTP/1.1 403 Forbidden\r\nConnection:close\r\n\r\n<html><head><title>M1-3\
    </title></head><body><iframe src=\"http://10.10.34.34?type=Invalid Site&policy=MainPolicy \" \
    style=\"width: 100%; height: 100%\" scrolling=\"no\" marginwidth=\"0\" marginheight=\"0\" \
    frameborder=\"0\" vspace=\"0\" hspace=\"0\"></iframe></body></html>\r\n";

fn iran_http(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    let look = Look { ttl: 64, ip_id: rng.u16(), df: false, window: 8_192 };
    let page = carrying(forge(trigger, End::Server, FIN_PSH_ACK, look), PAGE);
    let odd = RST_ACK | flag::PSH;
    let after = page.length();
    vec![
        shot(300, page),
        shot(320, ahead(forge(trigger, End::Server, odd, look), after)),
        shot(320, forge(trigger, End::Client, odd, look)),
    ]
}

fn iran_2013(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    let look = Look { ttl: 64, ip_id: rng.u16(), df: false, window: 0 };
    let page = carrying(forge(trigger, End::Server, FIN_PSH_ACK, look), PAGE);
    let mut shots = vec![shot(400, page)];
    for index in 0..5 {
        let step = if index < 3 { 0 } else { 30 };
        let reset = ahead(forge(trigger, End::Client, flag::RST, look), step);
        shots.push(shot(400 + index * 10, reset));
    }
    shots
}

fn saudi(trigger: &Trigger<'_>, rng: &mut Rng) -> Vec<Shot> {
    let mut shots = Vec::new();
    let mut at = 0;
    for (index, frame) in [97_usize, 1_354, 1_354].into_iter().enumerate() {
        let look = Look { ttl: 64, ip_id: rng.u16(), df: false, window: 5_840 };
        let mut page = b"HTTP/1.1 200 OK\r\n\r\n<html><body>".to_vec();
        page.resize(frame - 54, b'.');
        let packet = ahead(forge(trigger, End::Server, PSH_ACK, look), at);
        at += page.len() as u32;
        shots.push(shot(500 + index as u64 * 20, carrying(packet, page)));
    }
    for from in BOTH {
        let look = Look { ttl: 64, ip_id: rng.u16(), df: false, window: 0 };
        let on = if from == End::Server { at } else { 0 };
        shots.push(shot(900, ahead(forge(trigger, from, RST_ACK, look), on)));
    }
    shots
}
