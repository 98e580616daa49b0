//! Forgewatch behind a censor that has every packet in its hands: it changes some, and keeps
//! others. What it does is told for what it is; what nobody can know is not told.

use std::{ops::Range, time::Duration};

use probe_tests::lab::{
    Lab,
    agent::{Agent, Finding, Report},
    clients::{Kind, Outcome},
    foreign,
    inpath::{Act, Touched},
    network::{FRONT, OWN, WAN},
    process::Process,
    quic::{Outcome as Dialled, Quic},
    servers::NAMES,
    wait,
};

/// How long after the last packet a finding may come.
const SOON: Duration = Duration::from_secs(5);

/// How long it takes until a silence is told: repetitions of 0.25, 0.5, 1, 2 and 4 seconds, three
/// seconds after the last but one of them, and as much again for a busy machine.
const SILENCE: Duration = Duration::from_secs(15);

const TARGETS: [&str; 2] = ["www.linkedin.com", "static.licdn.com"];

fn lab() -> Lab {
    Lab::new()
        .expect("a lab; this takes root and the tools that `cargo xtask setup --tests` installs")
}

fn agent(lab: &Lab) -> Agent {
    Agent::start(lab, &[WAN], &[]).expect("the agent watches")
}

fn end(agent: Agent, waited: anyhow::Result<()>) -> Report {
    let report = agent.stop().expect("a summary");
    assert!(report.status.success(), "{}", report.status);
    if let Err(error) = waited {
        panic!("{error:#}\nsummary: {}", report.summary);
    }
    report
}

/// Whether the finding is about a connection that was interfered with.
fn is_of(finding: &Finding, touched: &Touched) -> bool {
    finding.name.as_deref() == Some(&touched.name) && finding.server == touched.server.to_string()
}

/// Of names that nobody interfered with, not even something strong is said.
fn assert_controls_are_clean(report: &Report) {
    for finding in &report.findings {
        let target = finding.name.as_deref().is_some_and(|name| TARGETS.contains(&name));
        assert!(target || finding.confidence == "C1", "{finding:#?}");
    }
}

/// Fetches every name but LinkedIn's `rounds` times from its server.
fn fetch_controls(lab: &Lab, rounds: usize, at: impl Fn(&str) -> bool) {
    for _ in 0..rounds {
        for (name, pair) in NAMES.iter().filter(|(name, _)| !TARGETS.contains(name) && at(name)) {
            let outcome = lab.https(name, pair.v4).expect("curl runs");
            assert_eq!(outcome, Outcome::Answered(200), "{name}");
        }
    }
}

#[test]
fn rewriting_is_told_as_rewriting() {
    let lab = lab();
    let censor = lab.network.censor(Act::Rewrite).expect("the censor works");
    let agent = agent(&lab);
    for (name, pair) in NAMES {
        lab.lookup(name, Kind::A).expect("an answer");
        for address in pair.both() {
            let target = TARGETS.contains(name);
            let expected = if target { Outcome::Reset } else { Outcome::Answered(200) };
            assert_eq!(lab.https(name, address).expect("curl runs"), expected, "{name}");
        }
    }
    let touched = censor.touched();
    assert_eq!(touched.len(), 4, "{touched:#?}");
    let told = |findings: &[Finding], one: &Touched| {
        findings.iter().any(|finding| {
            is_of(finding, one)
                && finding.verdict == "rewritten"
                && finding.confidence == "C3"
                && finding.has("TSPU_REWRITE")
        })
    };
    let waited = agent.wait_for("all connections", SOON, |findings| {
        touched.iter().all(|one| told(findings, one))
    });
    assert!(censor.touched().iter().all(|one| one.packets >= 3), "{:#?}", censor.touched());
    let report = end(agent, waited);
    // Of each connection that it was rewritten, and of none that somebody injected something.
    assert!(report.injected().is_empty(), "{:#?}", report.findings);
    let rewritten: Vec<_> =
        report.findings.iter().filter(|finding| finding.verdict == "rewritten").collect();
    assert!(rewritten.iter().all(|one| one.service.as_deref() == Some("linkedin")));
    assert!(touched.iter().all(|one| rewritten.iter().any(|finding| is_of(finding, one))));
    assert_controls_are_clean(&report);
}

