//! A long wire: two TUN devices, and this process carrying packets from one to the other, each
//! after a delay.
//!
//! Without distance there is no race to win: everything in a lab is tens of microseconds away. The
//! kernel's own way to get distance (netem) is not in every kernel. A TUN device has no offloads
//! unless asked for, so what comes out of it are packets as they go over a real wire: cut to size,
//! checksums filled in.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::fs::OpenOptionsExt as _,
    },
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{
    inpath::{InPath, Way},
    namespace::Namespace,
};

/// Packets under way in each direction, at most; more are dropped and counted, as by a full queue.
const QUEUE: usize = 65_536;

/// Largest packet: a TUN device's default MTU, and room to spare.
const PACKET_MAX: usize = 2_048;

/// How often the carriers look whether they are still wanted.
const LOOK_MS: u16 = 50;

/// The wire, cut when dropped.
#[derive(Debug)]
pub struct Wire {
    stop: Arc<AtomicBool>,
    dropped: Arc<AtomicU64>,
    censor: Arc<OnceLock<Arc<InPath>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Wire {
    /// Makes device `near.1` in namespace `near.0` and `far.1` in `far.0`, and carries packets
    /// between them, each for `delay`.
    ///
    /// # Errors
    ///
    /// If a device cannot be made.
    pub(super) fn new(
        near: (&Namespace, &str),
        far: (&Namespace, &str),
        delay: Duration,
    ) -> anyhow::Result<Self> {
        let near = near.0.enter(|| open_tun(near.1))??;
        let far = far.0.enter(|| open_tun(far.1))??;
        let mut wire = Self {
            stop: Arc::default(),
            dropped: Arc::default(),
            censor: Arc::default(),
            threads: Vec::new(),
        };
        wire.carry(near.try_clone()?, far.try_clone()?, Way::Out, delay)?;
        wire.carry(far, near, Way::Back, delay)?;
        Ok(wire)
    }

    /// Lets every packet pass through the hands of `censor` from now on.
    ///
    /// # Errors
    ///
    /// If there is one already.
    pub(super) fn put(&self, censor: Arc<InPath>) -> anyhow::Result<()> {
        self.censor.set(censor).ok().context("there is a censor in this wire already")
    }

    /// Packets that found the queue full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn carry(&mut self, from: File, to: File, way: Way, delay: Duration) -> anyhow::Result<()> {
        let (sender, receiver) = sync_channel(QUEUE);
        let (stop, dropped) = (Arc::clone(&self.stop), Arc::clone(&self.dropped));
        let censor = Arc::clone(&self.censor);
        let take = thread::Builder::new().name("wire in".into());
        self.threads.push(take.spawn(move || take_in(from, delay, &sender, &stop, &dropped))?);
        let give = thread::Builder::new().name("wire out".into());
        self.threads.push(give.spawn(move || give_out(to, way, &censor, &receiver))?);
        Ok(())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A carrier that panicked has said so; dropping must not panic again.
            let _ = thread.join();
        }
    }
}

/// A packet and when it is due at the other end.
type Underway = (Instant, Vec<u8>);

fn take_in(
    mut from: File,
    delay: Duration,
    sender: &SyncSender<Underway>,
    stop: &AtomicBool,
    dropped: &AtomicU64,
) {
    let mut packet = [0; PACKET_MAX];
    while !stop.load(Ordering::Relaxed) {
        match from.read(&mut packet) {
            Ok(len) => match sender.try_send((Instant::now() + delay, packet[..len].to_vec())) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    dropped.fetch_add(1, Ordering::Relaxed);
                }
                Err(TrySendError::Disconnected(_)) => return,
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut descriptors = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
                // Interrupted or not, the loop looks again.
                let _ = poll(&mut descriptors, PollTimeout::from(LOOK_MS));
            }
            // The device is down or gone with its namespace.
            Err(_) => thread::sleep(Duration::from_millis(LOOK_MS.into())),
        }
    }
}

fn give_out(mut to: File, way: Way, censor: &OnceLock<Arc<InPath>>, receiver: &Receiver<Underway>) {
    // Ends when the other carrier, who has the sender, does.
    while let Ok((due, mut packet)) = receiver.recv() {
        if let Some(rest) = due.checked_duration_since(Instant::now()) {
            thread::sleep(rest);
        }
        if censor.get().is_some_and(|censor| !censor.passes(way, &mut packet)) {
            continue;
        }
        // A device that does not take it loses it, as a wire does.
        let _ = to.write(&packet);
    }
}

/// Makes a TUN device in the namespace of the calling thread.
fn open_tun(name: &str) -> anyhow::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
    let tun = options.open("/dev/net/tun").context("cannot open /dev/net/tun")?;
    // SAFETY: all zero is a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().take(libc::IFNAMSIZ - 1).zip(name.bytes()) {
        // Signed on x86-64, unsigned on aarch64.
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the request outlives the call, and the kernel reads and writes only it.
    let code = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) };
    if code != 0 {
        return Err(io::Error::last_os_error()).context("cannot make a TUN device");
    }
    Ok(tun)
}
