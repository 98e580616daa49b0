//! Whoever speaks, an agent or a file, and the threads that hear what is said.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufRead as _, BufReader, Read, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::Path,
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

/// A stream of lines.
type Lines = Box<dyn Read + Send>;

/// See the module.
pub(super) struct Speaker {
    agent: Option<Child>,
    /// Streams that nobody listens to yet.
    silent: Vec<Lines>,
    /// Streams of which the end has not come.
    open: Arc<AtomicUsize>,
    model: Arc<Mutex<Model>>,
    threads: Vec<JoinHandle<()>>,
}

impl Speaker {
    /// Starts this very program as an agent that is told `args`.
    pub(super) fn agent(args: &[OsString]) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["run", "--json", "--destinations", "1", "--log", "json"]).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Apart from the terminal: what is typed there is not for it, nor is that it was closed.
        command.process_group(0);
        let mut agent = command.spawn()?;
        let stdout = agent.stdout.take().map(|stream| Box::new(stream) as Lines);
        let stderr = agent.stderr.take().map(|stream| Box::new(stream) as Lines);
        Ok(Self::new(Some(agent), stdout.into_iter().chain(stderr).collect()))
    }

    /// Opens a file of what an agent or a replay has said, or says; `-` is standard input.
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        let lines: Lines = if path.as_os_str() == "-" {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path)?)
        };
        Ok(Self::new(None, vec![lines]))
    }

    fn new(agent: Option<Child>, silent: Vec<Lines>) -> Self {
        let open = Arc::new(AtomicUsize::new(silent.len()));
        Self { agent, silent, open, model: Arc::default(), threads: Vec::new() }
    }

    /// The agent's process.
    pub(super) fn pid(&self) -> Option<u32> {
        self.agent.as_ref().map(Child::id)
    }

    /// Begins to listen.
    pub(super) fn listen(&mut self) {
        for stream in self.silent.drain(..) {
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
    }

    /// Whether it is an agent that has ended. The end of a file is there to be looked at.
    pub(super) fn is_over(&self) -> bool {
        self.agent.is_some() && self.open.load(Ordering::Relaxed) == 0
    }

    /// What was said so far.
    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        locked(&self.model)
    }

    /// Has an agent end, and sum up; says how the run was, and returns its exit code.
    pub(super) fn end(mut self) -> io::Result<ExitCode> {
        let Some(mut agent) = self.agent.take() else { return Ok(ExitCode::SUCCESS) };
        if let Ok(pid) = i32::try_from(agent.id()) {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
        // Nobody may have begun to.
        self.listen();
        let status = agent.wait()?;
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
        let model = locked(&self.model);
        if !status.success()
            && let Some(warned) = &model.warned
        {
            // The terminal may be there no more.
            let _ = writeln!(io::stderr(), "{warned}");
        }
        if model.summed_up {
            let _ = writeln!(io::stdout(), "{}", words(&model));
        }
        let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
        Ok(ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
    }
}

/// The run in a line.
fn words(model: &Model) -> String {
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
