//! Forgewatch on a router between real clients and real resolvers: unbound, BIND, dnsmasq and Knot
//! Resolver. Who tells the truth is not accused, whatever way it is told; lies are told as lies; and a
//! forged answer is found beside each of them.

use std::{
    net::{IpAddr, SocketAddr},
    thread,
    time::Duration,
};

use probe_tests::lab::{
    Lab,
    agent::{self, Agent, Finding, Report},
    clients::{self, Kind},
    foreign::{self, Forger},
    injector::{Injector, Settings, model::Model},
    network::{Pair, RESOLVER, WAN},
    process::Process,
    resolvers::{self, Authority, Lie, Program, Resolver, SIGNED},
    servers::NAMES,
    wait,
};

/// How long after the last packet a finding may come.
const SOON: Duration = Duration::from_secs(8);

/// Host numbers of the resolvers' public addresses.
const HOSTS: u8 = 61;

fn lab() -> Lab {
    Lab::new()
        .expect("a lab; this takes root and the tools that `cargo xtask setup --tests` installs")
}

fn agent(lab: &Lab) -> Agent {
    Agent::start(lab, &[WAN], &[]).expect("the agent watches")
}

fn authority(lab: &Lab) -> Authority {
    Authority::start(lab).expect("BIND serves zones")
}

/// One of each program, all telling the truth.
fn honest(lab: &Lab, authority: &Authority) -> Vec<(Program, Resolver)> {
    let start = |(program, host)| {
        let started = Resolver::start(lab, program, host, authority, &[]);
        (program, started.unwrap_or_else(|error| panic!("{program:?}: {error:#}")))
    };
    Program::ALL.into_iter().zip(HOSTS..).map(start).collect()
}

fn stop(agent: Agent) -> Report {
    let report = agent.stop().expect("a summary");
    assert!(report.status.success(), "{}", report.status);
    report
}

fn assert_nobody_accused(report: &Report) {
    let accused: Vec<_> = report.findings.iter().filter(|one| one.verdict != "suspect").collect();
    assert!(accused.is_empty(), "{accused:#?}");
}

/// What dig says.
fn dig(lab: &Lab, resolver: IpAddr, words: &[&str]) -> String {
    clients::dig(&lab.network.client, resolver, words).expect("an answer")
}

/// Everything there is, of a resolver at `address`: from memory and not, large and small, signed and
/// not, by UDP and TCP.
fn ask_for_everything(lab: &Lab, address: IpAddr) {
    for (name, _) in NAMES {
        let pair = resolvers::genuine(name).expect("a served name");
        for (kind, genuine) in [(Kind::A, pair.both()[0]), (Kind::Aaaa, pair.both()[1])] {
            for _ in 0..2 {
                let client = &lab.network.client;
                let found = clients::lookup(client, address, name, kind).expect("an answer");
                assert_eq!(found, [genuine], "{name} at {address}: {}", dig(lab, address, &[name]));
            }
        }
    }
    let many = dig(lab, address, &["+bufsize=512", "many.example.org"]);
    assert!(many.contains("Truncated, retrying in TCP mode"), "{many}");
    dig(lab, address, &["+bufsize=512", "+ignore", "many.example.org"]);
    dig(lab, address, &["+bufsize=4096", "many.example.org"]);
    dig(lab, address, &["+noedns", "alias.example.org"]);
    dig(lab, address, &["+cookie", "+nsid", "AlIaS.eXaMpLe.OrG", "AAAA"]);
    dig(lab, address, &["+subnet=198.51.100.0/24", "a.wild.example.org"]);
    let signed = dig(lab, address, &["+dnssec", "+bufsize=1232", &format!("www.{SIGNED}")]);
    assert!(signed.contains("RRSIG"), "{signed}");
    dig(lab, address, &["+dnssec", "+bufsize=4096", &format!("many.{SIGNED}")]);
    let nowhere = dig(lab, address, &["nowhere.example.org"]);
    assert!(nowhere.contains("NXDOMAIN"), "{nowhere}");
    dig(lab, address, &["only-v4.example.org", "AAAA"]);
    dig(lab, address, &["www.linkedin.com", "HTTPS"]);
    dig(lab, address, &["+tcp", "www.linkedin.com"]);
}

#[test]
fn resolvers_that_tell_the_truth_are_not_accused() {
    let lab = lab();
    let authority = authority(&lab);
    let resolvers = honest(&lab, &authority);
    let agent = agent(&lab);
    // All at once, as on a router in use.
    thread::scope(|scope| {
        for address in resolvers.iter().flat_map(|(_, resolver)| resolver.address.both()) {
            let lab = &lab;
            scope.spawn(move || ask_for_everything(lab, address));
        }
    });
    let report = stop(agent);
    assert_nobody_accused(&report);
    let replies = report.figure("dns_replies");
    assert!(replies >= 4 * 2 * 40, "{replies} replies");
}

