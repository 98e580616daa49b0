//! What happens to the process.

use std::{fs, process::Command};

use nix::sys::signal::Signal;
use probe_tests::lab::{
    agent::Agent,
    clients::Outcome,
    memory::Group,
    network::{LAN, OTHER, WAN},
    wait,
};

use super::{SOON, Scene};

#[test]
fn killed_and_started_again_it_goes_on_where_it_was() {
    let mut scene = Scene::new(&[LAN, WAN]);
    for _ in 0..2 {
        scene.agent_dies(|agent| agent.process.signal(Signal::SIGKILL).expect("it was running"));
        let kept = scene.before.clone();
        scene.is_clean(&kept);
        scene.start_agent(|_| {});
        scene.finds();
        scene.recorded();
    }
    scene.ends();
}

#[test]
fn stopped_and_woken_it_finds_what_passed_meanwhile() {
    let scene = Scene::new(&[LAN, WAN]);
    let before = super::accused(&scene.agent().findings());
    scene.agent().process.stun(SOON).expect("it was running");
    scene.lab.https_until_reset("static.licdn.com", super::OWN.v4).expect("it is censored");
    scene.agent().process.signal(Signal::SIGCONT).expect("it was stopped");
    let more = |findings: &[super::Finding]| super::accused(findings) > before;
    scene.agent().wait_for("what passed meanwhile", SOON, more).expect("it was in the ring");
    scene.ends();
}

#[test]
fn without_memory_it_is_killed_and_nothing_else_happens() {
    let group = Group::new("agent").expect("a control group; this takes root");
    let mut scene = Scene::with(&[LAN, WAN], None, |_| {}, |command| group.joined_by(command));
    // At its limit it goes on: what it needs, it has.
    group.limit(group.used() + (1 << 20));
    scene.finds();
    scene.recorded();
    // Somebody else takes what is left, and the kernel ends whom it was told to end first.
    let mut greedy = Command::new("tail");
    greedy.arg("/dev/zero");
    group.joined_by(&mut greedy);
    scene.agent_dies(|agent| {
        prefer(agent);
        let mut child = greedy.spawn().expect("tail runs");
        let killed = || (group.kills() > 0).then_some(());
        wait::until("somebody to be killed", SOON, killed).expect("there is a limit");
        let _ = child.kill();
        let _ = child.wait();
    });
    assert_eq!(
        scene.lab.https("example.org", OTHER.v4).expect("curl runs"),
        Outcome::Answered(200)
    );
    let kept = scene.before.clone();
    scene.is_clean(&kept);
    scene.start_agent(|_| {});
    scene.ends();
}

/// Has the kernel end the agent before anything else.
fn prefer(agent: &Agent) {
    let path = format!("/proc/{}/oom_score_adj", agent.process.pid());
    fs::write(&path, "1000").unwrap_or_else(|error| panic!("{path}: {error}"));
}
