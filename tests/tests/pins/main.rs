//! Agents that pin, one after the other: ended, killed, replaced by one that would lay things out otherwise, doubled;
//! and what is taken off at last. Packets pass all the time, and none goes unlooked at.
//!
//! Each test has a BPF file system of its own, which nobody else sees and which is gone with it.

mod agents;
mod foreign;

use std::{
    fs,
    io::Write as _,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use probe_common::handover::Handover;
use probe_tests::lab::{
    agent::{self, Finding, attached},
    clients::Outcome,
    injector::{Injector, Settings, model::Model},
    namespace::{Namespace, own_file_systems},
    network::{LAN, OTHER, OWN, WAN},
};
use probe_user::source::kernel::pins::USUAL;

use agents::{
    Pings, Pinned, assert_detaches, assert_watched, figure, forgewatch, lab, passed, said,
};

/// A name that the censor acts on.
const CENSORED: &str = "static.licdn.com";

/// Exit code of an agent, or of `detach`, that finds another agent at work.
const HELD: i32 = 8;

#[test]
fn what_is_forged_while_no_agent_runs_is_found_by_the_next() {
    let lab = lab();
    let router = &lab.network.router;
    let first = Pinned::start(&lab, "first", &[LAN, WAN], &[]);
    let injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))
        .expect("the censor works");
    let pings = Pings::start(&lab);
    // A connection that both agents see: half of it each.
    let server = SocketAddr::new(OWN.v4.into(), 80);
    let stream = lab.network.client.enter(|| TcpStream::connect(server));
    let mut stream = stream.expect("in the namespace").expect("a connection");
    stream.write_all(b"GET /slow HTTP/1.1\r\n").expect("a connection");
    // It passes the router.
    thread::sleep(Duration::from_millis(100));
    let log = first.kill();
    assert!(!log.contains(r#""verdict":"injected""#), "{log}");

    // Nobody is there to hear of it, and the programs look all the same.
    assert_watched(router, &[LAN, WAN]);
    lab.https(CENSORED, OWN.v4).expect("curl runs");
    assert_eq!(injector.shots().len(), 1);

    let mut second = Pinned::start(&lab, "second", &[LAN, WAN], &[]);
    second.says("took over what an agent has left");
    second.wait_for_injected(1);
    // What is answered trickles, so that the server goes on after "its" reset, however late that comes.
    write!(stream, "Host: {CENSORED}\r\n\r\n").expect("a connection");
    second.wait_for_injected(2);
    pings.assert_all_answered();
    let summary = second.stop();
    // Had its record been lost, the connection would have been taken up in its middle, without what its server's
    // packets are like.
    assert_eq!(figure(&summary, "tcp_midstream"), 0, "{summary}");
    let found = second.injected();
    assert_eq!(found.len(), 2, "{found:#?}");
    let old = found.iter().find(|one| one.server.ends_with(":80")).expect("it is accused");
    assert!(old.signatures.iter().any(|one| one.id == "DATA_AFTER_RST"), "{old:#?}");
    assert_eq!(figure(&summary, "events_ring_full"), 0);
    assert_eq!(figure(&summary, "events_given_up"), 0);
    assert!(figure(&summary, "events_taken_over") > 0, "{summary}");
    assert!(figure(&summary, "packets_taken_over") > 0, "{summary}");
    assert_detaches(router, &[LAN, WAN]);
}

#[test]
fn over_an_end_a_start_a_kill_and_a_start_nothing_is_missed() {
    let lab = lab();
    let router = &lab.network.router;
    let injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))
        .expect("the censor works");
    let mut first = Pinned::start(&lab, "first", &[LAN], &[]);
    let before = passed(router, LAN);
    let pings = Pings::start(&lab);
    let going_on = Arc::new(AtomicBool::new(true));
    let (mut summaries, mut found) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let censored = Arc::clone(&going_on);
        let lab = &lab;
        let clients = scope.spawn(move || {
            let mut resets = 0;
            while censored.load(Ordering::Relaxed) {
                // On a busy machine an answer may come before the censor's.
                let outcome = lab.https(CENSORED, OWN.v4).expect("curl runs");
                resets += usize::from(outcome == Outcome::Reset);
            }
            resets
        });
        let pause = || thread::sleep(Duration::from_millis(700));
        pause();
        summaries.push(first.stop());
        found.extend(first.injected());
        pause();
        let second = Pinned::start(lab, "second", &[LAN], &[]);
        pause();
        let log = second.log.clone();
        second.kill();
        pause();
        let mut third = Pinned::start(lab, "third", &[LAN], &[]);
        pause();
        going_on.store(false, Ordering::Relaxed);
        let resets: usize = clients.join().expect("all were censored");
        pings.assert_all_answered();
        // What is on its way arrives, and is looked at.
        pause();
        let read = |line: &str| serde_json::from_str::<Finding>(line).ok();
        found.extend(fs::read_to_string(log).expect("it had a log").lines().filter_map(read));
        summaries.push(third.stop());
        found.extend(third.injected());
        let distinct = agent::last_words(&found).len();
        println!("{distinct} of {resets} were found, of {} tried", injector.shots().len());
        assert!(resets > 10, "{resets}");
        // One that is in the middle of being judged when its agent is killed may go with it.
        assert!(distinct + 1 >= resets, "{distinct} of {resets}");
    });
    let after = passed(router, LAN);
    // Packets: those of the second agent, which told of nothing, are told of by the third.
    let seen: u64 = summaries.iter().map(|summary| figure(summary, "packets")).sum();
    assert!(seen.abs_diff(after - before) <= 4, "{seen} of {}", after - before);
    // Events: all that was emitted was received, by one or the other.
    for summary in &summaries {
        assert_eq!(figure(summary, "events_unread"), 0, "{summary}");
        assert_eq!(figure(summary, "events_ring_full"), 0, "{summary}");
    }
    assert_detaches(router, &[LAN]);
}

