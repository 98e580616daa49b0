//! Answers without a race: lies, and what innocently looks like them.

use std::net::{IpAddr, Ipv4Addr};

use probe_tests::{
    corpus::segment::{End, flag},
    craft::{Capture, DAY, MS, Packet, dns, frame, net::Ip},
};

use probe_user::evidence::{End as From, Standing};

use crate::{
    heard::Heard,
    talk::{FAR, NEAR, Talk},
};

const NAME: &str = "www.linkedin.com";
const CONTROL: &str = "www.example.org";

/// Somebody's resolver at a public address.
const PROVIDER: &str = "198.18.0.53";
/// Resolvers of the whole world.
const GOOGLE: &str = "8.8.8.8";
const CLOUDFLARE: &str = "1.1.1.1";
/// One that filters.
const ADGUARD: &str = "94.140.14.14";
/// A home router.
const ROUTER: &str = "192.168.1.1";

/// Genuine addresses: LinkedIn's own, and of the front.
const GENUINE: &str = "108.174.10.10";
const FRONT: &str = "13.107.42.14";
/// A name of LinkedIn's that stands with somebody whom it has hired.
const HIRED: &str = "click.e.linkedin.com";

/// No TLS is spoken there.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

/// Where nothing of LinkedIn is known to be.
const ELSEWHERE: &str = "203.0.113.80";

/// What is answered.
#[derive(Clone, Copy)]
enum Says {
    At(&'static str),
    NoSuchName,
}

use Says::{At, NoSuchName};

/// Questions, answers, and connections.
struct Scene {
    capture: Capture,
    questions: u16,
    talks: u16,
}

impl Scene {
    fn new() -> Self {
        Self { capture: Capture::new("written by hand"), questions: 0, talks: 0 }
    }

    /// One question, answered once after 20 ms, a second after the one before.
    fn look_up(self, resolver: &str, name: &str, says: Says) -> Self {
        self.look_up_from(0, resolver, name, says)
    }

    /// Clients of two other networks ask the same resolver.
    fn asked_by_others(self, resolver: &str) -> Self {
        self.look_up_from(1, resolver, CONTROL, At("192.0.2.7")).look_up_from(
            2,
            resolver,
            CONTROL,
            At("192.0.2.7"),
        )
    }

    /// A question by a client of a network.
    fn look_up_from(mut self, network: u8, resolver: &str, name: &str, says: Says) -> Self {
        self.questions += 1;
        let (number, second) = (self.questions, u64::from(self.questions));
        let kind = if matches!(says, At(address) if address.contains(':')) { 28 } else { 1 };
        let ends: [IpAddr; 2] =
            [Ipv4Addr::new(10, 0, network, 1).into(), resolver.parse().expect("an address")];
        let there = Ip::new(ends[0], ends[1]);
        let back = Ip { hops: 54, id: 7_000 + number, ..there.back() };
        let ports = (50_000 + number, 53);
        let query = dns::datagram(&there, ports, &dns::query(number, name, kind, false));
        let reply = match says {
            At(address) => {
                let address = address.parse().expect("an address");
                dns::reply(number, 0x8180, name, kind, &[address])
            }
            NoSuchName => dns::reply(number, 0x8183, name, kind, &[]),
        };
        let reply = dns::datagram(&back, (53, ports.0), &reply);
        let start = DAY + second * 1_000 * MS;
        for (time, packet) in [(start, query), (start + 20 * MS, reply)] {
            self.capture.packets.push(Packet::whole(time, frame::ethernet(&packet)));
        }
        self
    }

    /// The same over TCP, the reply in two segments.
    fn look_up_over_tcp(mut self, resolver: &str, name: &str, address: &str) -> Self {
        self.questions += 1;
        self.talks += 1;
        let number = self.questions;
        let framed =
            |message: Vec<u8>| [&(message.len() as u16).to_be_bytes()[..], &message].concat();
        let query = framed(dns::query(number, name, 1, false));
        let address = address.parse().expect("an address");
        let reply = framed(dns::reply(number, 0x8180, name, 1, &[address]));
        let mut talk = Talk::new(self.talks, &format!("{resolver}:53"), u64::from(number));
        talk.connect();
        talk.send(End::Client, flag::PSH | flag::ACK, query);
        talk.wait(FAR);
        talk.send(End::Server, flag::ACK, reply[..20].to_vec());
        talk.send(End::Server, flag::PSH | flag::ACK, reply[20..].to_vec());
        talk.wait(NEAR);
        talk.close();
        self.capture.packets.extend(talk.capture().packets);
        self
    }

    /// So many seconds pass.
    const fn wait(mut self, seconds: u16) -> Self {
        self.questions += seconds;
        self
    }

