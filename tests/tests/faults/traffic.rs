//! What passes during a fault: a ping at short intervals, and a transfer.

use std::{
    collections::BTreeSet,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use probe_tests::lab::{Lab, namespace::Namespace, network::OTHER, process::Process};

/// From one ping to the next, in seconds.
const EVERY: &str = "0.02";

/// Where the upstream box is: a ping passes the router and comes back at once.
const UPSTREAM: &str = "10.71.2.2";

/// The longest that nothing of the transfer may arrive. A machine that has other things to do stalls one for
/// tenths of a second; a connection that lost its segments is silent until its timer fires again, and a router
/// that does not forward for as long as it lasts.
pub(super) const STALL: Duration = Duration::from_secs(1);

/// The server's port.
const PORT: u16 = 8_080;

/// Octets that are sent in one go, and how often: 3 MB a second, less than the long wire takes.
const CHUNK: (usize, Duration) = (30_000, Duration::from_millis(10));

/// A thread in a namespace.
type Thread<T> = JoinHandle<anyhow::Result<T>>;

/// See the module.
pub(super) struct Traffic {
    ping: Process,
    stop: Arc<AtomicBool>,
    server: Thread<()>,
    client: Thread<Transfer>,
}

/// What arrived.
struct Transfer {
    octets: u64,
    /// The longest that nothing did.
    silence: Duration,
    elapsed: Duration,
}

impl Traffic {
    /// From `client` through the router.
    pub(super) fn start(lab: &Lab, client: &Namespace) -> Self {
        let mut command = client.command("ping");
        command.args(["-n", "-i", EVERY, UPSTREAM]);
        let ping = Process::start_logged("ping", &mut command, lab.directory()).expect("ping runs");
        let stop = Arc::new(AtomicBool::new(false));
        let address = SocketAddr::new(OTHER.v4.into(), PORT);
        let listener = lab.network.server.enter(|| TcpListener::bind(address));
        let listener = listener.expect("in the namespace").expect("a free port");
        let over = Arc::clone(&stop);
        let serve = move || {
            let (mut stream, _) = listener.accept()?;
            let (octets, every) = CHUNK;
            let data = vec![0x5a; octets];
            while !over.load(Ordering::Relaxed) && stream.write_all(&data).is_ok() {
                thread::sleep(every);
            }
            Ok(())
        };
        let server = lab.network.server.spawn("serves", serve).expect("a thread");
        let over = Arc::clone(&stop);
        let client = client.spawn("fetches", move || fetch(address, &over)).expect("a thread");
        Self { ping, stop, server, client }
    }

    /// No ping was lost, and the transfer never stalled.
    #[track_caller]
    pub(super) fn never_stopped(mut self) {
        assert!(self.ping.is_running(), "{}", self.ping.log());
        self.ping.signal(Signal::SIGINT).expect("it was running");
        self.ping.wait(super::SOON).expect("it ends");
        let (answered, lost) = answered(&self.ping.log());
        self.stop.store(true, Ordering::Relaxed);
        let transfer = self.client.join().expect("no panic").expect("it fetches");
        self.server.join().expect("no panic").expect("it serves");
        let Transfer { octets, silence, elapsed } = transfer;
        println!("{answered} pings, {octets} octets in {elapsed:.1?}, {silence:?} without any");
        assert!(lost.is_empty(), "pings without an answer: {lost:?} of {answered}");
        assert!(answered > 10 && octets > 1_000_000, "{answered} pings, {octets} octets");
        assert!(silence < STALL, "nothing of the transfer for {silence:?}");
    }
}

/// How many pings were answered, and the numbers of those before the last that were not.
fn answered(log: &str) -> (usize, Vec<u32>) {
    let numbers = log.lines().filter(|line| line.contains(" bytes from ")).filter_map(|line| {
        let (_, rest) = line.split_once("icmp_seq=")?;
        rest.split(' ').next()?.parse().ok()
    });
    let numbers = numbers.collect::<BTreeSet<u32>>();
    let last = numbers.last().copied().unwrap_or_default();
    (numbers.len(), (1..last).filter(|number| !numbers.contains(number)).collect())
}

fn fetch(address: SocketAddr, over: &AtomicBool) -> anyhow::Result<Transfer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_millis(50)))?;
    let start = Instant::now();
    let (mut last, mut silence, mut octets) = (start, Duration::ZERO, 0);
    let mut data = vec![0; 65_536];
    while !over.load(Ordering::Relaxed) {
        match stream.read(&mut data) {
            Ok(0) => break,
            Ok(count) => {
                octets += count as u64;
                silence = silence.max(last.elapsed());
                last = Instant::now();
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Transfer { octets, silence: silence.max(last.elapsed()), elapsed: start.elapsed() })
}

#[test]
fn a_ping_without_an_answer_is_noticed() {
    let line = |number| format!("64 bytes from 10.71.2.2: icmp_seq={number} ttl=63 time=0.1 ms\n");
    let log: String = [1, 2, 4, 6].map(line).concat();
    assert_eq!(answered(&log), (4, vec![3, 5]));
    assert_eq!(answered(""), (0, vec![]));
}
