//! Keys that are pressed on the terminal, and whether it is there still.
//!
//! The library that reads keys does so without an end if the terminal goes, or stops in the middle of a key. So a
//! thread of its own reads, and nobody waits for it.

use std::{
    fs::File,
    io::{self, IsTerminal as _},
    os::fd::{AsFd as _, OwnedFd},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ratatui::crossterm::event::{self, Event};

/// Keys that wait to be heeded; further ones wait in the terminal.
const WAITING_MAX: usize = 64;

/// The terminal is there no more: a line was cut, or a window closed.
const GONE: PollFlags = PollFlags::POLLHUP.union(PollFlags::POLLERR).union(PollFlags::POLLNVAL);

/// See the module.
pub(super) struct Keys {
    terminal: OwnedFd,
    pressed: Receiver<io::Result<Event>>,
}

impl Keys {
    /// Opens the terminal: standard input, or where that is something else the one that controls this process. To be
    /// done before files are given up.
    pub(super) fn open() -> io::Result<OwnedFd> {
        // So that what waits for keys is there.
        event::poll(Duration::ZERO)?;
        if io::stdin().is_terminal() {
            io::stdin().as_fd().try_clone_to_owned()
        } else {
            Ok(File::open("/dev/tty")?.into())
        }
    }

    /// Begins to read what [`Self::open`] has opened.
    pub(super) fn start(terminal: OwnedFd) -> io::Result<Self> {
        let (heard, pressed) = sync_channel(WAITING_MAX);
        let own = terminal.try_clone()?;
        thread::Builder::new().name("keys".into()).spawn(move || read(&own, &heard))?;
        Ok(Self { terminal, pressed })
    }

    /// What is pressed within `limit`: as soon as there is something, all that there is by then.
    pub(super) fn wait(&self, limit: Duration) -> io::Result<Vec<Event>> {
        match self.pressed.recv_timeout(limit) {
            Ok(first) => {
                std::iter::once(first).chain(self.pressed.try_iter().take(WAITING_MAX)).collect()
            }
            Err(RecvTimeoutError::Timeout) => Ok(Vec::new()),
            Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Whether the terminal is there no more.
    pub(super) fn are_gone(&self) -> bool {
        is_gone(&self.terminal, PollFlags::empty(), PollTimeout::ZERO)
    }
}

fn read(terminal: &OwnedFd, heard: &SyncSender<io::Result<Event>>) {
    while !is_gone(terminal, PollFlags::POLLIN, PollTimeout::NONE) {
        if heard.send(event::read()).is_err() {
            return;
        }
        // What was read at once with that comes without waiting.
        while event::poll(Duration::ZERO).is_ok_and(|more| more) {
            if heard.send(event::read()).is_err() {
                return;
            }
        }
    }
}

/// Waits until there is something of `wanted`, or the terminal is gone; says whether it is.
fn is_gone(terminal: &OwnedFd, wanted: PollFlags, limit: PollTimeout) -> bool {
    let mut waited = [PollFd::new(terminal.as_fd(), wanted)];
    match poll(&mut waited, limit) {
        // A signal, such as that of another size.
        Err(nix::Error::EINTR) => false,
        Err(_) => true,
        Ok(_) => waited[0].revents().is_some_and(|found| found.intersects(GONE)),
    }
}
