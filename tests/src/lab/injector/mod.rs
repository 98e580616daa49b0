//! A censor of our own: it stands beside the path, reads what clients ask for, and races the
//! servers with forged packets. It takes nothing off the wire.
//!
//! It is bounded in all it does: it sends only into the lab's own two devices, a fixed number of
//! packets for each trigger, and stops for good after [`SHOTS_MAX`] triggers.

pub mod craft;
pub mod model;
mod raw;
pub mod read;

pub use raw::Raw;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    os::fd::IntoRawFd as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket, sockopt::RcvBufForce,
};
use pnet::datalink::{self, Channel, DataLinkReceiver, DataLinkSender};

use self::{
    craft::Forged,
    model::Model,
    read::{Packet, Payload},
};
use super::{
    namespace::Namespace,
    network::{DOWN, FAR, is_client},
};

/// Triggers after which it stops: far more than any test has.
pub const SHOTS_MAX: usize = 10_000;

/// Connections whose beginnings are kept at one time.
pub(super) const STREAMS_MAX: usize = 4_096;

/// Octets kept of each beginning: a hello with post-quantum keys has some 1,800.
pub(super) const STREAM_MAX: usize = 8_192;

/// How long it takes from trigger to first forged packet. Devices in use were measured to need some
/// ten milliseconds: the server's answer is then already under way, and comes too late.
const THINKING: Duration = Duration::from_millis(10);

/// How often it looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// Octets of packets that wait to be read: a second of the heaviest traffic that a lab has. A device
/// in use keeps up with its wire; this one waits for a processor now and then.
const BACKLOG: usize = 16 << 20;

/// LinkedIn's names.
pub(super) const LINKEDIN: [&str; 2] = ["linkedin.com", "licdn.com"];

/// What it does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How it resets connections; none: it does not.
    pub resets: Option<Model>,
    /// Whether it forges DNS answers.
    pub dns: bool,
    /// Whether those have the TTL of the question and IP-ID 0, as the third injector of the Great
    /// Firewall's have.
    pub mirrors: bool,
    /// Names that it acts on, with everything under them.
    pub suffixes: Vec<String>,
    /// Servers that it leaves alone.
    pub spared: Vec<IpAddr>,
}

impl Settings {
    /// Resets of `model` and forged answers, for LinkedIn's names.
    pub fn linkedin(model: Model) -> Self {
        Self {
            resets: Some(model),
            dns: true,
            mirrors: false,
            suffixes: LINKEDIN.map(str::to_owned).to_vec(),
            spared: Vec::new(),
        }
    }

    fn acts_on(&self, name: &str) -> bool {
        is_under(name, &self.suffixes)
    }
}

/// Whether `name` is one of `suffixes` or lies under one.
pub(super) fn is_under(name: &str, suffixes: &[String]) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    suffixes.iter().any(|suffix| {
        name.strip_suffix(suffix.as_str())
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

/// What was done to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shot {
    /// What was interfered with.
    pub what: What,
    /// The name that triggered it.
    pub name: String,
    /// Who asked.
    pub client: SocketAddr,
    /// Who was asked.
    pub server: SocketAddr,
    /// Forged packets towards the client: they pass the router.
    pub to_client: usize,
}

/// What is interfered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A connection.
    Connection,
    /// A DNS answer.
    Answer,
}

/// The censor at work, stopped when dropped.
#[derive(Debug)]
pub struct Injector {
    stop: Arc<AtomicBool>,
    shots: Arc<Mutex<Vec<Shot>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Injector {
    /// Starts it in the upstream box.
    ///
    /// # Errors
    ///
    /// If it cannot open the devices there.
    pub fn start(upstream: &Namespace, settings: Settings) -> anyhow::Result<Self> {
        let (down, receiver) = upstream.enter(|| open(DOWN))??;
        let (far, _) = upstream.enter(|| open(FAR))??;
        let mut injector = Self { stop: Arc::default(), shots: Arc::default(), threads: vec![] };
        let (orders, queue) = channel();
        let sends = thread::Builder::new().name("injector out".into());
        injector.threads.push(sends.spawn(move || send(down, far, &queue))?);
        let watcher = Watcher {
            settings,
            streams: HashMap::new(),
            shots: Arc::clone(&injector.shots),
            orders,
        };
        let stop = Arc::clone(&injector.stop);
        let watches = thread::Builder::new().name("injector in".into());
        injector.threads.push(watches.spawn(move || watcher.watch(receiver, &stop))?);
        Ok(injector)
    }

    /// What it has done so far.
    pub fn shots(&self) -> Vec<Shot> {
        self.shots.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it has done to connections, or to answers.
    pub fn shots_at(&self, what: What) -> Vec<Shot> {
        self.shots().into_iter().filter(|shot| shot.what == what).collect()
    }
}

impl Drop for Injector {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so; dropping must not panic again.
            let _ = thread.join();
        }
    }
}

pub(crate) type Ends = (Box<dyn DataLinkSender>, Box<dyn DataLinkReceiver>);

/// Opens a device of the calling thread's namespace.
pub(crate) fn open(device: &str) -> anyhow::Result<Ends> {
    let interfaces = datalink::interfaces();
    let interface = interfaces
        .iter()
        .find(|interface| interface.name == device)
        .with_context(|| format!("there is no device {device}"))?;
    let socket =
        socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
            .context("cannot open a packet socket")?;
    setsockopt(&socket, RcvBufForce, &BACKLOG)
        .context("cannot make room for packets to wait in")?;
    let config = datalink::Config {
        read_timeout: Some(LOOK),
        // Who reads the channel closes it.
        socket_fd: Some(socket.into_raw_fd()),
        ..datalink::Config::default()
    };
    match datalink::channel(interface, config) {
        Ok(Channel::Ethernet(sender, receiver)) => Ok((sender, receiver)),
        Ok(_) => bail!("{device} is of a kind that cannot be used"),
        Err(error) => Err(error).with_context(|| format!("cannot open {device}")),
    }
}

