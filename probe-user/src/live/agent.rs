//! The agent as a process, and the threads that hear what it says.

use std::{
    ffi::OsString,
    io::{self, BufRead as _, BufReader, Read},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::model::Model;

/// Octets of a line; the rest of a longer one is another line. Findings have a few thousand.
const LINE_MAX: u64 = 1 << 20;

/// See the module.
pub(super) struct Agent {
    child: Child,
    model: Arc<Mutex<Model>>,
    /// Streams of which the end has not come.
    open: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Agent {
    /// Starts this very program as an agent that is told `args`.
    pub(super) fn start(args: &[OsString]) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["run", "--json", "--destinations", "1", "--log", "json"]).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Apart from the terminal: what is typed there is not for it, nor is that it was closed.
        command.process_group(0);
        let child = command.spawn()?;
        Ok(Self { child, model: Arc::default(), open: Arc::default(), threads: Vec::new() })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Begins to listen.
    pub(super) fn listen(&mut self) {
        if let Some(stdout) = self.child.stdout.take() {
            self.hear(stdout);
        }
        if let Some(stderr) = self.child.stderr.take() {
            self.hear(stderr);
        }
    }

    fn hear(&mut self, stream: impl Read + Send + 'static) {
        self.open.fetch_add(1, Ordering::Relaxed);
        let (model, open) = (Arc::clone(&self.model), Arc::clone(&self.open));
        self.threads.push(thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while let Ok(1..) = stream.by_ref().take(LINE_MAX).read_until(b'\n', &mut line) {
                locked(&model).take(String::from_utf8_lossy(&line).trim_end());
                line.clear();
            }
            open.fetch_sub(1, Ordering::Relaxed);
        }));
    }

    /// Whether there may be more to hear.
    pub(super) fn speaks(&self) -> bool {
        self.open.load(Ordering::Relaxed) > 0
    }

    /// What it has said so far.
    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        locked(&self.model)
    }

    /// Tells it to end, and to sum up.
    pub(super) fn interrupt(&self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
    }

    /// Waits for its end, says how the run was, and returns its exit code.
    pub(super) fn wait(mut self) -> io::Result<ExitCode> {
        // Nobody may have begun to.
        self.listen();
        let status = self.child.wait()?;
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
        let model = locked(&self.model);
        if !status.success()
            && let Some(warned) = &model.warned
        {
            eprintln!("{warned}");
        }
        if model.summed_up {
            println!("{}", end(&model));
        }
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
    }
}

/// The run in a line.
fn end(model: &Model) -> String {
    let progress = &model.progress;
    let lost: Vec<_> =
        progress.lost.iter().map(|(name, count)| format!("{name} {count}")).collect();
    format!(
        "{} packets, {} flows, {} findings; lost: {}",
        progress.packets,
        progress.flows,
        progress.findings,
        if lost.is_empty() { "nothing".to_owned() } else { lost.join(", ") }
    )
}

/// What a thread that panicked has left is as good as before: it is only shown.
fn locked(model: &Mutex<Model>) -> MutexGuard<'_, Model> {
    model.lock().unwrap_or_else(PoisonError::into_inner)
}