/// A resolver among the clients: its questions to the authority pass the router, in capitals at random,
/// with EDNS and for signatures.
#[test]
fn a_resolver_that_asks_in_capitals_is_not_accused() {
    let lab = lab();
    let authority = authority(&lab);
    let resolver = resolvers::at_client(&lab, &authority).expect("unbound runs");
    let agent = agent(&lab);
    ask_for_everything(&lab, resolver.address.v4.into());
    let signed = dig(&lab, resolver.address.v4.into(), &["+dnssec", &format!("www.{SIGNED}")]);
    assert!(signed.lines().any(|line| line.contains("flags:") && line.contains(" ad")), "{signed}");
    let report = stop(agent);
    assert_nobody_accused(&report);
    assert!(report.figure("dns_replies") > 20, "{}", report.summary);
}

/// The first question of each is lost, and asked again.
#[test]
fn questions_that_are_asked_again_accuse_nobody() {
    let lab = lab();
    let authority = authority(&lab);
    let resolvers = honest(&lab, &authority);
    let agent = agent(&lab);
    let client = &lab.network.client;
    foreign::nft_drop(&lab, "udp dport 53").expect("nft takes the rule");
    let mut asking = Vec::new();
    for (program, resolver) in &resolvers {
        let mut command = client.command("dig");
        command.args(["-r", "+tries=4", "+time=1", "www.linkedin.com", "A"]);
        command.arg(format!("@{}", resolver.address.v4));
        let name = format!("dig-{}", program.command());
        let asks = Process::start_logged(&name, &mut command, lab.directory());
        asking.push(asks.expect("dig runs"));
    }
    let lost = || foreign::nft_counted(&lab).ok().filter(|&count| count >= asking.len() as u64);
    wait::until("questions to be lost", SOON, lost).expect("each has asked");
    foreign::nft_flush(&lab).expect("nft runs");
    for dig in &mut asking {
        let status = dig.wait(SOON).expect("dig ends");
        assert!(status.success() && dig.log().contains("NOERROR"), "{}", dig.log());
    }
    assert_nobody_accused(&stop(agent));
}

/// What is told of `resolver`: verdict and name, of each question the last word.
fn told<'a>(report: &'a Report, resolver: &Resolver) -> Vec<(&'a str, &'a str)> {
    let [v4, v6] = resolver.address.both().map(|address| SocketAddr::new(address, 53).to_string());
    let mut last: Vec<&Finding> = Vec::new();
    for one in report.findings.iter().filter(|one| one.server == v4 || one.server == v6) {
        last.retain(|other| !agent::is_same_moment(&other.time, &one.time));
        last.push(one);
    }
    last.iter().map(|one| (one.verdict.as_str(), one.name.as_deref().unwrap_or_default())).collect()
}

/// Where the lies lead, and how strong the least is that has to be said of each.
struct Liar {
    program: Program,
    lie: Lie,
    /// Whether it has to be called a lie; or else a suspicion will do, since it may be a policy that
    /// somebody has chosen.
    lied: bool,
}

fn liars() -> Vec<Liar> {
    let pair = |v4: [u8; 4], v6: &str| Pair { v4: v4.into(), v6: v6.parse().expect("an address") };
    let sinkhole = pair([10, 10, 34, 36], "d0::11");
    let page = pair([10, 254, 254, 254], "fd00::fe");
    let here = pair([127, 0, 0, 1], "::1");
    let liar = |program, lie, lied| Liar { program, lie, lied };
    vec![
        liar(Program::Dnsmasq, Lie::Leads("linkedin.com", sinkhole), true),
        liar(Program::Dnsmasq, Lie::Leads("linkedin.com", here), false),
        liar(Program::Dnsmasq, Lie::Nothing("linkedin.com"), false),
        liar(Program::Unbound, Lie::Leads("linkedin.com", page), false),
        liar(Program::Unbound, Lie::Nothing("linkedin.com"), false),
        liar(Program::Bind, Lie::Null("linkedin.com"), false),
    ]
}

