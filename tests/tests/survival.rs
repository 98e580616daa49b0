//! What happens when the agent is killed, stopped, or cannot keep up: traffic goes on, nothing
//! stays attached, and what was lost is in the summary, to the event.

use std::{
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use probe_tests::lab::{
    Lab,
    agent::{self, Agent, Finding, attached},
    clients::{self, Outcome, Scheme},
    injector::{
        Injector, Raw, Settings, craft,
        model::{Model, Reset},
    },
    network::{CLIENT, LAN, OTHER, OWN, RESOLVER, WAN},
    process::{Process, output},
    servers::BIG,
    wait,
};

/// How long the kernel may take to take programs off after their owner has died.
const SOON: Duration = Duration::from_secs(3);

/// Downloads at the same time: three times 4 MB/s.
const LOAD: usize = 3;

fn lab() -> Lab {
    Lab::new()
        .expect("a lab; this takes root and the tools that `cargo xtask setup --tests` installs")
}

fn assert_nothing_attached(lab: &Lab) {
    for iface in [LAN, WAN] {
        let gone = || attached(&lab.network.router, iface).is_ok_and(|at| !at.any()).then_some(());
        wait::until("programs to be taken off", SOON, gone).expect("nothing stays attached");
    }
}

/// A large download, running.
fn download(lab: &Lab, number: usize) -> (Process, PathBuf) {
    let at = ("www.debian.org", OTHER.both()[number % 2]);
    let client = &lab.network.client;
    let authority = &lab.servers.authority;
    let mut command = clients::curl(client, authority, Scheme::Https, at, "/big");
    let name = format!("curl-{number}");
    let log = lab.directory().join(format!("{name}.log"));
    (Process::start_logged(&name, &mut command, lab.directory()).expect("curl runs"), log)
}

#[test]
fn traffic_survives_a_kill_of_the_agent_and_a_restart_works() {
    let lab = lab();
    let mut agent = Agent::start(&lab, &[LAN, WAN], &["--all"]).expect("the agent watches");
    let mut downloads: Vec<_> = (0..LOAD).map(|number| download(&lab, number)).collect();
    let mut ping = lab.network.client.command("ping");
    ping.args(["-n", "-q", "-i", "0.02", "-c", "250", "-W", "2", &OTHER.v4.to_string()]);
    let mut ping = Process::start_logged("ping", &mut ping, lab.directory()).expect("ping runs");

    // In the middle of all that.
    thread::sleep(Duration::from_secs(1));
    agent.process.signal(Signal::SIGKILL).expect("the agent was running");
    agent.process.wait(SOON).expect("killed");
    assert!(ping.is_running() && downloads.iter_mut().all(|(curl, _)| curl.is_running()));
    assert_nothing_attached(&lab);

    // Its successor starts under the same load, and works.
    let injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))
        .expect("the censor works");
    let agent = Agent::start(&lab, &[LAN, WAN], &["--all"]).expect("the agent watches again");
    lab.https_until_reset("static.licdn.com", OWN.v4).expect("it is censored");
    agent
        .wait_for("a finding", SOON, |findings| findings.iter().any(Finding::is_injected))
        .expect("what is censored is found");

    let patience = Duration::from_secs(30);
    assert!(ping.wait(patience).expect("ping ends").success(), "{}", ping.log());
    assert!(ping.log().contains("250 received"), "{}", ping.log());
    for (curl, log) in &mut downloads {
        assert!(curl.wait(patience).expect("curl ends").success(), "{}", curl.log());
        let said = std::fs::read_to_string(log).expect("curl has a log");
        assert_eq!(said.trim(), format!("200 {BIG}"));
    }
    assert_eq!(lab.network.dropped(), 0);
    let report = agent.stop().expect("a summary");
    assert!(report.status.success());
    let (found, shots) = (report.injected().len(), injector.shots().len());
    assert!((1..=shots).contains(&found), "{found} of {shots}: {:#?}", report.findings);
    assert_nothing_attached(&lab);
}

