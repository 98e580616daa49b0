//! Building: the BPF object, the agent around it, and whatever else cargo makes for us.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

use crate::{
    fixed,
    packages::Install,
    steps,
    toolchain::{self, Origin, Toolchain},
};

/// Tells the agent's build script which object to embed.
pub(crate) const OBJECT_VARIABLE: &str = "FORGEWATCH_EBPF_OBJECT";

/// Variables, and beginnings of variables, that change how cargo compiles. The BPF object is
/// compiled for another machine than the one that they are meant for.
const COMPILER_VARIABLES: &[&str] = &[
    "RUSTC",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
];

/// How the agent is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Fast to compile.
    Dev,
    /// What is meant to be used.
    Release,
}

impl Profile {
    pub(crate) fn from_release(release: bool) -> Self {
        if release { Self::Release } else { Self::Dev }
    }

    fn directory(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// Builds the BPF object and returns its path, always the same: `target/bpf/probe.bpf.o`.
///
/// # Errors
///
/// If the toolchain is missing and cannot be installed, or the object does not compile.
pub(crate) fn object() -> anyhow::Result<PathBuf> {
    object_in("target/bpf", &[])
}

/// Builds the object with the programs for measurement beside the others, and returns its path,
/// always the same: `target/bpf-bench/probe.bpf.o`.
///
/// # Errors
///
/// As [`object`].
pub(crate) fn bench_object() -> anyhow::Result<PathBuf> {
    object_in("target/bpf-bench", &["--features", "bench"])
}

fn object_in(directory: &str, args: &[&str]) -> anyhow::Result<PathBuf> {
    let toolchain = toolchain::ensure(Install::Announce)?;
    let directory = steps::root().join(directory);
    steps::show(
        &format!("building the BPF object with {}", toolchain.compiler),
        bpf_cargo(&toolchain, &directory).args(args),
        "the compiler's messages are above",
    )?;
    let built = directory.join(toolchain::bpf_target()).join("release/probe");
    let object = directory.join("probe.bpf.o");
    copy_if_different(&built, &object)?;
    describe("BPF object", &object)?;
    Ok(object)
}

/// The cargo command that builds the object.
fn bpf_cargo(toolchain: &Toolchain, directory: &Path) -> Command {
    let mut command = match &toolchain.compiler.origin {
        Origin::Debian => steps::cargo(),
        Origin::Rustup(name) => {
            let mut command = toolchain::rustup_run(name);
            command.arg("cargo").current_dir(steps::root());
            command
        }
    };
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if COMPILER_VARIABLES.iter().any(|beginning| text.starts_with(beginning)) {
            command.env_remove(&name);
        }
    }
    command
        .args(["build", "--locked", "--release", "--package", "probe-ebpf", "--bin", "probe"])
        .args(["--target", toolchain::bpf_target(), "--target-dir"])
        .arg(directory);
    match toolchain.compiler.origin {
        // aya-ebpf and the programs need one feature that is not stable: assembler for BPF.
        Origin::Debian => {
            command.env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "aya_ebpf,probe");
        }
        Origin::Rustup(_) => {
            command.arg("-Zbuild-std=core").env("RUSTC_BOOTSTRAP", "1");
        }
    }
    // Empty means none, also when a configuration file names one.
    command.env("RUSTC_WRAPPER", "").env("RUSTC_WORKSPACE_WRAPPER", "");
    command.env("CARGO_ENCODED_RUSTFLAGS", bpf_flags(&toolchain.linker));
    command
}

/// Flags of the BPF compiler, in the form of `CARGO_ENCODED_RUSTFLAGS`, which has the last word
/// over all other places that can set flags.
fn bpf_flags(linker: &Path) -> OsString {
    let mut flags = OsString::new();
    // aya-ebpf reads the registers of the machine that the program will run on.
    flags.push(format!("--cfg=bpf_target_arch=\"{}\"", env::consts::ARCH));
    // Version 2 of the instruction set: with the 32-bit registers of version 3 the compiler moves
    // packet pointers through them, and the verifier loses track.
    flags.push("\x1f-Ctarget-cpu=v2\x1f-Cdebuginfo=2\x1f-Clink-arg=--btf\x1f-Clinker=");
    flags.push(linker);
    flags.push("\x1f");
    flags.push(fixed::remapped("\x1f"));
    flags
}