    /// A connection to port 443 of an address, half a second after the last answer.
    fn connect(mut self, address: &str, how: impl FnOnce(&mut Talk)) -> Self {
        self.talks += 1;
        let server = format!("{address}:443");
        let mut talk = Talk::new(self.talks, &server, u64::from(self.questions));
        talk.wait(500 + 100 * u64::from(self.talks));
        how(&mut talk);
        self.capture.packets.extend(talk.capture().packets);
        self
    }

    fn capture(mut self) -> Capture {
        self.capture.packets.sort_by_key(|packet| packet.time);
        self.capture
    }
}

/// TLS 1.3, which hides the certificate.
fn is_served(talk: &mut Talk) {
    let mut hello = vec![3, 3];
    hello.extend([9; 32]);
    hello.extend([0, 0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4]);
    answers(talk, &record(22, &message(2, &hello)));
}

/// No TLS is spoken there.
fn meets_no_tls(talk: &mut Talk) {
    answers(talk, PLAIN);
}

/// A certificate of `a.example`, in the clear.
fn meets_another_name(talk: &mut Talk) {
    let mut hello = vec![3, 3];
    hello.extend([9; 32]);
    hello.extend([0, 0xc0, 0x2f, 0, 0, 0]);
    let leaf: Vec<u8> = include_str!("../../../probe-user/src/names/tls/leaf.hex")
        .split_whitespace()
        .flat_map(|line| line.as_bytes().chunks(2))
        .map(|pair| {
            let text = std::str::from_utf8(pair).expect("hex is ASCII");
            u8::from_str_radix(text, 16).expect("hex")
        })
        .collect();
    let length = |octets: usize| (octets as u32).to_be_bytes()[1..].to_vec();
    let certificate = [length(leaf.len() + 3), length(leaf.len()), leaf].concat();
    answers(talk, &record(22, &[message(2, &hello), message(11, &certificate)].concat()));
}

/// There is no server.
fn is_refused(talk: &mut Talk) {
    talk.send(End::Client, flag::SYN, "");
    talk.wait(FAR);
    talk.forge(End::Server, flag::RST | flag::ACK, |reset| {
        (reset.seq, reset.window, reset.ip_id) = (0, 0, 0);
    });
}

/// A warning that the name is unknown, and all the same a server that goes on (RFC 6066, section 3).
fn is_served_with_a_warning(talk: &mut Talk) {
    let mut hello = vec![3, 3];
    hello.extend([9; 32]);
    hello.extend([0, 0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4]);
    answers(talk, &[record(21, &[1, 112]), record(22, &message(2, &hello))].concat());
}

fn answers(talk: &mut Talk, octets: &[u8]) {
    answers_for(talk, NAME, octets);
}

fn answers_for(talk: &mut Talk, name: &str, octets: &[u8]) {
    talk.connect();
    talk.hello(name);
    talk.wait(FAR);
    talk.send(End::Server, flag::PSH | flag::ACK, octets.to_vec());
    talk.wait(NEAR);
    talk.close();
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32).to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3], &(body.len() as u16).to_be_bytes()[..], body].concat()
}

/// Two resolvers of the world know the name, and the provider's says something else.
fn against_two(says: Says) -> Scene {
    Scene::new()
        .look_up(GOOGLE, NAME, At(FRONT))
        .look_up(CLOUDFLARE, NAME, At(GENUINE))
        .asked_by_others(PROVIDER)
        .look_up(PROVIDER, CONTROL, At("192.0.2.7"))
        .look_up(PROVIDER, NAME, says)
}

pub(crate) fn national_page() -> Capture {
    Scene::new().look_up(GOOGLE, NAME, At("10.10.34.35")).capture()
}

/// One of Facebook's addresses that the pool has, too.
pub(crate) fn owner_of_a_pool_address() -> Capture {
    Scene::new().look_up(PROVIDER, "www.facebook.com", At("31.13.94.37")).capture()
}

pub(crate) fn nowhere() -> Capture {
    against_two(At("127.0.0.1")).capture()
}

pub(crate) fn tracker_filtered_at_home() -> Capture {
    Scene::new()
        .look_up(GOOGLE, "px.ads.linkedin.com", At(FRONT))
        .look_up(CLOUDFLARE, "px.ads.linkedin.com", At(FRONT))
        .look_up(ROUTER, "px.ads.linkedin.com", At("0.0.0.0"))
        .look_up(ADGUARD, "snap.licdn.com", At("0.0.0.0"))
        .capture()
}

pub(crate) fn name_denied() -> Capture {
    against_two(NoSuchName).capture()
}

pub(crate) fn name_that_never_was() -> Capture {
    let mistyped = "wwww.linkedin.com";
    Scene::new()
        .look_up(GOOGLE, mistyped, NoSuchName)
        .look_up(PROVIDER, mistyped, NoSuchName)
        .look_up(PROVIDER, NAME, At(GENUINE))
        .capture()
}