/// A flight of several segments becomes several resets at once, each beyond the one before, as an
/// injector sprays them; that they come again shows that it is none.
#[test]
fn a_rewritten_flight_of_several_segments_is_told_as_rewriting_in_the_end() {
    let lab = lab();
    let censor = lab.network.censor(Act::Rewrite).expect("the censor works");
    let agent = agent(&lab);
    let small = format!("route add {}/32 via 10.71.1.1 mtu lock 300", OWN.v4);
    lab.network.client.ip(&small).expect("a route");
    lab.lookup("static.licdn.com", Kind::A).expect("an answer");
    let outcome = lab.https("static.licdn.com", OWN.v4).expect("curl runs");
    assert_eq!(outcome, Outcome::Reset);
    let rewritten = |findings: &[Finding]| {
        let last = findings.last().map(|one| (one.verdict.as_str(), one.confidence.as_str()));
        last == Some(("rewritten", "C3"))
    };
    let waited = agent.wait_for("the rewriting", SOON, rewritten);
    assert!(censor.touched()[0].packets >= 5, "{:#?}", censor.touched());
    let report = end(agent, waited);
    assert!(report.injected().is_empty(), "{:#?}", report.findings);
    let counts = &report.summary["findings"];
    assert_eq!((&counts["total"], &counts["rewritten"]["C3"]), (&1.into(), &1.into()), "{counts}");
}

/// Clients that do not give up, waiting for what does not come.
fn wait_for_it(lab: &Lab, path: &str, numbers: Range<usize>) -> Vec<Process> {
    let at = ("www.linkedin.com", FRONT.v4.into());
    numbers.map(|number| lab.wait_https(number, at, path).expect("curl runs")).collect()
}

/// One connection alone may be a bad path; where all others with the server work, it is the name.
#[test]
fn swallowed_hellos_are_told_while_their_clients_still_wait() {
    const WAITING: usize = 4;
    let lab = lab();
    let censor = lab.network.censor(Act::Swallow).expect("the censor works");
    let agent = agent(&lab);
    lab.lookup("www.linkedin.com", Kind::A).expect("an answer");
    fetch_controls(&lab, 1, |_| true);
    let mut waiting = wait_for_it(&lab, "/", 0..WAITING - 1);
    let swallowed = |findings: &[Finding]| {
        findings.iter().filter(|finding| finding.has("CH_BLACKHOLE")).count()
    };
    let waited =
        agent.wait_for("the first ones", SILENCE, |findings| swallowed(findings) >= WAITING - 1);
    if waited.is_err() {
        end(agent, waited);
        unreachable!("it has panicked");
    }
    // Others are served in between: nobody was overwhelmed meanwhile.
    fetch_controls(&lab, 5, |name| name == "www.office.com" || name == "teams.microsoft.com");
    waiting.extend(wait_for_it(&lab, "/", WAITING - 1..WAITING));
    let waited =
        agent.wait_for("all connections", SILENCE, |findings| swallowed(findings) >= WAITING);
    // Told by looking at the connections: none of them has ended.
    assert!(waiting.iter_mut().all(Process::is_running));
    assert_eq!(censor.touched().len(), WAITING);
    drop(waiting);
    let report = end(agent, waited);
    let [.., last] = report.findings.as_slice() else { panic!("nothing found") };
    assert_eq!(report.findings.len(), WAITING, "{:#?}", report.findings);
    for finding in &report.findings {
        assert_eq!(finding.name.as_deref(), Some("www.linkedin.com"), "{finding:#?}");
        assert_eq!(finding.service.as_deref(), Some("linkedin"), "{finding:#?}");
        assert!(["suspect", "dropped"].contains(&finding.verdict.as_str()), "{finding:#?}");
    }
    assert_eq!((last.verdict.as_str(), last.confidence.as_str()), ("dropped", "C2"), "{last:#?}");
    assert!(last.has("STAGE_SNI"), "{last:#?}");
    // Those that ended as they should are not among the silent ones, closely followed or not.
    let silent = &report.summary["stages"]["silent"];
    assert_eq!(silent["post_psh"], WAITING, "{}", report.summary);
    assert_eq!(silent["post_syn"], 0, "{}", report.summary);
}

