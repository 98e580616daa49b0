//! Steps that are announced, timed and, when they fail, explained in one line.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

/// How often a silent step says that it is still at work.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// How many lines of a failed step's log are shown.
const LOG_TAIL: usize = 12;

/// A failure with an exit code of its own.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the process exits with.
    pub(crate) code: u8,
    /// What was tried, why it failed, what to do.
    pub(crate) message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Prints a line on stderr, at once. A reader that has gone away is no reason to stop.
pub(crate) fn say(line: &str) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "xtask: {line}");
    let _ = stderr.flush();
}

/// Runs `work` between a line that says what it is and a line that says how long it took.
pub(crate) fn timed<T>(title: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    say(&format!("{title} ..."));
    let start = Instant::now();
    let outcome = work();
    let word = if outcome.is_ok() { "done" } else { "FAILED" };
    say(&format!("{title}: {word} after {}", seconds(start.elapsed())));
    outcome
}

/// Runs a command that shows its own progress.
///
/// # Errors
///
/// If it cannot be started or does not succeed; `advice` ends the message.
pub(crate) fn show(title: &str, command: &mut Command, advice: &str) -> anyhow::Result<()> {
    timed(title, || {
        let status = command
            .stdin(Stdio::null())
            .status()
            .with_context(|| format!("cannot start {}", shown(command)))?;
        if !status.success() {
            bail!("{} ended with {status}; {advice}", shown(command));
        }
        Ok(())
    })
}

/// Runs a command whose output is of interest only if it fails: it goes to a file, and the step
/// says now and then that it is still at work.
///
/// # Errors
///
/// If it cannot be started or does not succeed: the end of the log is shown, `advice` ends the
/// message.
pub(crate) fn logged(
    title: &str,
    log: &str,
    command: &mut Command,
    advice: &str,
) -> anyhow::Result<()> {
    let directory = root().join("target/xtask");
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let path = directory.join(format!("{log}.log"));
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let errors = file.try_clone().context("cannot share the log file")?;
    timed(title, || {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start {}", shown(command)))?;
        let (done, waiting) = mpsc::channel();
        let watched = title.to_owned();
        let heart = thread::spawn(move || beat(&watched, &waiting));
        let status = child.wait();
        drop(done);
        let _ = heart.join();
        let status = status.with_context(|| format!("cannot wait for {}", shown(command)))?;
        if !status.success() {
            show_tail(&path);
            bail!("{} ended with {status}, see {}; {advice}", shown(command), path.display());
        }
        Ok(())
    })
}

/// Says every [`HEARTBEAT`] that a step goes on, until the other end of the channel is dropped.
fn beat(title: &str, waiting: &mpsc::Receiver<()>) {
    let start = Instant::now();
    while waiting.recv_timeout(HEARTBEAT) == Err(mpsc::RecvTimeoutError::Timeout) {
        say(&format!("{title} ... {}", seconds(start.elapsed())));
    }
}

/// Shows the last lines of a log.
fn show_tail(path: &Path) {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    for line in &lines[lines.len().saturating_sub(LOG_TAIL)..] {
        say(&format!("| {line}"));
    }
}

/// What a command prints, or nothing if it cannot be run or fails: for questions to the system
/// whose "no" is an answer. Its own complaints are not shown.
pub(crate) fn ask(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A command as the user could have typed it, without the environment, in one line.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words
        .map(|word| word.to_string_lossy())
        .map(|word| if word.contains('\n') { "SCRIPT".into() } else { word })
        .collect();
    format!("`{}`", words.join(" "))
}

/// A duration for people: "0.4 s", "1 min 07 s".
pub(crate) fn seconds(elapsed: Duration) -> String {
    let whole = elapsed.as_secs();
    if whole < 60 {
        format!("{:.1} s", elapsed.as_secs_f64())
    } else {
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// Cargo itself, not the rustup proxy: the one that runs us, which is also there under sudo.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    // `/proc/self` belongs to the effective user.
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A command that runs as root with `variables` set: directly, or through sudo, whose own rules
/// about the environment then do not matter.
///
/// # Errors
///
/// If this process is not root and there is no sudo.
pub(crate) fn as_root(program: &OsStr, variables: &[(&str, OsString)]) -> anyhow::Result<Command> {
    if is_root() {
        let mut command = Command::new(program);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        return Ok(command);
    }
    let Ok(sudo) = which::which("sudo") else {
        bail!(
            "{} has to run as root, and there is no sudo; run cargo xtask as root",
            program.to_string_lossy()
        );
    };
    let mut command = Command::new(sudo);
    command.arg("env");
    for (name, value) in variables {
        let mut pair = OsString::from(format!("{name}="));
        pair.push(value);
        command.arg(pair);
    }
    command.arg(program);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(440)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(67)), "1 min 07 s");
    }

    #[test]
    fn a_failed_step_says_what_to_do_next() {
        let error = show("failing", &mut Command::new("false"), "do better").unwrap_err();
        assert!(format!("{error:#}").ends_with("; do better"), "{error:#}");
    }

    #[test]
    fn an_unanswered_question_is_none() {
        assert_eq!(ask(&mut Command::new("/nonexistent/program")), None);
        assert_eq!(ask(&mut Command::new("false")), None);
        assert_eq!(ask(Command::new("echo").arg("yes")).as_deref(), Some("yes\n"));
    }

    #[test]
    fn a_command_is_shown_in_one_line() {
        let mut command = Command::new("sh");
        command.args(["-c", "first\nsecond", "name"]);
        assert_eq!(shown(&command), "`sh -c SCRIPT name`");
    }
}