/// Something is said of each lie, and nothing of names about which a liar tells the truth, nor of those
/// who tell it always. Nobody is accused of injecting.
#[test]
fn resolvers_that_lie_are_told_of() {
    let lab = lab();
    let authority = authority(&lab);
    let honest = honest(&lab, &authority);
    let start = |(liar, host): (Liar, u8)| {
        let lies = [liar.lie.clone()];
        let started = Resolver::start(&lab, liar.program, host, &authority, &lies);
        (started.unwrap_or_else(|error| panic!("{:?}: {error:#}", liar.lie)), liar)
    };
    let liars: Vec<_> = liars().into_iter().zip(HOSTS + 10..).map(start).collect();
    let agent = agent(&lab);
    for (name, _) in NAMES {
        for kind in [Kind::A, Kind::Aaaa] {
            let all = honest.iter().map(|(_, resolver)| resolver);
            for resolver in all.chain(liars.iter().map(|(resolver, _)| resolver)) {
                let address = resolver.address.v4.into();
                clients::lookup(&lab.network.client, address, name, kind).expect("an answer");
            }
        }
    }
    let report = stop(agent);
    for (program, resolver) in &honest {
        let told = told(&report, resolver);
        assert!(told.is_empty(), "{program:?} tells the truth: {told:?}");
    }
    for (resolver, liar) in &liars {
        let told = told(&report, resolver);
        let what = format!("{:?} {:?}: {told:?}", liar.program, liar.lie);
        assert!(told.iter().all(|&(_, name)| name == "www.linkedin.com"), "{what}");
        assert!(told.iter().all(|&(verdict, _)| verdict != "injected"), "{what}");
        // A and AAAA.
        assert_eq!(told.len(), 2, "{what}");
        assert!(!liar.lied || told.iter().all(|&(verdict, _)| verdict == "lied"), "{what}");
    }
}

/// Our injector races each resolver; everything that it forged is found, and nothing else accused.
fn injected_beside_each(settings: Settings) {
    let lab = lab();
    let authority = authority(&lab);
    let resolvers = honest(&lab, &authority);
    let injector = Injector::start(&lab.network.upstream, settings).expect("the censor works");
    let agent = agent(&lab);
    for (name, _) in NAMES {
        for kind in [Kind::A, Kind::Aaaa] {
            for address in resolvers.iter().flat_map(|(_, resolver)| resolver.address.both()) {
                let client = &lab.network.client;
                clients::lookup(client, address, name, kind).expect("an answer");
            }
        }
    }
    let shots = injector.shots();
    assert_eq!(shots.len(), 2 * 2 * 8, "two names, two types, eight addresses: {shots:?}");
    let enough = |findings: &[Finding]| agent::last_words(findings).len() >= shots.len();
    agent.wait_for("all findings", SOON, enough).expect("all forged answers are found");
    let report = stop(agent);
    let mut done: Vec<_> =
        shots.iter().map(|shot| (shot.server.to_string(), Some(shot.name.clone()))).collect();
    let injected = report.injected();
    let mut told: Vec<_> =
        injected.iter().map(|one| (one.server.clone(), one.name.clone())).collect();
    done.sort();
    told.sort();
    assert_eq!(told, done, "told on the left, done on the right; summary: {}", report.summary);
}

#[test]
fn forged_answers_are_found_beside_each_resolver() {
    injected_beside_each(Settings { resets: None, ..Settings::linkedin(Model::TypeTwo) });
}

#[test]
fn answers_with_the_ttl_of_the_question_are_found() {
    let plain = Settings::linkedin(Model::TypeTwo);
    injected_beside_each(Settings { resets: None, mirrors: true, ..plain });
}

/// A program that others wrote forges answers for `www.linkedin.com`.
fn forged_by(forger: Forger, kinds: &[Kind]) {
    let lab = lab();
    let agent = agent(&lab);
    let mut process = foreign::forger(&lab, forger).expect("it works");
    let resolver = RESOLVER.v4.into();
    for (name, _) in NAMES {
        for &kind in kinds {
            dig(&lab, resolver, &["+noedns", name, kind.word()]);
        }
    }
    let enough = |findings: &[Finding]| agent::last_words(findings).len() >= kinds.len();
    let waited = agent.wait_for("all findings", SOON, enough);
    let report = stop(agent);
    process.kill();
    waited.unwrap_or_else(|error| panic!("{error:#}: {}", process.log()));
    for finding in report.injected() {
        assert_eq!(finding.name.as_deref(), Some("www.linkedin.com"), "{finding:?}");
        assert_eq!(finding.server, format!("{}:53", RESOLVER.v4), "{finding:?}");
    }
    assert_eq!(report.injected().len(), kinds.len(), "{:#?}", report.findings);
}

#[test]
fn answers_forged_by_dnsspoof_are_found() {
    forged_by(Forger::Dnsspoof, &[Kind::A]);
}

#[test]
fn answers_forged_by_ettercap_are_found() {
    forged_by(Forger::Ettercap, &[Kind::A, Kind::Aaaa]);
}

#[test]
fn answers_forged_by_bettercap_are_found() {
    forged_by(Forger::Bettercap, &[Kind::A]);
}