#[test]
fn what_the_ring_has_no_room_for_meanwhile_is_told_by_the_next_and_once() {
    let lab = lab();
    // Room for two or three events.
    let small = ["--ring", "4096"];
    Pinned::start(&lab, "first", &[WAN], &small).kill();
    for _ in 0..5 {
        let outcome = lab.https("example.org", OTHER.v4).expect("curl runs");
        assert_eq!(outcome, Outcome::Answered(200));
    }
    let mut second = Pinned::start(&lab, "second", &[WAN], &small);
    second.says("took over what an agent has left");
    let summary = second.stop();
    let [full, left, received, emitted] =
        ["events_ring_full", "events_taken_over", "events_received", "events_emitted"]
            .map(|name| figure(&summary, name));
    println!("{left} events waited, {full} found no room");
    assert!(full > 0 && left > 0, "{summary}");
    assert_eq!(emitted, received, "{summary}");
    // Nothing passes any more, and what was lost is told of.
    let mut third = Pinned::start(&lab, "third", &[WAN], &small);
    let summary = third.stop();
    let again = ["events_ring_full", "events_taken_over"].map(|name| figure(&summary, name));
    assert_eq!(again, [0; 2], "{summary}");
    assert_detaches(&lab.network.router, &[WAN]);
}

#[test]
fn what_is_laid_out_otherwise_is_replaced_and_told() {
    let lab = lab();
    let router = &lab.network.router;
    let _injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))
        .expect("the censor works");
    let first = Pinned::start(&lab, "first", &[WAN], &[]);
    let pings = Pings::start(&lab);
    first.kill();

    // Another size.
    let second = Pinned::start(&lab, "second", &[WAN], &["--ring", "65536"]);
    second.says("kernel.ring_octets was 16777216, and is 65536");
    assert!(!second.log().contains("took over"), "{}", second.log());
    lab.https(CENSORED, OWN.v4).expect("curl runs");
    second.wait_for_injected(1);
    second.kill();
    // Of this nobody hears.
    lab.https(CENSORED, OWN.v4).expect("curl runs");

    // Another build.
    let map =
        aya::maps::MapData::from_pin(format!("{USUAL}/{WAN}/HANDOVER")).expect("it is pinned");
    let map = aya::maps::Map::from_map_data(map).expect("an array");
    let mut map =
        aya::maps::Array::<_, [u8; size_of::<Handover>()]>::try_from(map).expect("its size");
    let mut left = map.get(&0, 0).expect("what is handed over");
    left[0] ^= 1;
    map.set(0, left, 0).expect("root may write it");
    let mut third = Pinned::start(&lab, "third", &[WAN], &["--ring", "65536"]);
    third.says("its agent was of another build");
    lab.https(CENSORED, OWN.v4).expect("curl runs");
    third.wait_for_injected(1);
    pings.assert_all_answered();
    let summary = third.stop();
    assert!(summary["counters"]["packets_taken_over"].is_null(), "{summary}");
    assert!(figure(&summary, "events_given_up") > 0, "{summary}");
    assert_detaches(router, &[WAN]);
}

