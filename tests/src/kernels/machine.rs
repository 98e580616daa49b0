//! The emulated machine.
//!
//! Its clock counts instructions, one a nanosecond, and jumps when nothing is to be done. So what
//! happens in it does not depend on how fast or busy this machine is, and waiting takes no time.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use super::{architecture::Architecture, archive::Unpacked, scenario::Part, told::Told};
use crate::lab::{process::Process, wait};

/// Memory of the machine, in MiB; the image lies in it twice for a moment.
const MEMORY: &str = "1536";

/// How long a machine may run.
const LIMIT: Duration = Duration::from_secs(1_800);

/// Starts a machine of `of` with `kernel` and `image`, has it play `part`, and waits until it has turned itself off. What it says is
/// kept in `directory`. Returns what it told, and how long it took.
///
/// # Errors
///
/// If it cannot be started, does not end, or tells nothing; with the end of what it said.
pub fn run(
    directory: &Path,
    of: Architecture,
    kernel: &Unpacked,
    image: &Path,
    part: Part,
) -> anyhow::Result<(Told, Duration)> {
    let console = directory.join("console.log");
    let second = of.second().map(|_| directory.join("told.log"));
    let serial = |path: &Path| format!("file:{}", path.display());
    let (emulator, package) = of.emulator();
    let mut command = Command::new(emulator);
    command
        .args(["-accel", "tcg", "-icount", "shift=0,sleep=off"])
        .args(of.machine())
        .args(["-smp", "1", "-m", MEMORY, "-nodefaults", "-no-user-config", "-display", "none"])
        .args(["-no-reboot", "-serial", &serial(&console)]);
    if let Some(second) = &second {
        command.args(["-serial", &serial(second)]);
    }
    command
        .arg("-kernel")
        .arg(kernel.image())
        .arg("-initrd")
        .arg(image)
        .arg("-append")
        .arg(format!(
            "console={} panic=-1 random.trust_cpu=on loglevel=4 -- {}",
            of.console(),
            part.word()
        ))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(directory.join("qemu.log"))?);
    let start = Instant::now();
    let mut process = Process::start(emulator, &mut command)
        .with_context(|| format!("the emulator is in Debian's package {package}"))?;
    let ended = wait::until("the machine to turn itself off", LIMIT, || {
        (!process.is_running()).then_some(())
    });
    let told = fs::read(second.as_ref().unwrap_or(&console)).unwrap_or_default();
    match (Told::find(&String::from_utf8_lossy(&told)), ended) {
        (Some(told), _) => Ok((told, start.elapsed())),
        (None, Ok(())) => bail!("it told nothing; {}", last_words(directory)),
        (None, Err(error)) => Err(error).context(last_words(directory)),
    }
}

/// The end of what machine and emulator said.
fn last_words(directory: &Path) -> String {
    let mut text = String::new();
    for name in ["qemu.log", "console.log"] {
        let path = directory.join(name);
        let said = fs::read(&path).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        let tail = lines[lines.len().saturating_sub(12)..].join("\n  ");
        text.push_str(&format!("{} ends with:\n  {tail}\n", path.display()));
    }
    text
}
