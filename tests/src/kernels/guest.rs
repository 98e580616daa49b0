//! The first process of an emulated machine: it makes what programs take for granted, plays the
//! scenario, tells of it, and turns the machine off. On this machine it only plays and tells.

use std::{
    ffi::CString,
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    os::fd::AsFd as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::Context as _;
use nix::{
    kmod::{ModuleInitFlags, finit_module},
    mount::{MsFlags, mount},
    sys::reboot::{RebootMode, reboot},
    unistd::{dup2_stderr, dup2_stdout, pipe},
};

use super::{
    architecture::Architecture,
    scenario::{self, Part},
    told::Told,
};

/// Where the image has the kernel's modules, in the order to load them: one path a line.
pub const MODULES: &str = "/modules/order";

/// Where the agent is in the image.
pub const AGENT: &str = "/usr/bin/forgewatch";

/// Plays the scenario, whatever this process is, and prints what is told.
///
/// # Errors
///
/// If it is not the first process and something cannot be made.
pub fn main() -> anyhow::Result<()> {
    let brief = std::env::args().any(|word| word == Part::Injector.word());
    let play = || scenario::play(if brief { Part::Injector } else { Part::All });
    if std::process::id() != 1 {
        println!("{}", heard(play)?.line()?);
        return Ok(());
    }
    let told = prepare().and_then(|()| heard(play)).unwrap_or_else(|error| Told {
        release: String::new(),
        wrong: vec![format!("{error:#}")],
        ..Told::default()
    });
    let line = told.line()?;
    eprintln!("guest: {line}");
    if let Some(second) = Architecture::HERE.second() {
        // So that the kernel's messages do not come between.
        let sent = File::options().write(true).open(second).and_then(|mut out| {
            writeln!(out, "{line}")?;
            out.flush()
        });
        if let Err(error) = sent {
            eprintln!("guest: cannot write to {second}: {error}");
        }
    }
    nix::unistd::sync();
    reboot(RebootMode::RB_POWER_OFF).context("cannot turn off the machine")?;
    Ok(())
}

/// What a system's first process does before others can work.
fn prepare() -> anyhow::Result<()> {
    for (kind, at) in [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("tmpfs", "/run"),
        ("tmpfs", "/tmp"),
        ("bpf", "/sys/fs/bpf"),
    ] {
        fs::create_dir_all(at)?;
        mount(Some(kind), at, Some(kind), MsFlags::empty(), None::<&str>)
            .with_context(|| format!("cannot mount {kind} at {at}"))?;
    }
    let console = File::options().write(true).open("/dev/console").context("no console")?;
    dup2_stdout(&console)?;
    dup2_stderr(&console)?;
    for path in fs::read_to_string(MODULES).context("no modules")?.lines() {
        load(Path::new(path)).with_context(|| format!("cannot load {path}"))?;
    }
    // SAFETY: no other thread runs yet.
    unsafe {
        std::env::set_var("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        std::env::set_var("FORGEWATCH_BIN", AGENT);
        std::env::set_var("FORGEWATCH_LOG", "info");
        std::env::set_var("RUST_BACKTRACE", "1");
    }
    Ok(())
}

fn load(path: &Path) -> anyhow::Result<()> {
    let file = File::open(path)?;
    match finit_module(file.as_fd(), &CString::default(), ModuleInitFlags::empty()) {
        Ok(()) | Err(nix::errno::Errno::EEXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Runs `play` while keeping what is written to standard error, by it and by what it starts, and
/// writing that through.
fn heard(play: impl FnOnce() -> anyhow::Result<Told>) -> anyhow::Result<Told> {
    let through = std::io::stderr().as_fd().try_clone_to_owned()?;
    let (reader, writer) = pipe()?;
    dup2_stderr(&writer)?;
    drop(writer);
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&lines);
    let mut out = File::from(through.try_clone()?);
    let listener = thread::spawn(move || {
        for line in BufReader::new(File::from(reader)).lines().map_while(Result::ok) {
            // The console may be gone; what is kept is what counts.
            let _ = writeln!(out, "{line}");
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
    let outcome = play();
    dup2_stderr(&through)?;
    // Ends when the last process that writes there has ended.
    let _ = listener.join();
    let mut told = outcome?;
    let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
    let words = lines.iter().filter(|line| !line.starts_with("scenario: "));
    told.words = words.cloned().collect();
    told.words.dedup();
    Ok(told)
}
