//! Forgewatch on a router between real clients and real servers, with censors in between: ours,
//! and such as others wrote. What is censored is found, what is not is not accused.

use std::time::Duration;

use nix::sys::signal::Signal;
use probe_tests::lab::{
    Lab,
    agent::{self, Agent, Finding, Report},
    clients::{Kind, Outcome},
    foreign,
    injector::{Injector, Settings, Shot, What, model::Model},
    network::{CLIENT, FRONT, LAN, OTHER, OWN, RESOLVER, UNWATCHED, WAN},
    servers::NAMES,
    wait,
};

/// How long after the last packet a finding may come.
const SOON: Duration = Duration::from_secs(5);

const TARGETS: [&str; 2] = ["www.linkedin.com", "static.licdn.com"];

fn is_target(name: &str) -> bool {
    TARGETS.contains(&name)
}

fn lab() -> Lab {
    Lab::new()
        .expect("a lab; this takes root and the tools that `cargo xtask setup --tests` installs")
}

fn agent(lab: &Lab, ifaces: &[&str]) -> Agent {
    Agent::start(lab, ifaces, &[]).expect("the agent watches")
}

fn injector(lab: &Lab, model: Model) -> Injector {
    Injector::start(&lab.network.upstream, Settings::linkedin(model)).expect("the censor works")
}

/// Waits until as many accusations are there as the injector gave cause for, then ends the run.
fn report(agent: Agent, shots: usize) -> Report {
    let enough = |findings: &[Finding]| agent::last_words(findings).len() >= shots;
    let waited = agent.wait_for("all findings", SOON, enough);
    let report = agent.stop().expect("a summary");
    assert!(report.status.success(), "{}", report.status);
    if let Err(error) = waited {
        panic!("{error:#}\nsummary: {}", report.summary);
    }
    report
}

/// Fetches a name over both families.
fn fetch(lab: &Lab, name: &str) -> [Outcome; 2] {
    let (_, pair) = NAMES.iter().find(|(known, _)| *known == name).expect("a served name");
    pair.both().map(|address| lab.https(name, address).expect("curl runs"))
}

/// The accusations are exactly those that the injector gave cause for.
fn assert_exact(report: &Report, shots: &[Shot]) {
    let of_shot = |shot: &Shot| {
        let protocol = if shot.what == What::Connection { "tcp" } else { "dns" };
        (protocol.to_owned(), Some(shot.name.clone()), shot.server.to_string())
    };
    let of_finding = |finding: &&Finding| {
        (finding.protocol.clone(), finding.name.clone(), finding.server.clone())
    };
    let mut done: Vec<_> = shots.iter().map(of_shot).collect();
    let mut told: Vec<_> = report.injected().iter().map(of_finding).collect();
    done.sort();
    told.sort();
    assert_eq!(told, done, "told on the left, done on the right; summary: {}", report.summary);
    for finding in report.injected() {
        assert_eq!(finding.service.as_deref(), Some("linkedin"), "{finding:?}");
    }
}