/// Most clients give up sooner than anybody would call it silence. Their end asks in vain, too.
#[test]
fn swallowed_hellos_are_told_of_clients_that_have_given_up() {
    let lab = lab();
    let censor = lab.network.censor(Act::Swallow).expect("the censor works");
    let agent = agent(&lab);
    lab.lookup("static.licdn.com", Kind::A).expect("an answer");
    fetch_controls(&lab, 1, |_| true);
    let outcome = lab.https("static.licdn.com", OWN.v4).expect("curl runs");
    assert_eq!(outcome, Outcome::TimedOut);
    assert_eq!(censor.touched().len(), 1);
    let swallowed = |findings: &[Finding]| findings.iter().any(|one| one.has("CH_BLACKHOLE"));
    let waited = agent.wait_for("the swallowed hello", SILENCE, swallowed);
    let report = end(agent, waited);
    let [finding] = report.findings.as_slice() else { panic!("{:#?}", report.findings) };
    assert_eq!((finding.verdict.as_str(), finding.confidence.as_str()), ("suspect", "C1"));
    assert_eq!(finding.name.as_deref(), Some("static.licdn.com"));
}

/// Where the server's repetitions pass the router and do not get through, the place at which it
/// stopped is a reason for a suspicion.
#[test]
fn a_download_frozen_below_the_router_is_suspected_while_its_client_still_waits() {
    let lab = lab();
    let agent = agent(&lab);
    lab.lookup("www.linkedin.com", Kind::A).expect("an answer");
    fetch_controls(&lab, 1, |_| true);
    foreign::nft_quota(&lab, FRONT.v4, 16 << 10).expect("nft takes the rule");
    let mut waiting = wait_for_it(&lab, "/big", 0..1);
    let frozen = |findings: &[Finding]| findings.iter().any(|found| found.has("FREEZE_16K"));
    let waited = agent.wait_for("the frozen download", SILENCE, frozen);
    assert!(waiting.iter_mut().all(Process::is_running));
    drop(waiting);
    let report = end(agent, waited);
    let [finding] = report.findings.as_slice() else { panic!("{:#?}", report.findings) };
    assert_eq!((finding.verdict.as_str(), finding.confidence.as_str()), ("suspect", "C1"));
    assert_eq!(finding.name.as_deref(), Some("www.linkedin.com"));
}

/// Frozen above the router, a download has been acknowledged in full as far as it got, and looks
/// like one that has ended: there is nothing to tell, and nothing is told.
#[test]
fn a_download_frozen_above_the_router_is_not_guessed_at() {
    const REPEATED: usize = 6;
    let lab = lab();
    let censor = lab.network.censor(Act::Freeze(16 << 10)).expect("the censor works");
    let agent = agent(&lab);
    lab.lookup("www.linkedin.com", Kind::A).expect("an answer");
    fetch_controls(&lab, 1, |_| true);
    let mut waiting = wait_for_it(&lab, "/big", 0..1);
    // The fifth repetition comes some seven seconds after the last packet that passed the router.
    wait::until("the server to repeat itself", SILENCE, || {
        censor.touched().first().is_some_and(|one| one.packets > REPEATED).then_some(())
    })
    .expect("the download is frozen");
    assert!(waiting.iter_mut().all(Process::is_running));
    let report = end(agent, Ok(()));
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
}

