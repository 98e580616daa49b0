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
use crate::cli::Failure;

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
                let fault = loop {
                    match stream.by_ref().take(LINE_MAX).read_until(b'\n', &mut line) {
                        Ok(0) => break None,
                        Ok(_) => locked(&model).take(String::from_utf8_lossy(&line).trim_end()),
                        Err(error) => break Some(error.to_string()),
                    }
                    line.clear();
                };
                let mut model = locked(&model);
                model.over = open.fetch_sub(1, Ordering::Relaxed) == 1;
                model.fault = model.fault.take().or(fault);
            }));
        }
    }

    /// Whether it is an agent that has ended, or a file that is no agent's. The end of another one is there to be
    /// looked at.
    pub(super) fn is_over(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0 && (self.agent.is_some() || self.refused().is_some())
    }

    /// Why a file cannot be shown, once it was read.
    fn refused(&self) -> Option<String> {
        let model = self.model();
        match &model.fault {
            Some(fault) => Some(fault.clone()),
            None if model.is_foreign() => Some(
                "it has no record in it; give what `run --json` or `replay --json` wrote".into(),
            ),
            None => None,
        }
    }

    /// What was said so far.
    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        locked(&self.model)
    }

    /// Has an agent end, and sum up; says how the run was, and returns its exit code. `title` is what a file is called.
    pub(super) fn end(mut self, title: &str) -> Result<ExitCode, Failure> {
        let Some(mut agent) = self.agent.take() else {
            return match self.refused() {
                Some(why) => Err(Failure::Record(format!("cannot show {title}: {why}"))),
                None => Ok(ExitCode::SUCCESS),
            };
        };
        if let Ok(pid) = i32::try_from(agent.id()) {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
        // Nobody may have begun to.
        self.listen();
        let status = agent
            .wait()
            .map_err(|error| Failure::Other(format!("cannot wait for the agent: {error}")))?;
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
        match status.signal() {
            Some(signal) => Err(Failure::Other(killed(signal))),
            None => Ok(ExitCode::from(
                status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
            )),
        }
    }
}

/// Of an agent that was killed.
fn killed(signal: i32) -> String {
    let name = Signal::try_from(signal).map(|signal| format!(" ({signal})")).unwrap_or_default();
    format!(
        "the agent was killed by signal {signal}{name}: what it has not told is lost, and there is no summary; start it \
         again"
    )
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