fn assert_nothing_lost(report: &Report) {
    let lost = report.summary["lost"].as_object().expect("losses are listed");
    let lost: Vec<_> = lost.iter().filter(|(_, count)| count.as_u64() != Some(0)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

/// Everything that is served is looked up and fetched; LinkedIn's names are cut off, and found.
fn everything_is_found(model: Model, evidence: &str) {
    let lab = lab();
    let injector = injector(&lab, model);
    let agent = agent(&lab, &[WAN]);
    for (name, _) in NAMES {
        for kind in [Kind::A, Kind::Aaaa] {
            assert!(!lab.lookup(name, kind).expect("an answer").is_empty());
        }
        for outcome in fetch(&lab, name) {
            let expected = if is_target(name) { Outcome::Reset } else { Outcome::Answered(200) };
            assert_eq!(outcome, expected, "{name}");
        }
    }
    let shots = injector.shots();
    assert_eq!(shots.len(), TARGETS.len() * 4, "{shots:?}");
    let report = report(agent, shots.len());
    assert_exact(&report, &shots);
    assert_nothing_lost(&report);
    let resets = report.injected().into_iter().filter(|finding| finding.protocol == "tcp");
    for finding in resets {
        assert!(finding.has(evidence), "{finding:?}");
    }
}

#[test]
fn three_identical_resets_are_found() {
    everything_is_found(Model::TypeTwo, "DATA_AFTER_RST");
}

#[test]
fn resets_that_climb_are_found() {
    everything_is_found(Model::Ladder, "RST_SEQ_CHANGE");
}

#[test]
fn without_a_censor_there_is_nothing() {
    let lab = lab();
    let agent = agent(&lab, &[WAN]);
    for (name, pair) in NAMES {
        lab.lookup(name, Kind::A).expect("an answer");
        for outcome in fetch(&lab, name) {
            assert_eq!(outcome, Outcome::Answered(200), "{name}");
        }
        assert_eq!(lab.http(name, pair.v4).expect("curl runs"), Outcome::Answered(200));
    }
    // A server that really refuses, also in the name of a watched service.
    let refused = lab.https("www.linkedin.com", CLIENT.v4);
    assert_eq!(refused.expect("curl runs"), Outcome::Refused);
    let report = report(agent, 0);
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert_nothing_lost(&report);
    assert!(report.figure("tcp_flows") >= 3 * NAMES.len() as u64, "{}", report.summary);
}

/// Nobody has asked for an address, and the agent has seen no connection with it before.
#[test]
fn the_very_first_connection_is_found() {
    for model in [Model::TypeTwo, Model::Ladder] {
        let lab = lab();
        let injector = injector(&lab, model);
        let agent = agent(&lab, &[WAN]);
        for address in FRONT.both() {
            let outcome = lab.https("www.linkedin.com", address).expect("curl runs");
            assert_eq!(outcome, Outcome::Reset);
        }
        let shots = injector.shots();
        assert_eq!(shots.len(), 2);
        assert_exact(&report(agent, shots.len()), &shots);
    }
}

/// A hello that does not fit into one segment, so that the name may stand in the second.
#[test]
fn a_hello_in_several_segments_is_found() {
    let lab = lab();
    let injector = injector(&lab, Model::TypeTwo);
    let agent = agent(&lab, &[WAN]);
    let small = format!("route add {}/32 via 10.71.1.1 mtu lock 140", OWN.v4);
    lab.network.client.ip(&small).expect("a route");
    lab.lookup("static.licdn.com", Kind::A).expect("an answer");
    for _ in 0..2 {
        let outcome = lab.https("static.licdn.com", OWN.v4).expect("curl runs");
        assert_eq!(outcome, Outcome::Reset);
    }
    let shots = injector.shots();
    assert_eq!(shots.len(), 3, "{shots:?}");
    assert_exact(&report(agent, shots.len()), &shots);
}

/// What is not on the list is found if what gives it away is strong; it belongs to no service.
#[test]
fn a_service_that_is_not_watched_is_found() {
    let lab = lab();
    let settings =
        Settings { suffixes: vec!["wikipedia.org".into()], ..Settings::linkedin(Model::Ladder) };
    let injector = Injector::start(&lab.network.upstream, settings).expect("the censor works");
    let agent = agent(&lab, &[WAN]);
    lab.lookup("www.wikipedia.org", Kind::A).expect("an answer");
    for _ in 0..2 {
        let outcome = lab.https("www.wikipedia.org", UNWATCHED.v4).expect("curl runs");
        assert_eq!(outcome, Outcome::Reset);
        fetch(&lab, "www.linkedin.com");
    }
    assert_eq!(injector.shots().len(), 3);
    let report = report(agent, 3);
    for finding in report.injected() {
        // Of look-ups, the names that nobody watches stay hidden.
        let name = (finding.protocol != "dns").then_some("www.wikipedia.org");
        assert_eq!(finding.name.as_deref(), name, "{finding:?}");
        assert_eq!(finding.service, None, "{finding:?}");
    }
    assert_eq!(report.injected().len(), 3, "{:#?}", report.findings);
}

/// A file of targets with one service.
fn service(id: &str, suffix: &str) -> String {
    format!(
        "[[service]]\nid = \"{id}\"\ntitle = \"{id}\"\nrole = \"target\"\n\n[[service.names]]\n\
         source = \"a test\"\ndate = \"2026-11-24\"\nsuffixes = [\"{suffix}\"]\n"
    )
}

/// Of the file that is good, and of the one before it if that is not; the agent goes on in any case.
#[test]
fn targets_are_read_anew() {
    let lab = lab();
    let settings =
        Settings { suffixes: vec!["wikipedia.org".into()], ..Settings::linkedin(Model::Ladder) };
    let _injector = Injector::start(&lab.network.upstream, settings).expect("the censor works");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("targets.toml");
    std::fs::write(&file, service("linkedin", "linkedin.com")).expect("a file");
    let path = file.to_str().expect("a path in UTF-8");
    let agent = Agent::start(&lab, &[WAN], &["--targets", path]).expect("the agent watches");
    // The service of the next connection to be found.
    let found = || {
        let before = agent.findings().len();
        let outcome = lab.https("www.wikipedia.org", UNWATCHED.v4).expect("curl runs");
        assert_eq!(outcome, Outcome::Reset);
        let enough = |findings: &[Finding]| findings[before..].iter().any(Finding::is_injected);
        agent.wait_for("a finding", SOON, enough).expect("it is found");
        agent.findings()[before..].iter().find_map(|finding| finding.service.clone())
    };
    let becomes = |expected: Option<&str>| {
        wait::until("the targets", SOON, || (found().as_deref() == expected).then_some(()))
    };
    assert_eq!(found(), None);
    std::fs::write(&file, service("encyclopaedia", "wikipedia.org")).expect("a file");
    agent.process.signal(Signal::SIGHUP).expect("it runs");
    becomes(Some("encyclopaedia")).expect("what is in the file is watched");
    std::fs::write(&file, "[[service]]\nid = 7\n").expect("a file");
    agent.process.signal(Signal::SIGHUP).expect("it runs");
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(found().as_deref(), Some("encyclopaedia"));
    }
    let report = agent.stop().expect("a summary");
    assert_eq!(report.summary["targets"]["services"][0], "encyclopaedia");
}

#[test]
fn names_in_the_clear_are_found() {
    let lab = lab();
    let injector = injector(&lab, Model::TypeTwo);
    let agent = agent(&lab, &[WAN]);
    for address in FRONT.both() {
        let office = lab.http("www.office.com", address).expect("curl runs");
        assert_eq!(office, Outcome::Answered(200));
        lab.http("www.linkedin.com", address).expect("curl runs");
    }
    let shots = injector.shots();
    assert_eq!(shots.len(), 2, "{shots:?}");
    assert_exact(&report(agent, shots.len()), &shots);
}

/// A forwarded packet passes both interfaces and must count once.
#[test]
fn two_interfaces_see_a_connection_once() {
    let lab = lab();
    let injector = injector(&lab, Model::TypeTwo);
    let agent = agent(&lab, &[LAN, WAN]);
    for name in ["teams.microsoft.com", "www.linkedin.com", "static.licdn.com", "example.org"] {
        lab.lookup(name, Kind::A).expect("an answer");
        fetch(&lab, name);
    }
    let shots = injector.shots();
    assert_eq!(shots.len(), 6, "{shots:?}");
    let report = report(agent, shots.len());
    assert_exact(&report, &shots);
    assert_eq!(report.figure("dns_queries"), 4, "{}", report.summary);
    assert_eq!(report.figure("dns_replies"), 4 + 2, "{}", report.summary);
    assert_eq!(report.figure("tcp_flows"), 8, "{}", report.summary);
}

/// The kernel's own reject, which answers in the server's name and drops the packet. All that
/// gives it away is that it answers sooner than the server can.
#[test]
fn nft_that_rejects_a_name_is_found() {
    let lab = lab();
    let name = "www.linkedin.com";
    let offset = foreign::sni_offset(&lab, name).expect("a hello with the name in it");
    let rule = foreign::payload_match(offset, name);
    foreign::nft_reject(&lab, &rule).expect("nft takes the rule");
    let agent = agent(&lab, &[WAN]);
    // How far the server is shows by the other names at its address.
    for _ in 0..2 {
        for control in ["teams.microsoft.com", "www.office.com"] {
            assert_eq!(fetch(&lab, control), [Outcome::Answered(200), Outcome::Answered(200)]);
        }
    }
    for _ in 0..3 {
        let outcome = lab.https(name, FRONT.v4).expect("curl runs");
        assert_eq!(outcome, Outcome::Reset);
    }
    assert!(foreign::nft_counted(&lab).expect("a counter") >= 3);
    foreign::nft_flush(&lab).expect("nft runs");
    let report = report(agent, 3);
    assert_eq!(report.injected().len(), 3, "{:#?}", report.findings);
    for finding in report.injected() {
        assert_eq!(finding.name.as_deref(), Some(name), "{finding:?}");
        assert!(finding.has("IMPOSSIBLE_RTT"), "{finding:?}");
    }
}

/// Refused by address, a SYN meets what it would meet at a closed port. One refusal proves
/// nothing, and Forgewatch must not say that it does; but it counts what it saw.
#[test]
fn nft_that_rejects_an_address_is_counted_and_not_accused_at_once() {
    let lab = lab();
    let rule = format!("ip daddr {} tcp dport 443", OWN.v4);
    foreign::nft_reject(&lab, &rule).expect("nft takes the rule");
    let agent = agent(&lab, &[WAN]);
    for _ in 0..3 {
        let outcome = lab.https("static.licdn.com", OWN.v4).expect("curl runs");
        assert_eq!(outcome, Outcome::Refused);
        let other = lab.https("example.org", OTHER.v4).expect("curl runs");
        assert_eq!(other, Outcome::Answered(200));
    }
    assert!(foreign::nft_counted(&lab).expect("a counter") >= 3);
    foreign::nft_flush(&lab).expect("nft runs");
    let report = report(agent, 0);
    assert!(report.injected().is_empty(), "{:#?}", report.findings);
    let stages = &report.summary["stages"]["from_server"];
    assert_eq!(stages["post_syn"], 3, "{}", report.summary);
}

#[test]
fn tcpkill_is_found() {
    let lab = lab();
    let agent = agent(&lab, &[WAN]);
    for address in OTHER.both() {
        assert_eq!(lab.https("example.org", address).expect("curl runs"), Outcome::Answered(200));
    }
    let mut tcpkill = foreign::tcpkill(&lab, OWN.v4.into()).expect("tcpkill works");
    for _ in 0..3 {
        // A connection that lasts, since tcpkill wakes up only twice a second; and one with little
        // data, since it then works off what it has slept through, long out of date.
        let outcome = lab.https_slow("static.licdn.com", OWN.v4).expect("curl runs");
        assert_eq!(outcome, Outcome::Reset, "tcpkill has missed it: {}", tcpkill.log());
        let other = lab.https("www.debian.org", OTHER.v4).expect("curl runs");
        assert_eq!(other, Outcome::Answered(200));
    }
    tcpkill.kill();
    let server = format!("{}:443", OWN.v4);
    // On a busy machine one of them may answer what has passed so long before that all its numbers are below.
    let report = report(agent, 2);
    assert!((2..=3).contains(&report.injected().len()), "{:#?}", report.findings);
    assert!(
        report.findings.iter().all(|finding| finding.server == server),
        "{:#?}",
        report.findings
    );
}

#[test]
fn answers_forged_by_scapy_are_found() {
    let lab = lab();
    let agent = agent(&lab, &[WAN]);
    let mut forger = foreign::scapy_forger(&lab).expect("scapy works");
    for (name, pair) in NAMES {
        for (kind, genuine) in [(Kind::A, pair.both()[0]), (Kind::Aaaa, pair.both()[1])] {
            let answers = lab.lookup(name, kind).expect("an answer");
            // scapy takes its time; who comes first is not what this is about.
            assert!(is_target(name) || answers == [genuine], "{name}: {answers:?}");
        }
    }
    let report = report(agent, 2);
    forger.kill();
    let resolver = format!("{}:53", RESOLVER.v4);
    for finding in report.injected() {
        assert_eq!(finding.name.as_deref(), Some("www.linkedin.com"), "{finding:?}");
        assert!(finding.server == resolver && finding.has("DNS_DUAL"), "{finding:?}");
    }
    assert_eq!(report.injected().len(), 2, "{:#?}", report.findings);
}