/// In the carrier of the server's own packet, only what it says can give a redirect away.
#[test]
fn a_redirect_in_the_servers_packet_is_told_if_its_page_is_known() {
    for (page, known) in [("http://warning.rt.ru/", true), ("http://login.example.org/", false)] {
        let lab = lab();
        let censor = lab.network.censor(Act::Redirect(page)).expect("the censor works");
        let agent = agent(&lab);
        for (name, pair) in NAMES {
            let expected = if TARGETS.contains(name) { 302 } else { 200 };
            for address in pair.both() {
                let outcome = lab.http(name, address).expect("curl runs");
                assert_eq!(outcome, Outcome::Answered(expected), "{name}");
            }
        }
        let touched = censor.touched();
        assert_eq!(touched.len(), 4, "{touched:#?}");
        let told = |findings: &[Finding], one: &Touched| {
            let found = |finding: &Finding| is_of(finding, one) && finding.has("HTTP_BLOCKPAGE");
            findings.iter().any(found)
        };
        let waited = agent.wait_for("all connections", SOON, |findings| {
            !known || touched.iter().all(|one| told(findings, one))
        });
        let report = end(agent, waited);
        assert_eq!(report.findings.len(), if known { 4 } else { 0 }, "{:#?}", report.findings);
        for finding in &report.findings {
            let told = [&finding.protocol, &finding.verdict, &finding.confidence];
            assert_eq!(told, ["http", "injected", "C3"], "{finding:#?}");
        }
        assert_controls_are_clean(&report);
    }
}

/// How long it takes until a QUIC connection without an answer is told: ten seconds after the last
/// hello, and as much again for a busy machine.
const UNANSWERED: Duration = Duration::from_secs(20);

/// Over QUIC the hello is encrypted, and a censor reads it all the same. What is dropped is told: a
/// suspicion at first, and when others were answered often enough, an accusation.
#[test]
fn quic_hellos_dropped_by_name_are_told() {
    const CLIENTS: usize = 8;
    let lab = lab();
    let quic = Quic::start(&lab).expect("QUIC servers");
    let censor = lab.network.censor(Act::SwallowQuic).expect("the censor works");
    let agent = agent(&lab);
    lab.lookup("www.linkedin.com", Kind::A).expect("an answer");
    let dial = |name, clients| quic.connect(&lab, name, FRONT.v4, clients).expect("sockets");
    // Over TCP everything is served, and other names over QUIC.
    let outcome = lab.https("www.linkedin.com", FRONT.v4).expect("curl runs");
    assert_eq!(outcome, Outcome::Answered(200));
    assert_eq!(dial("teams.microsoft.com", 1), [Dialled::Connected]);

    assert_eq!(dial("www.linkedin.com", 1), [Dialled::Failed]);
    let unanswered = |findings: &[Finding]| {
        findings.iter().filter(|finding| finding.has("QUIC_SNI_DROP")).count()
    };
    let suspected = agent.wait_for("the first one", UNANSWERED, |told| unanswered(told) == 1);
    if let Err(error) = suspected {
        end(agent, Err(error));
        return;
    }
    assert_eq!(dial("teams.microsoft.com", CLIENTS), [Dialled::Connected; CLIENTS]);
    assert_eq!(dial("www.linkedin.com", CLIENTS), [Dialled::Failed; CLIENTS]);
    assert_eq!(censor.touched().len(), 1 + CLIENTS, "{:#?}", censor.touched());
    let waited = agent.wait_for("all of them", UNANSWERED, |told| unanswered(told) == 1 + CLIENTS);
    let report = end(agent, waited);
    let [first, .., last] = report.findings.as_slice() else { panic!("nothing found") };
    assert_eq!(report.findings.len(), 1 + CLIENTS, "{:#?}", report.findings);
    for finding in &report.findings {
        assert_eq!((finding.protocol.as_str(), finding.confidence.as_str()), ("quic", "C2"));
        assert_eq!(finding.name.as_deref(), Some("www.linkedin.com"), "{finding:#?}");
        assert_eq!(finding.service.as_deref(), Some("linkedin"), "{finding:#?}");
    }
    assert_eq!(first.verdict, "suspect", "{first:#?}");
    assert!(last.verdict == "dropped" && last.has("STAGE_SNI"), "{last:#?}");
}
