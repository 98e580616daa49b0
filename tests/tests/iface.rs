//! On which side of the router a packet appears: a reset that enters where its sender is not.

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use probe_tests::lab::{
    Lab,
    agent::{self, Agent, Attachments, Finding, attached},
    full::Full,
    injector::{
        Raw, craft,
        model::Reset,
        read::{Packet, Payload},
    },
    namespace::Namespace,
    network::{CLIENT, LAN, OTHER, OWN, STICK, UNWATCHED, WAN},
    process::Process,
    wait,
};

/// How long after the last packet anything may come.
const SOON: Duration = Duration::from_secs(5);

fn lab() -> Lab {
    Lab::new()
        .expect("a lab; this takes root and the tools that `cargo xtask setup --tests` installs")
}

/// A connection of the client's with a server that accepts any, and the numbers it began with.
struct Open {
    stream: TcpStream,
    accepted: TcpStream,
    server: SocketAddr,
    /// The server's next number, and the client's.
    next: (u32, u32),
}

impl Open {
    /// Of the lab's client, with a server on `host`.
    fn new(lab: &Lab, host: &Namespace, server: SocketAddr) -> Self {
        let listener = host.enter(|| TcpListener::bind(server));
        let listener = listener.expect("in the namespace").expect("a free port");
        let mut ear = lab.network.listen_at_client().expect("the client's device");
        let stream = lab.network.client.enter(|| TcpStream::connect(server));
        let stream = stream.expect("in the namespace").expect("a connection");
        let (accepted, _) = listener.accept().expect("the same connection");
        // The handshake has passed, so that its frames wait to be read.
        let next = loop {
            let Some(packet) = Packet::read(ear.next().expect("the SYN+ACK passed here")) else {
                continue;
            };
            if let Payload::Tcp { seq, ack, .. } = packet.payload
                && packet.from == server
            {
                break (seq.wrapping_add(1), ack);
            }
        };
        Self { stream, accepted, server, next }
    }

    /// Has the server reset it: closed with data unread, a socket does.
    fn reset_by_server(mut self) {
        self.stream.write_all(b"unread").expect("room");
        self.accepted.set_read_timeout(Some(SOON)).expect("a time-out");
        self.accepted.peek(&mut [0; 1]).expect("it arrives");
        drop(self.accepted);
        assert_reset(&self.stream);
    }
}

/// Waits for a reset to arrive.
fn assert_reset(mut stream: &TcpStream) {
    stream.set_read_timeout(Some(SOON)).expect("a time-out");
    let outcome = stream.read(&mut [0; 16]).map_err(|error| error.kind());
    assert_eq!(outcome, Err(ErrorKind::ConnectionReset));
}

/// Three resets in three servers' names: one from where the clients are, one from upstream, as a
/// censor would forge it, and a genuine one. Only the first has come from the wrong side.
#[test]
fn a_reset_from_the_clients_side_is_told_and_others_are_not() {
    let lab = lab();
    let agent = Agent::start(&lab, &[LAN, WAN], &[]).expect("the agent watches");

    for pair in [OWN.v4.into(), OWN.v6.into()] {
        let open = Open::new(&lab, &lab.network.server, SocketAddr::new(pair, 8_443));
        let client = open.stream.local_addr().expect("an address");
        assert!(CLIENT.both().contains(&client.ip()));
        let one = Reset { offset: 0, ttl: 57, window: 0, ip_id: 0, df: true };
        let forged = craft::reset(open.server, client, open.next.0, open.next.1, &one);
        let mut raw = Raw::from_clients(&lab.network).expect("a device to send by");
        raw.send(&forged).expect("it can be sent");
        assert_reset(&open.stream);
    }

    let open = Open::new(&lab, &lab.network.server, SocketAddr::new(OTHER.v4.into(), 8_443));
    let client = open.stream.local_addr().expect("an address");
    let one = Reset { offset: 0, ttl: 57, window: 0, ip_id: 0, df: true };
    let forged = craft::reset(open.server, client, open.next.0, open.next.1, &one);
    let mut raw = Raw::towards_client(&lab.network).expect("a device to send by");
    raw.send(&forged).expect("it can be sent");
    assert_reset(&open.stream);

    let open = Open::new(&lab, &lab.network.server, SocketAddr::new(UNWATCHED.v4.into(), 8_443));
    open.reset_by_server();

    let astray =
        |findings: &[Finding]| findings.iter().filter(|finding| finding.has("WRONG_IFACE")).count();
    let waited = agent.wait_for("both resets", SOON, |findings| astray(findings) >= 2);
    let report = agent.stop().expect("a summary");
    if let Err(error) = waited {
        panic!("{error:#}\nsummary: {}", report.summary);
    }
    let told: Vec<_> = report.findings.iter().filter(|one| one.has("WRONG_IFACE")).collect();
    assert_eq!(told.len(), 2, "{:#?}", report.findings);
    for (finding, address) in told.iter().zip(OWN.both()) {
        assert_eq!((finding.verdict.as_str(), finding.confidence.as_str()), ("injected", "C3"));
        assert_eq!(finding.server, SocketAddr::new(address, 8_443).to_string());
    }
    let others = report.findings.iter().filter(|one| !one.has("WRONG_IFACE"));
    for finding in others {
        assert_eq!(finding.confidence, "C1", "{finding:#?}");
    }
}