/// Each resolver leads to another of the front's addresses, and one to LinkedIn's own.
pub(crate) fn many_fronts() -> Capture {
    against_two(At("150.171.22.12")).capture()
}

pub(crate) fn no_tls_there() -> Capture {
    against_two(At(ELSEWHERE)).connect(ELSEWHERE, meets_no_tls).capture()
}

/// A content network's cache inside the provider.
pub(crate) fn cache_of_the_provider() -> Capture {
    against_two(At(ELSEWHERE))
        .connect(ELSEWHERE, is_served)
        .connect(ELSEWHERE, is_refused)
        .capture()
}

/// The name is denied, and so many seconds later by three others as well: it is gone.
pub(crate) fn denied_and_gone(seconds: u16) -> Capture {
    let mut scene = against_two(NoSuchName).wait(seconds);
    for resolver in [ADGUARD, "9.9.9.9", "208.67.222.222"] {
        scene = scene.look_up(resolver, NAME, NoSuchName);
    }
    scene.capture()
}

/// An IPv6 address that a translator made of a genuine one.
pub(crate) fn translated() -> Capture {
    Scene::new().look_up(PROVIDER, NAME, At("64:ff9b::6cae:a0a")).capture()
}

/// The verdicts about answers.
fn said(capture: &Capture) -> Vec<String> {
    let findings = Heard::of_capture(capture).findings;
    let dns = findings.iter().filter(|finding| finding.protocol.as_str() == "dns");
    let mut said: Vec<String> = dns
        .map(|finding| format!("{} {}", finding.verdict.as_str(), finding.confidence.as_str()))
        .collect();
    said.sort();
    said
}

#[test]
fn lies_are_called_so() {
    for (what, capture, want) in [
        ("a country's page", national_page(), "lied C3"),
        (
            "the same by a home router",
            { Scene::new().look_up(ROUTER, NAME, At("10.10.34.36")).capture() },
            "lied C3",
        ),
        (
            "Iran's IPv6 address",
            Scene::new().look_up(GOOGLE, NAME, At("d0::11")).capture(),
            "lied C3",
        ),
        (
            "the same over TCP",
            Scene::new().look_up_over_tcp(GOOGLE, NAME, "10.10.34.36").capture(),
            "lied C3",
        ),
        (
            "a provider's page",
            { Scene::new().look_up(PROVIDER, NAME, At("188.186.146.207")).capture() },
            "lied C3",
        ),
        (
            "a Teredo address without server",
            { Scene::new().look_up(GOOGLE, NAME, At("2001::1f0d:5d4a")).capture() },
            "lied C3",
        ),
        ("nowhere, and others know better", nowhere(), "lied C2"),
        (
            "a private address, and others know better",
            against_two(At("10.1.1.1")).capture(),
            "lied C2",
        ),
        ("no such name, and others know better", name_denied(), "lied C2"),
        (
            "one of the pool, and others know better",
            against_two(At("31.13.94.37")).capture(),
            "lied C2",
        ),
        ("no TLS there", no_tls_there(), "lied C2"),
        (
            "another name's certificate there",
            { against_two(At(ELSEWHERE)).connect(ELSEWHERE, meets_another_name).capture() },
            "lied C2",
        ),
        (
            "nobody there, for minutes",
            against_two(At(ELSEWHERE))
                .connect(ELSEWHERE, is_refused)
                .connect(ELSEWHERE, is_refused)
                .wait(70)
                .connect(ELSEWHERE, is_refused)
                .capture(),
            "lied C2",
        ),
    ] {
        assert_eq!(said(&capture), [want], "{what}");
    }
}