/// Builds the agent with the object embedded and returns its path:
/// `target/release/forgewatch` or `target/debug/forgewatch`, wherever cargo itself builds.
///
/// # Errors
///
/// If object or agent cannot be built.
pub(crate) fn agent(profile: Profile) -> anyhow::Result<PathBuf> {
    let object = object()?;
    agent_around(&object, profile)
}

/// As [`agent`], with an object that is there already.
///
/// # Errors
///
/// If the agent cannot be built.
pub(crate) fn agent_around(object: &Path, profile: Profile) -> anyhow::Result<PathBuf> {
    let mut command = steps::cargo();
    command.args(["build", "--locked", "--package", "probe-user", "--bin", "forgewatch"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    command.env(OBJECT_VARIABLE, object);
    let title = format!("building the agent ({})", profile.directory());
    let built = executable(&title, &mut command, "forgewatch")?;
    // Cargo may have been told to build elsewhere; users and documentation look here.
    let agent = steps::root().join("target").join(profile.directory()).join("forgewatch");
    if built != agent {
        copy_if_different(&built, &agent)?;
    }
    describe("agent", &agent)?;
    Ok(agent)
}

/// Builds program `name` of the test package, with an object that is there already, and returns its path.
///
/// # Errors
///
/// If it cannot be built.
pub(crate) fn test_program(name: &str, object: &Path, profile: Profile) -> anyhow::Result<PathBuf> {
    let mut command = steps::cargo();
    command.args(["build", "--locked", "--package", "probe-tests", "--bin", name]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    command.env(OBJECT_VARIABLE, object);
    executable(&format!("building {name}"), &mut command, name)
}

/// Builds one executable and returns its path, wherever cargo has put it.
///
/// # Errors
///
/// If cargo fails, or builds nothing of that name.
pub(crate) fn executable(
    title: &str,
    command: &mut Command,
    name: &str,
) -> anyhow::Result<PathBuf> {
    let artifacts = steps::timed(title, || artifacts(command))?;
    let found = artifacts.into_iter().find(|artifact| artifact.name == name);
    found.map(|artifact| artifact.executable).with_context(|| {
        format!("{} succeeded and made no executable {name}", steps::shown(command))
    })
}

/// An executable that cargo has built.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// Directory of its package.
    pub(crate) package: PathBuf,
    /// `lib`, `bin` or `test`.
    pub(crate) kind: String,
    /// Name of the target.
    pub(crate) name: String,
    /// Whether it was built as a test. A suite has its package's programs built as well, as they are.
    pub(crate) is_test: bool,
    /// The file.
    pub(crate) executable: PathBuf,
}

/// Runs a cargo build and returns the executables that it made or found up to date. Compiler
/// messages and progress go to stderr as usual.
///
/// # Errors
///
/// If cargo cannot be run or fails.
pub(crate) fn artifacts(command: &mut Command) -> anyhow::Result<Vec<Artifact>> {
    command.arg("--message-format=json-render-diagnostics");
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.with_context(|| format!("cannot start {}", steps::shown(command)))?;
    let mut found = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            found.extend(Artifact::read(&line.context("cannot read cargo's messages")?));
        }
    }
    let status = child.wait().context("cannot wait for cargo")?;
    if !status.success() {
        bail!("{} ended with {status}; the compiler's messages are above", steps::shown(command));
    }
    Ok(found)
}

