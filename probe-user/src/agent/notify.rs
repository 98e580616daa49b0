//! What the service manager is told: `sd_notify(3)`. Without one (`NOTIFY_SOCKET` is not set) all this does
//! nothing.
//!
//! Nobody waits for it: what its socket has no room for is not told, and the loop goes on.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write as _,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::{Duration, Instant},
};

use sd_notify::NotifyState;

/// Where the service manager listens: a path, or `@` and a name that is in no file system.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Tells the service manager.
pub(super) struct Manager {
    socket: Option<OsString>,
    /// How often it wants to hear that the loop turns: half of what it waits for.
    watchdog: Option<Duration>,
    heard: Instant,
    /// Messages in a row that it had no room for, or that could not be sent.
    untold: u64,
}

impl Manager {
    pub(super) fn new() -> Self {
        let watchdog = sd_notify::watchdog_enabled().map(|period| period / 2);
        Self::at(std::env::var_os(SOCKET), watchdog)
    }

    fn at(socket: Option<OsString>, watchdog: Option<Duration>) -> Self {
        let socket = socket.filter(|socket| !socket.is_empty());
        Self { socket, watchdog, heard: Instant::now(), untold: 0 }
    }

    /// The programs are attached and the ring is read.
    pub(super) fn ready(&mut self, words: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(words)]);
    }

    pub(super) fn status(&mut self, words: &str) {
        self.tell(&[NotifyState::Status(words)]);
    }

    /// The configuration is about to be read; [`Manager::ready`] says that it has been.
    pub(super) fn reloading(&mut self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => {
                self.tell(&[NotifyState::Reloading, now]);
            }
            Err(error) => tracing::warn!("cannot read the clock for the service manager: {error}"),
        }
    }

    pub(super) fn stopping(&mut self) {
        self.tell(&[NotifyState::Stopping]);
    }

    /// The loop turns: by itself, so that nobody is told that it does when it does not.
    pub(super) fn turn(&mut self) {
        if self.watchdog.is_some_and(|period| self.heard.elapsed() >= period) {
            // If there is no room for it now, the next turn tries again.
            let told = self.tell(&[NotifyState::Watchdog]);
            if told {
                self.heard = Instant::now();
            }
        }
    }

    /// Tells it, if it takes that at once; returns whether it did.
    fn tell(&mut self, states: &[NotifyState<'_>]) -> bool {
        let Some(socket) = &self.socket else { return true };
        let message = states.iter().fold(String::new(), |mut message, state| {
            let _ = writeln!(message, "{state}");
            message
        });
        match send(socket, message.as_bytes()) {
            Ok(()) => {
                if self.untold > 0 {
                    tracing::info!(
                        "the service manager takes messages again; {} are lost",
                        self.untold
                    );
                }
                self.untold = 0;
                true
            }
            Err(error) => {
                // Once, until it takes one.
                if self.untold == 0 {
                    let why = if error.kind() == io::ErrorKind::WouldBlock {
                        "it does not read what it was told before".to_owned()
                    } else {
                        error.to_string()
                    };
                    tracing::warn!("cannot tell the service manager: {why}; detection goes on");
                }
                self.untold += 1;
                false
            }
        }
    }
}

/// Sends one message, without waiting.
fn send(socket: &OsStr, message: &[u8]) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let sender = UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    sender.send_to_addr(message, &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_that_does_not_read_is_not_waited_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let mut manager = Manager::at(Some(path.into()), None);
        let begin = Instant::now();
        // Whatever the kernel lets wait there (net.unix.max_dgram_qlen): 10, 512.
        let mut told = 0;
        while manager.untold == 0 {
            manager.status("watching");
            told += 1;
            assert!(told < 100_000, "there is room without end");
        }
        manager.status("watching still");
        assert_eq!(manager.untold, 2);
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
        let mut message = [0; 64];
        let len = socket.recv(&mut message).expect("what was told is there");
        assert_eq!(&message[..len], b"STATUS=watching\n");
        manager.status("again");
        assert_eq!(manager.untold, 0);
    }

    #[test]
    fn a_name_in_no_file_system_is_one_too() {
        let name = format!("forgewatch-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        Manager::at(Some(format!("@{name}").into()), None).stopping();
        let mut message = [0; 64];
        let len = socket.recv(&mut message).expect("a message");
        assert_eq!(&message[..len], b"STOPPING=1\n");
    }
}
