//! A terminal: its screen is read, its keys are pressed.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context as _;
use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    pty::{OpenptyResult, Winsize, openpty},
    sys::termios::{FlowArg, LocalFlags, tcflow, tcgetattr},
};

use super::{process::Process, wait};

/// Its lines and columns.
const SIZE: (u16, u16) = (26, 118);

/// How often, in milliseconds, it is looked whether the terminal is to go.
const LOOK: u8 = 50;

/// A terminal, and the program that has it.
pub struct Terminal {
    /// What the program sees.
    slave: OwnedFd,
    keys: File,
    reader: Option<JoinHandle<()>>,
    going: Arc<AtomicBool>,
    parser: Arc<Mutex<vt100::Parser>>,
    /// The program; ended with the terminal.
    pub process: Process,
}

impl Terminal {
    /// Starts `command` on a new terminal; `name` is for people.
    ///
    /// # Errors
    ///
    /// If there is no terminal, or the command cannot be started.
    pub fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        Self::with(name, command, None)
    }

    /// The same of a command that reads something else, and is asked for keys at `/dev/tty`: the
    /// terminal is the one that controls it. It must not have been put into a group.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn control(name: &str, command: &mut Command, stdin: Stdio) -> anyhow::Result<Self> {
        let become_controlled = || {
            // SAFETY: system calls that may be made between fork and exec; standard error is the terminal.
            let done = unsafe { libc::setsid() >= 0 && libc::ioctl(2, libc::TIOCSCTTY, 0) == 0 };
            if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        };
        // SAFETY: see there.
        unsafe { command.pre_exec(become_controlled) };
        Self::with(name, command, Some(stdin))
    }

    fn with(name: &str, command: &mut Command, stdin: Option<Stdio>) -> anyhow::Result<Self> {
        let (rows, columns) = SIZE;
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).context("a terminal")?;
        // Else the command itself would have the other end, and keep the terminal from going.
        for end in [&master, &slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).context("a terminal")?;
        }
        let end = || slave.try_clone().map(Stdio::from);
        let stdin = stdin.map_or_else(end, Ok)?;
        command.stdin(stdin).stdout(end()?).stderr(end()?).env("TERM", "xterm-256color");
        let process = Process::start(name, command)?;
        // The command has ends of the terminal, which would keep it open.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let parser = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let (keys, screen) = (File::from(master.try_clone()?), Arc::clone(&parser));
        let going = Arc::new(AtomicBool::new(false));
        let goes = Arc::clone(&going);
        // Ends with the last end of the terminal, which is ours, or when that is to go.
        let reader = thread::Builder::new().name("terminal".into()).spawn(move || {
            let (mut master, mut octets) = (File::from(master), [0; 4_096]);
            while !goes.load(Ordering::Relaxed) {
                let mut waited = [PollFd::new(master.as_fd(), PollFlags::POLLIN)];
                if poll(&mut waited, PollTimeout::from(LOOK)) == Ok(0) {
                    continue;
                }
                // The end of a terminal is an error.
                let Ok(count @ 1..) = master.read(&mut octets) else { return };
                screen.lock().unwrap_or_else(PoisonError::into_inner).process(&octets[..count]);
            }
        })?;
        Ok(Self { slave, keys, reader: Some(reader), going, parser, process })
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        self.parser.lock().unwrap_or_else(PoisonError::into_inner).screen().contents()
    }

    /// Presses keys.
    ///
    /// # Errors
    ///
    /// If the terminal has gone.
    pub fn press(&mut self, keys: &str) -> anyhow::Result<()> {
        self.keys.write_all(keys.as_bytes()).context("pressing keys")
    }

    /// Waits until `words` are all on the screen.
    ///
    /// # Errors
    ///
    /// If they are not in time; with what is.
    pub fn shows(&self, words: &[&str], limit: Duration) -> anyhow::Result<()> {
        let missing = || words.iter().find(|word| !self.screen().contains(**word));
        wait::until("the screen", limit, || missing().is_none().then_some(()))
            .with_context(|| format!("no {:?} in\n{}", missing(), self.screen()))
    }

    /// Holds up what is written to it, or lets it go on.
    ///
    /// # Errors
    ///
    /// If the terminal has gone.
    pub fn hold(&self, held: bool) -> anyhow::Result<()> {
        let how = if held { FlowArg::TCOOFF } else { FlowArg::TCOON };
        tcflow(&self.slave, how).context("holding up a terminal")
    }

    /// Takes the terminal away, as when a line is cut; what had it goes on.
    ///
    /// # Errors
    ///
    /// If who reads the screen has panicked.
    pub fn cut(mut self) -> anyhow::Result<Cut> {
        self.going.store(true, Ordering::Relaxed);
        let joined = self.reader.take().map(JoinHandle::join).transpose();
        joined.map_err(|_| anyhow::anyhow!("reading the screen panicked"))?;
        // The other end: with the last one of these the terminal goes.
        self.keys = File::open("/dev/null")?;
        Ok(Cut(self))
    }

    /// Whether it is as it was before the program: keys are shown and gathered into lines, and the
    /// screen is the ordinary one.
    ///
    /// # Errors
    ///
    /// If the terminal has gone.
    pub fn is_restored(&self) -> anyhow::Result<bool> {
        let flags = tcgetattr(&self.slave)?.local_flags;
        let parser = self.parser.lock().unwrap_or_else(PoisonError::into_inner);
        let ordinary = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG;
        Ok(flags.contains(ordinary) && !parser.screen().alternate_screen())
    }
}

/// What is left of a [`Terminal`] that was cut.
pub struct Cut(Terminal);

impl Cut {
    /// The program that had it.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.0.process
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.process.kill();
    }
}