/// A packet and when and where it is to go.
#[derive(Debug)]
struct Order {
    due: Instant,
    /// Towards the client: with an Ethernet header; otherwise the bare IP packet.
    to_client: bool,
    octets: Vec<u8>,
}

fn send(
    mut down: Box<dyn DataLinkSender>,
    mut far: Box<dyn DataLinkSender>,
    orders: &Receiver<Order>,
) {
    while let Ok(order) = orders.recv() {
        if let Some(rest) = order.due.checked_duration_since(Instant::now()) {
            thread::sleep(rest);
        }
        let sender = if order.to_client { &mut down } else { &mut far };
        if let Some(Err(error)) = sender.send_to(&order.octets, None) {
            eprintln!("the injector cannot send: {error}");
        }
    }
}

/// What a client has sent of one connection so far.
#[derive(Debug)]
struct Stream {
    next: u32,
    octets: Vec<u8>,
}

struct Watcher {
    settings: Settings,
    streams: HashMap<(SocketAddr, SocketAddr), Stream>,
    shots: Arc<Mutex<Vec<Shot>>>,
    orders: Sender<Order>,
}

impl Watcher {
    fn watch(mut self, mut receiver: Box<dyn DataLinkReceiver>, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            // An error is nearly always the time-out, after which the loop looks again.
            let Ok(frame) = receiver.next() else { continue };
            let Some(packet) = Packet::read(frame) else { continue };
            let from_client = is_client(packet.from.ip());
            let spared = self.settings.spared.contains(&packet.to.ip());
            if from_client && !spared && self.shot_count() < SHOTS_MAX {
                self.take(&packet);
            }
        }
    }

    fn take(&mut self, packet: &Packet<'_>) {
        match &packet.payload {
            Payload::Tcp { seq, opens, octets, .. } => {
                let key = (packet.from, packet.to);
                if *opens {
                    if self.streams.len() >= STREAMS_MAX {
                        self.streams.clear();
                    }
                    let stream = Stream { next: seq.wrapping_add(1), octets: Vec::new() };
                    self.streams.insert(key, stream);
                    return;
                }
                let Some(stream) = self.streams.get_mut(&key) else { return };
                if octets.is_empty() || *seq != stream.next || stream.octets.len() > STREAM_MAX {
                    return;
                }
                stream.next = seq.wrapping_add(octets.len() as u32);
                stream.octets.extend_from_slice(octets);
                let name = read::server_name(&stream.octets);
                if let Some(name) = name
                    && self.settings.acts_on(&name)
                {
                    self.streams.remove(&key);
                    self.cut(packet, name);
                }
            }
            Payload::Udp { octets } if packet.to.port() == 53 => {
                if let Some((name, kind)) = read::question(octets)
                    && self.settings.dns
                    && self.settings.acts_on(&name)
                    && let Some(answer) = craft::answer(octets, kind)
                {
                    let mirrored = self.settings.mirrors.then_some(packet.hops);
                    let forged = craft::datagram(packet.to, packet.from, mirrored, &answer);
                    self.order(packet, vec![forged], vec![]);
                    self.note(What::Answer, name, packet, 1);
                }
            }
            Payload::Udp { .. } => {}
        }
    }

    /// Resets a connection at both ends.
    fn cut(&mut self, packet: &Packet<'_>, name: String) {
        let Some(model) = self.settings.resets else { return };
        let Payload::Tcp { seq, ack, octets, .. } = &packet.payload else { return };
        let next = seq.wrapping_add(octets.len() as u32);
        let to_client: Vec<Forged> = model
            .burst()
            .iter()
            .map(|one| craft::reset(packet.to, packet.from, *ack, next, one))
            .collect();
        let to_server = model
            .burst()
            .iter()
            .map(|one| craft::reset(packet.from, packet.to, next, *ack, one))
            .collect();
        let count = to_client.len();
        self.order(packet, to_client, to_server);
        self.note(What::Connection, name, packet, count);
    }

    fn order(&self, trigger: &Packet<'_>, to_client: Vec<Forged>, to_server: Vec<Forged>) {
        let due = Instant::now() + THINKING;
        let to_client = to_client
            .into_iter()
            .map(|forged| (true, craft::framed(&forged, trigger.mac_to, trigger.mac_from)));
        let to_server = to_server.into_iter().map(|forged| (false, forged.0));
        for (to_client, octets) in to_client.chain(to_server) {
            // Only when the sending thread has gone, which it says.
            let _ = self.orders.send(Order { due, to_client, octets });
        }
    }

    fn note(&self, what: What, name: String, packet: &Packet<'_>, to_client: usize) {
        let shot = Shot { what, name, client: packet.from, server: packet.to, to_client };
        self.shots.lock().unwrap_or_else(PoisonError::into_inner).push(shot);
    }

    fn shot_count(&self) -> usize {
        self.shots.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// The address family's IP version.
const fn version(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 4,
        IpAddr::V6(_) => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::{Model, Settings};

    #[test]
    fn suffixes_end_at_labels() {
        let settings = Settings::linkedin(Model::TypeTwo);
        assert!(settings.acts_on("linkedin.com") && settings.acts_on("WWW.LinkedIn.com."));
        assert!(!settings.acts_on("notlinkedin.com") && !settings.acts_on("example.org"));
    }
}