#[test]
fn every_signal_that_asks_to_end_ends_with_a_summary() {
    let lab = lab();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut agent = Agent::start(&lab, &[WAN], &[]).expect("the agent watches");
        let before = agent.lines().len();
        assert_eq!(before, 0, "{:?}", agent.lines());
        assert_eq!(lab.https("example.org", OTHER.v4).expect("curl runs"), Outcome::Answered(200));
        agent.process.signal(signal).expect("the agent was running");
        let status = agent.process.wait(SOON).expect("it ends");
        assert!(status.success(), "{signal}: {status}");
        let summary = wait::until("the summary", SOON, || {
            agent.lines().last().filter(|line| line.contains(r#""record":"summary""#)).cloned()
        });
        let summary: serde_json::Value =
            serde_json::from_str(&summary.expect("a summary")).expect("JSON");
        assert_eq!(summary["tcp_flows"], 1, "{summary}");
        assert_nothing_attached(&lab);
    }
}

#[test]
fn the_end_of_a_given_time_ends_with_a_summary() {
    let lab = lab();
    let mut command = lab.network.router.command(agent::path().expect("set"));
    command.args(["run", "--iface", WAN, "--json", "--duration", "1", "--no-state"]);
    let start = Instant::now();
    let output = output("forgewatch", &mut command, wait::READY).expect("it ends by itself");
    assert!(output.status.success() && start.elapsed() >= Duration::from_secs(1));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.lines().last().is_some_and(|line| line.contains(r#""record":"summary""#)));
    assert_nothing_attached(&lab);
}

/// Starts an agent with the smallest ring and stops it in its tracks, so that nobody reads.
fn stunned(lab: &Lab) -> Agent {
    let agent = Agent::start(lab, &[WAN], &["--all", "--ring", "4096"]).expect("the agent watches");
    agent.process.stun(SOON).expect("the agent was running");
    agent
}

/// Wakes it and checks the account: each of `expected` events was received or is counted as lost.
fn assert_account(agent: Agent, expected: u64) -> u64 {
    agent.process.signal(Signal::SIGCONT).expect("the agent was stopped");
    let report = agent.stop().expect("a summary");
    assert!(report.status.success());
    let [emitted, received, unread, full, limited] = [
        "events_emitted",
        "events_received",
        "events_unread",
        "events_ring_full",
        "events_rate_limited",
    ]
    .map(|name| report.figure(name));
    let summary = &report.summary;
    assert_eq!(emitted, received + unread, "{summary}");
    assert_eq!(emitted + full + limited, expected, "{summary}");
    assert!(full > 0 && received > 0, "{summary}");
    full
}

#[test]
fn lost_dns_replies_are_counted_to_the_event() {
    const REPLIES: u16 = 500;
    let lab = lab();
    let agent = stunned(&lab);
    let client = SocketAddr::new(CLIENT.v4.into(), 5_300);
    let receiver = lab.network.client.enter(|| UdpSocket::bind(client)).expect("in the namespace");
    let receiver = receiver.expect("a free port");
    receiver.set_read_timeout(Some(SOON)).expect("a time-out");
    let mut raw = Raw::towards_client(&lab.network).expect("a device to send by");
    for id in 0..REPLIES {
        raw.send(&craft::datagram(
            SocketAddr::new(RESOLVER.v4.into(), 53),
            client,
            None,
            &reply(id),
        ))
        .expect("it can be sent");
        // Each has to arrive before the next is sent: queues on the way lose nothing then.
        receiver.recv(&mut [0; 512]).expect("what passes the router arrives");
    }
    let lost = assert_account(agent, REPLIES.into());
    assert!(lost > u64::from(REPLIES) / 2, "{lost} of {REPLIES} lost: was the agent stopped?");
}

/// An answer for example.org that nobody has asked for.
fn reply(id: u16) -> Vec<u8> {
    let mut query = id.to_be_bytes().to_vec();
    query.extend_from_slice(b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00");
    query.extend_from_slice(b"\x07example\x03org\x00\x00\x01\x00\x01");
    craft::answer(&query, 1).expect("a question for an address")
}

#[test]
fn lost_resets_are_counted_to_the_event() {
    const RESETS: u32 = 500;
    let lab = lab();
    let agent = stunned(&lab);
    // A connection for the resets to belong to; it opens without an event.
    let address = SocketAddr::new(OTHER.v4.into(), 8_080);
    let listener = lab.network.server.enter(|| TcpListener::bind(address));
    let listener = listener.expect("in the namespace").expect("a free port");
    let stream = lab.network.client.enter(|| TcpStream::connect(address));
    let stream = stream.expect("in the namespace").expect("a connection");
    let client = stream.local_addr().expect("an address");
    let mut raw = Raw::towards_client(&lab.network).expect("a device to send by");
    let before = received(&lab);
    for number in 0..RESETS {
        // Outside of any window, almost certainly: the client's stack ignores them in silence.
        let one = Reset { offset: number, ttl: 60, window: 0, ip_id: 7, df: true };
        raw.send(&craft::reset(address, client, 0, 0, &one)).expect("it can be sent");
    }
    wait::until("all resets to pass", SOON, || {
        (received(&lab) >= before + u64::from(RESETS)).then_some(())
    })
    .expect("what passes the router arrives");
    let lost = assert_account(agent, RESETS.into());
    assert!(lost > u64::from(RESETS) / 2, "{lost} of {RESETS} lost: was the agent stopped?");
    drop((listener, stream));
}

/// Packets that the client has received so far.
fn received(lab: &Lab) -> u64 {
    let table = lab.network.client.enter(|| std::fs::read_to_string("/proc/thread-self/net/dev"));
    let table = table.expect("in the namespace").expect("a table of devices");
    let line = table.lines().find_map(|line| line.trim().strip_prefix("eth0:"));
    let packets = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    packets.expect("a count of packets")
}