/// On a stick both ends are behind one interface, where each packet enters and leaves.
#[test]
fn a_router_on_a_stick_accuses_nobody() {
    let lab = lab();
    let host = lab.network.on_a_stick().expect("another host on the clients' wire");
    let agent = Agent::start(&lab, &[LAN], &["--all"]).expect("the agent watches");
    let server = SocketAddr::new(STICK.into(), 8_443);
    Open::new(&lab, &host, server).reset_by_server();
    let refused = lab.network.client.enter(|| TcpStream::connect(server).map(drop));
    let refused = refused.expect("in the namespace").map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::ConnectionRefused));
    let report = agent.stop().expect("a summary");
    assert_eq!(report.figure("tcp_flows"), 2, "{}", report.summary);
    assert!(report.figure("resets") >= 2, "{}", report.summary);
    assert!(report.findings.iter().all(|one| one.confidence == "C1"), "{:#?}", report.findings);
}

/// How often an interface is removed, and made again.
const TURNS: usize = 5;

/// An agent on an interface that can be removed.
struct Removable {
    namespace: Namespace,
    agent: Process,
    _directory: tempfile::TempDir,
}

impl Removable {
    fn start() -> Self {
        let namespace = Namespace::alone("router").expect("a namespace; this takes root");
        let directory = tempfile::tempdir().expect("a directory");
        make(&namespace, "v0");
        let mut command = namespace.command(agent::path().expect("which agent to test"));
        command.args(["run", "--iface", "v0", "--no-state"]);
        command.env("FORGEWATCH_CONFIG", "").env("FORGEWATCH_LOG", "info");
        let agent = Process::start_logged("agent", &mut command, directory.path());
        let agent = agent.expect("it can be started");
        let removable = Self { namespace, agent, _directory: directory };
        removable.says("confined:", 1);
        removable
    }

    #[track_caller]
    fn says(&self, words: &str, times: usize) {
        let said = || (self.agent.log().matches(words).count() == times).then_some(());
        wait::until(words, wait::READY, said)
            .unwrap_or_else(|error| panic!("{error:#}\n{}", self.agent.log()));
    }

    fn attached(&self) -> Attachments {
        attached(&self.namespace, "v0").expect("it is there")
    }
}

fn make(namespace: &Namespace, iface: &str) {
    let lines =
        format!("link add {iface} type veth peer name v1\nlink set {iface} up\nlink set v1 up");
    namespace.ip(&lines).expect("an interface");
}

/// Programs on an interface that is there no more would be held for as long as the agent runs.
#[test]
fn an_interface_that_comes_and_goes_costs_nothing() {
    let on = Removable::start();
    let descriptors = || {
        let open = fs::read_dir(format!("/proc/{}/fd", on.agent.pid())).expect("it runs");
        open.count()
    };
    let mut first = None;
    for turn in 1..=TURNS {
        on.namespace.ip("link del v0").expect("it is removed");
        on.says("v0 was removed", turn);
        make(&on.namespace, "v0");
        on.says("v0 is there again, and is watched again", turn);
        assert!(on.attached().any());
        let open = *first.get_or_insert_with(descriptors);
        // For a moment others may be open.
        wait::until("descriptors to be closed", SOON, || (descriptors() == open).then_some(()))
            .unwrap_or_else(|error| panic!("{error:#}: {} and not {open}", descriptors()));
    }
}

/// One of two programs alone would be in the way of the next try.
#[test]
fn where_one_program_cannot_be_put_on_neither_is() {
    let on = Removable::start();
    on.namespace.ip("link del v0").expect("it is removed");
    on.says("v0 was removed", 1);
    make(&on.namespace, "w0");
    let full = Full::start(&on.namespace, "w0").expect("programs that pass");
    on.namespace.ip("link set w0 down\nlink set w0 name v0\nlink set v0 up").expect("its name");
    on.says("cannot attach the tc program to `v0`", 1);
    assert!(!on.attached().xdp, "{}", on.agent.log());
    drop(full);
    on.says("v0 is there again, and is watched again", 1);
    assert!(on.attached().xdp && on.attached().tcx == 1);
}
