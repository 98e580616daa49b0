//! What happens to the interface under a running agent: taken down and up, renamed, removed and there again. The
//! agent has no capability left by then.

use std::time::Duration;

use probe_tests::lab::{
    Lab,
    agent::{Agent, Finding, attached},
    clients::Outcome,
    injector::{Injector, Settings, model::Model},
    network::{DOWN, LAN, OTHER, OWN, WAN},
    process, wait,
};

const SOON: Duration = Duration::from_secs(10);

fn lab() -> Lab {
    Lab::new()
        .expect("a lab; this takes root and the tools that `cargo xtask setup --tests` installs")
}

/// Waits until addresses and routes are in use again.
fn reachable(lab: &Lab) {
    wait::until("the server to be reached", SOON, || {
        let outcome = lab.https("example.org", OTHER.v4).ok()?;
        (outcome == Outcome::Answered(200)).then_some(())
    })
    .expect("packets pass");
}

/// A forged reset is found, beside `before` that were.
fn assert_finds(lab: &Lab, agent: &Agent, before: usize) {
    assert_eq!(lab.https("static.licdn.com", OWN.v4).expect("curl runs"), Outcome::Reset);
    let enough =
        |findings: &[Finding]| findings.iter().filter(|one| one.is_injected()).count() > before;
    agent.wait_for("a finding", SOON, enough).expect("what is censored is found");
}

fn found(agent: &Agent) -> usize {
    agent.findings().iter().filter(|one| one.is_injected()).count()
}

#[test]
fn an_interface_that_is_taken_down_or_renamed_is_watched_still() {
    let lab = lab();
    let agent = Agent::start(&lab, &[LAN], &["--all"]).expect("the agent watches");
    let _injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))
        .expect("the censor works");
    assert_finds(&lab, &agent, 0);
    let again = "addr replace fd71:1::1/64 dev lan1 nodad";
    lab.network
        .router
        .ip(&format!("link set {LAN} down\nlink set {LAN} name lan1\nlink set lan1 up\n{again}"))
        .expect("an interface");
    reachable(&lab);
    assert!(attached(&lab.network.router, "lan1").expect("it is there").any());
    assert_finds(&lab, &agent, found(&agent));
    assert!(agent.stop().expect("a summary").status.success());
}

/// Removes the router's upstream interface and makes another one of that name.
fn replace_upstream(lab: &Lab) {
    let (router, upstream) = (&lab.network.router, &lab.network.upstream);
    router.ip(&format!("link del {WAN}")).expect("it is removed");
    router
        .ip(&format!("link add {WAN} type veth peer name {DOWN} netns {}", upstream.name()))
        .expect("another one of that name");
    for (namespace, device) in [(router, WAN), (upstream, DOWN)] {
        let mut command = namespace.command("ethtool");
        command.args(["-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off"]);
        process::succeed("ethtool", &mut command).expect("no offloads");
    }
    upstream
        .ip(&format!(
            "addr add 10.71.2.2/24 dev {DOWN}\nlink set {DOWN} up\nroute add 10.71.1.0/24 via 10.71.2.1"
        ))
        .expect("an address");
    router
        .ip(&format!(
            "addr add 10.71.2.1/24 dev {WAN}\nlink set {WAN} up\nroute add default via 10.71.2.2"
        ))
        .expect("an address");
    reachable(lab);
    wait::until("programs to be on it again", SOON, || {
        attached(router, WAN).is_ok_and(|at| at.xdp && at.tcx > 0).then_some(())
    })
    .expect("it is watched again");
}

#[test]
fn an_interface_that_was_removed_is_watched_again_when_it_is_there_again() {
    let lab = lab();
    let agent = Agent::start(&lab, &[WAN], &["--all"]).expect("the agent watches");
    replace_upstream(&lab);
    let _injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))
        .expect("the censor works");
    assert_finds(&lab, &agent, 0);
    assert!(agent.stop().expect("a summary").status.success());
    let left = attached(&lab.network.router, WAN).expect("it is there");
    assert!(!left.any(), "nothing stays attached");
}

#[test]
fn one_of_several_that_was_removed_is_watched_again_and_nothing_is_seen_twice() {
    let lab = lab();
    let agent = Agent::start(&lab, &[LAN, WAN], &["--all"]).expect("the agent watches");
    replace_upstream(&lab);
    let at = ("www.debian.org", OTHER.v4.into());
    let mut curl = lab.wait_https(1, at, "/big").expect("curl runs");
    assert!(curl.wait(SOON * 3).expect("it ends").success(), "{}", curl.log());
    let _injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))
        .expect("the censor works");
    assert_finds(&lab, &agent, 0);
    let report = agent.stop().expect("a summary");
    assert!(report.status.success());
    // Each packet that passes is met twice, and looked at the first time. Were the new interface taken for one
    // that is not watched, all that came by it, most of a download, would be looked at twice.
    let [packets, again] = ["packets", "seen_at_ingress"].map(|name| report.figure(name));
    assert!(packets > 1_000 && again * 20 > packets * 9, "{again} of {packets}");
    for iface in [LAN, WAN] {
        let left = attached(&lab.network.router, iface).expect("it is there");
        assert!(!left.any(), "nothing stays attached to {iface}");
    }
}