#[test]
fn what_may_be_chosen_is_no_lie() {
    let two =
        || Scene::new().look_up(GOOGLE, NAME, At(FRONT)).look_up(CLOUDFLARE, NAME, At(GENUINE));
    for (what, capture, want) in [
        (
            "a filter at home",
            two().look_up(ROUTER, NAME, At("0.0.0.0")).capture(),
            &["suspect C1"][..],
        ),
        (
            "a filter at home that denies",
            { two().look_up(ROUTER, NAME, NoSuchName).capture() },
            &["suspect C1"],
        ),
        ("a split horizon", two().look_up("10.9.9.53", NAME, At("10.2.3.4")).capture(), &[]),
        (
            "a service for families",
            two().look_up(ADGUARD, NAME, At("0.0.0.0")).capture(),
            &["suspect C1"],
        ),
        (
            "its page",
            two().look_up(PROVIDER, NAME, At("146.112.61.106")).capture(),
            &["suspect C1"],
        ),
        (
            "a resolver of somebody's own, that nobody else asks",
            two()
                .look_up(PROVIDER, CONTROL, At("192.0.2.7"))
                .look_up(PROVIDER, NAME, At("0.0.0.0"))
                .capture(),
            &["suspect C1"],
        ),
        (
            "somebody who was hired for a campaign",
            {
                Scene::new()
                    .asked_by_others(PROVIDER)
                    .look_up(PROVIDER, CONTROL, At("192.0.2.7"))
                    .look_up(PROVIDER, HIRED, At(ELSEWHERE))
                    .connect(ELSEWHERE, |talk| answers_for(talk, HIRED, PLAIN))
                    .capture()
            },
            &["suspect C2"],
        ),
        (
            "a warning, and then service",
            against_two(At(ELSEWHERE)).connect(ELSEWHERE, is_served_with_a_warning).capture(),
            &["suspect C1"],
        ),
        (
            "a content network's node that is down",
            {
                let mut scene = Scene::new()
                    .look_up(GOOGLE, HIRED, At("198.51.100.7"))
                    .look_up(CLOUDFLARE, HIRED, At("192.0.2.99"))
                    .asked_by_others(PROVIDER)
                    .look_up(PROVIDER, CONTROL, At("192.0.2.7"))
                    .look_up(PROVIDER, HIRED, At(ELSEWHERE));
                for _ in 0..3 {
                    scene = scene.connect(ELSEWHERE, is_refused).wait(40);
                }
                scene.capture()
            },
            &["suspect C1"; 3],
        ),
        ("trackers", tracker_filtered_at_home(), &[]),
        ("one of the front's many addresses", many_fronts(), &[]),
        ("a cache of the provider", cache_of_the_provider(), &["suspect C1"]),
        (
            "the same before anybody went there",
            against_two(At(ELSEWHERE)).capture(),
            &["suspect C1"],
        ),
        ("a translator", translated(), &[]),
        ("a name that never was", name_that_never_was(), &[]),
        ("one answer of a pool, unwatched", owner_of_a_pool_address(), &[]),
        (
            "a captive portal",
            {
                Scene::new()
                    .look_up(PROVIDER, CONTROL, At(ELSEWHERE))
                    .look_up(PROVIDER, "captive.apple.com", At(ELSEWHERE))
                    .look_up(PROVIDER, NAME, At(ELSEWHERE))
                    .connect(ELSEWHERE, meets_no_tls)
                    .capture()
            },
            &["suspect C2"],
        ),
        (
            "a resolver for each subscriber's wishes",
            {
                two()
                    .look_up(PROVIDER, NAME, At(GENUINE))
                    .look_up(PROVIDER, NAME, At("0.0.0.0"))
                    .capture()
            },
            &["suspect C1"],
        ),
        (
            "nobody there, for a moment",
            against_two(At(ELSEWHERE))
                .connect(ELSEWHERE, is_refused)
                .connect(ELSEWHERE, is_refused)
                .connect(ELSEWHERE, is_refused)
                .capture(),
            &["suspect C1"],
        ),
    ] {
        assert_eq!(said(&capture), want, "{what}");
    }
}

/// The segments of a false reply are shown, and its handwriting is told.
#[test]
fn a_lie_over_tcp_comes_with_its_packets() {
    let heard =
        Heard::of_capture(&Scene::new().look_up_over_tcp(GOOGLE, NAME, "10.10.34.35").capture());
    let [finding] = &heard.findings[..] else { panic!("{}", heard.words()) };
    assert_eq!(finding.verdict.as_str(), "lied");
    let questioned: Vec<_> = finding
        .packets
        .iter()
        .filter(|packet| packet.standing == Standing::Questioned && packet.from == From::Server)
        .collect();
    assert_eq!(questioned.len(), 2, "{:?}", finding.packets);
    assert!(questioned[1].note.contains("10.10.34.35"), "{questioned:?}");
    // The handshake, and the client's question as far as its length.
    assert!(finding.packets.len() >= 4, "{:?}", finding.packets);
    let [fingerprint] = &finding.fingerprints[..] else { panic!("{finding:?}") };
    assert_eq!(fingerprint.labels[0].fact.id, "iran-page");
}

/// What is done to a connection on port 53 is told of the name that was asked for.
#[test]
fn resets_of_look_ups_over_tcp_are_about_the_name() {
    let heard = Heard::of_capture(&crate::heard::case("gfw-dns-over-tcp-v4-after-upstream"));
    let injected: Vec<_> =
        heard.findings.iter().filter(|one| one.verdict.as_str() == "injected").collect();
    assert!(!injected.is_empty(), "{}", heard.words());
    for finding in injected {
        assert_eq!(finding.protocol.as_str(), "dns", "{finding:?}");
        assert_eq!(finding.service.as_deref(), Some("linkedin"), "{finding:?}");
        assert!(finding.name.as_deref().is_some_and(|name| name.contains("l")), "{finding:?}");
    }
}