#[test]
fn nobody_takes_what_a_running_agent_has() {
    let lab = lab();
    let router = &lab.network.router;
    let _injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))
        .expect("the censor works");
    let mut first = Pinned::start(&lab, "first", &[LAN, WAN], &[]);
    for arguments in [
        &["run", "--pin", "--no-state", "--iface", WAN, "--iface", LAN] as &[&str],
        &["detach", "--iface", WAN],
        &["detach", "--all"],
    ] {
        let output = forgewatch(router, arguments);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(HELD), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("another agent watches lan0, wan0"), "{said}");
    }
    // One that does not pin, or pins other interfaces, finds the place taken.
    for more in [&["--no-state"] as &[&str], &["--no-state", "--pin"]] {
        let output = forgewatch(router, &[&["run", "--iface", WAN], more].concat());
        assert_eq!(output.status.code(), Some(4), "{}", said(&output));
        assert!(said(&output).contains("forgewatch detach"), "{}", said(&output));
    }
    let doctor = said(&forgewatch(router, &["doctor", "--iface", WAN]));
    assert!(doctor.contains("an agent watches lan0, wan0"), "{doctor}");
    assert_watched(router, &[LAN, WAN]);
    lab.https(CENSORED, OWN.v4).expect("curl runs");
    first.wait_for_injected(1);
    first.stop();
    first.says("the programs stay, pinned in");

    assert_watched(router, &[LAN, WAN]);
    let doctor = said(&forgewatch(router, &["doctor", "--iface", WAN]));
    assert!(doctor.contains("lan0, wan0: pinned, and no agent has it"), "{doctor}");
    assert!(doctor.contains("forgewatch detach"), "{doctor}");
    assert_detaches(router, &[LAN, WAN]);
    let nothing: [(&[&str], &str); 3] = [
        (&["--all"], "by an agent"),
        (&["--iface", WAN], "on wan0"),
        (&["--iface", "none0", "--iface", WAN], "on none0, wan0"),
    ];
    for (which, words) in nothing {
        let output = forgewatch(router, &[&["detach"], which].concat());
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(said(&output), format!("nothing is left {words}\n"));
    }
    for which in [&[] as &[&str], &["--pin", USUAL]] {
        let output = forgewatch(router, &[&["detach"], which].concat());
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("--iface"), "{}", said(&output));
    }
}

#[test]
fn pins_of_an_interface_that_is_gone_are_replaced_by_agents_of_any_rights() {
    let namespace = Namespace::alone("router").expect("a namespace; this takes root");
    own_file_systems().expect("root may");
    let directory = tempfile::tempdir().expect("a directory");
    let make =
        || namespace.ip("link add v0.7 type veth peer name v1\nlink set v0.7 up\nlink set v1 up");
    let start =
        |name, more: &[&str]| Pinned::start_in(&namespace, directory.path(), name, &["v0.7"], more);
    make().expect("an interface");
    start("first", &[]).kill();
    namespace.ip("link del v0.7").expect("it is removed");
    make().expect("another one of that name");
    assert!(!attached(&namespace, "v0.7").expect("it is there").any());

    let second = start("second", &["--user", "64771"]);
    second.says("took over what an agent has left");
    second.says("not of this v0.7, but of one that was removed or renamed");
    assert_watched(&namespace, &["v0.7"]);

    // It has no rights left, but its own directory.
    namespace.ip("link del v0.7").expect("it is removed");
    second.says("v0.7 was removed");
    make().expect("another one of that name");
    second.says("v0.7 is there again, and is watched again");
    second.kill();
    assert_watched(&namespace, &["v0.7"]);

    // Under another name it is watched still, and is no more what it was pinned as.
    namespace.ip("link set v0.7 down\nlink set v0.7 name w0\nlink set w0 up").expect("a new name");
    make().unwrap_or_else(|_| {
        namespace.ip("link add v0.7 type veth peer name v2\nlink set v0.7 up").expect("a new one");
    });
    let mut third = start("third", &["--user", "64771"]);
    third.says("not of this v0.7");
    assert_watched(&namespace, &["v0.7"]);
    assert!(!attached(&namespace, "w0").expect("it is there").any(), "nobody would take it off");
    third.stop();
    assert_detaches(&namespace, &["v0.7"]);
}

#[test]
fn a_file_system_for_pins_is_mounted_or_asked_for() {
    let namespace = Namespace::alone("router").expect("a namespace; this takes root");
    own_file_systems().expect("root may");
    let directory = tempfile::tempdir().expect("a directory");
    let mut agent = Pinned::start_in(&namespace, directory.path(), "agent", &["lo"], &[]);
    agent.says("mounted a BPF file system at /sys/fs/bpf");
    agent.stop();
    assert_detaches(&namespace, &["lo"]);
    let elsewhere = directory.path().join("pins");
    let elsewhere = elsewhere.to_str().expect("a path of letters");
    let output =
        forgewatch(&namespace, &["run", "--iface", "lo", "--no-state", "--pin", elsewhere]);
    assert_eq!(output.status.code(), Some(6), "{}", said(&output));
    assert!(said(&output).contains("mount -t bpf bpf DIR"), "{}", said(&output));
    assert!(!attached(&namespace, "lo").expect("it is there").any());
}