impl Artifact {
    /// Reads one of cargo's JSON messages, if it is about an executable. Cargo writes one message
    /// a line, with the keys in a fixed order, so that this needs no JSON parser.
    fn read(message: &str) -> Option<Self> {
        if !message.starts_with(r#"{"reason":"compiler-artifact""#) {
            return None;
        }
        let executable = PathBuf::from(text_field(message, "executable")?);
        let package = PathBuf::from(text_field(message, "manifest_path")?).parent()?.to_owned();
        let (_, target) = message.split_once(r#""target":{"#)?;
        let (_, kinds) = target.split_once(r#""kind":["#)?;
        let kind = kinds.split('"').nth(1)?.to_owned();
        let name = text_field(target, "name")?;
        let (_, profile) = target.split_once(r#""profile":{"#)?;
        let is_test = profile.split('}').next()?.contains(r#""test":true"#);
        Some(Self { package, kind, name, is_test, executable })
    }
}

/// The first text under a key, in a JSON line.
fn text_field(json: &str, key: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!(r#""{key}":""#))?;
    let mut text = String::new();
    let mut octets = rest.chars();
    loop {
        match octets.next()? {
            '"' => return Some(text),
            // Paths have no control characters, so an escape is a backslash or a quote.
            '\\' => text.push(octets.next()?),
            octet => text.push(octet),
        }
    }
}

/// Copies a file, unless the copy is the same already: what depends on it would be built again.
fn copy_if_different(from: &Path, to: &Path) -> anyhow::Result<()> {
    let new = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    // In place of the old one, not into it: a program that runs cannot be written to.
    let mut next = to.as_os_str().to_owned();
    next.push(OsStr::new(".next"));
    fs::copy(from, &next)
        .and_then(|_| fs::rename(&next, to))
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Says where a result is and how large.
pub(crate) fn describe(what: &str, path: &Path) -> anyhow::Result<()> {
    let size = fs::metadata(path).with_context(|| format!("cannot find {}", path.display()))?.len();
    // Tenths of a MB or whole kB, whatever reads better.
    let size = if size < 1_000_000 {
        format!("{} kB", size.div_ceil(1000))
    } else {
        format!("{}.{} MB", size / 1_000_000, size % 1_000_000 / 100_000)
    };
    steps::say(&format!("{what}: {} ({size})", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"{"reason":"compiler-artifact","package_id":"path+file:///w/a#0.1.0","manifest_path":"/w/a \"b\"/Cargo.toml","target":{"kind":["test"],"crate_types":["bin"],"name":"capture","src_path":"/w/a/tests/capture.rs","edition":"2024"},"profile":{"opt_level":"0","test":true},"features":[],"filenames":["/t/capture-1"],"executable":"/t/capture-1","fresh":true}"#;

    #[test]
    fn an_executable_is_read_from_cargos_message() {
        let artifact = Artifact::read(MESSAGE).expect("a message about an executable");
        assert_eq!(
            artifact,
            Artifact {
                package: "/w/a \"b\"".into(),
                kind: "test".to_owned(),
                name: "capture".to_owned(),
                is_test: true,
                executable: "/t/capture-1".into(),
            }
        );
    }

    #[test]
    fn a_program_that_a_suite_runs_is_no_suite() {
        // What "test" says of the target is whether it can be built as one.
        let message = MESSAGE
            .replace(r#""edition":"2024"}"#, r#""edition":"2024","test":true}"#)
            .replace(r#""opt_level":"0","test":true"#, r#""opt_level":"0","test":false"#);
        assert!(!Artifact::read(&message).expect("a message about an executable").is_test);
    }

    #[test]
    fn other_messages_are_passed_over() {
        assert_eq!(
            Artifact::read(&MESSAGE.replace(r#""/t/capture-1","fresh""#, "null,\"f\"")),
            None
        );
        assert_eq!(Artifact::read(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(Artifact::read("warning: something"), None);
    }

    #[test]
    fn the_flags_name_machine_and_linker() {
        let flags = bpf_flags(Path::new("/t/bpf-linker")).into_string().expect("ASCII");
        let flags: Vec<&str> = flags.split('\x1f').collect();
        assert!(flags.len() > 5 && flags[5..].iter().all(|flag| flag.contains("=/")), "{flags:?}");
        assert_eq!(flags[0], format!("--cfg=bpf_target_arch=\"{}\"", env::consts::ARCH));
        assert_eq!(flags[4], "-Clinker=/t/bpf-linker");
    }
}
