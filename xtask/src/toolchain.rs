//! The BPF toolchain: a Rust compiler with `core` for BPF, and `bpf-linker` for the same LLVM.
//!
//! Two compilers will do. Debian's `rustc-web` (the compiler that Debian builds its browsers with)
//! has a prebuilt `core` for BPF in `libstd-rust-web-dev-bpf`. Elsewhere a rustup toolchain with
//! `rust-src` builds `core` itself. `bpf-linker` reads the bitcode of the compiler, so it must be
//! built on an LLVM that is not older than the compiler's; it is compiled into `target/tools`.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{
    packages::{self, Install},
    steps,
};

/// Debian's compiler, by its path: rustup's proxy comes first on the `PATH`.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// The packages that make it one for BPF.
const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "libstd-rust-web-dev-bpf"];

/// Oldest compiler that will do: `rust-version` of the workspace.
const OLDEST_RUSTC: (u32, u32) = (1, 95);

/// The LLVM of the `rustc-web` in Debian 12, assumed until the compiler is there and can be asked.
const DEBIAN_LLVM: u32 = 22;

/// The one version of bpf-linker that is used.
const LINKER_VERSION: &str = "0.13.0";

/// Major versions of LLVM that this version of bpf-linker can be built on (its cargo features).
const LINKER_LLVMS: std::ops::RangeInclusive<u32> = 21..=23;

/// Installing may show something further that is missing, but not endlessly.
const ROUNDS: usize = 3;

/// Everything that a BPF object is built with.
#[derive(Debug)]
pub(crate) struct Toolchain {
    pub(crate) compiler: Compiler,
    /// `bpf-linker`.
    pub(crate) linker: PathBuf,
}

/// A Rust compiler that can compile for BPF.
#[derive(Debug)]
pub(crate) struct Compiler {
    pub(crate) origin: Origin,
    /// For people: `rustc 1.96.0`.
    version: String,
    /// Major version of its LLVM.
    llvm: u32,
}

/// Where a compiler comes from, which decides how it is called.
#[derive(Debug)]
pub(crate) enum Origin {
    /// Debian's, with a prebuilt `core`.
    Debian,
    /// This rustup toolchain, with the sources of `core`.
    Rustup(String),
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Debian => write!(f, "{} of Debian", self.version),
            Origin::Rustup(name) => write!(f, "{} of rustup's {name}", self.version),
        }
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (LLVM {}), {}", self.compiler, self.compiler.llvm, self.linker.display())
    }
}

/// What is missing first; what comes after it shows when it is there.
enum Lacking {
    /// No compiler is complete.
    Compiler,
    /// No bpf-linker for this LLVM.
    Linker(u32),
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiler => write!(
                f,
                "a Rust compiler for BPF ({}, or a rustup toolchain with rust-src) and bpf-linker",
                DEBIAN_PACKAGES.join(" with ")
            ),
            Self::Linker(llvm) => write!(f, "bpf-linker for LLVM {llvm}"),
        }
    }
}

/// Finds the toolchain, or says in one line what is missing, and installs it.
///
/// # Errors
///
/// If something is missing and may not, or cannot, be installed.
pub(crate) fn ensure(install: Install) -> anyhow::Result<Toolchain> {
    for _ in 0..ROUNDS {
        let lacking = match look() {
            Ok(toolchain) => return Ok(toolchain),
            Err(lacking) => lacking,
        };
        if install == Install::Refuse {
            bail!("missing: {lacking}; `cargo xtask setup` installs it");
        }
        steps::say(&format!("missing: {lacking}"));
        match lacking {
            Lacking::Compiler => install_compiler()?,
            Lacking::Linker(llvm) => install_linker(llvm)?,
        }
    }
    bail!(
        "the BPF toolchain is still incomplete after {ROUNDS} installations; see the logs in \
         target/xtask"
    )
}

/// Looks for a complete toolchain; changes nothing.
fn look() -> Result<Toolchain, Lacking> {
    let compiler = debian_compiler().or_else(rustup_compiler).ok_or(Lacking::Compiler)?;
    match find_linker(compiler.llvm) {
        Some(linker) => Ok(Toolchain { compiler, linker }),
        None => Err(Lacking::Linker(compiler.llvm)),
    }
}

/// Debian's compiler, if it is new enough and has `core` for BPF.
fn debian_compiler() -> Option<Compiler> {
    let report = steps::ask(Command::new(DEBIAN_RUSTC).arg("-vV"))?;
    let sysroot = steps::ask(Command::new(DEBIAN_RUSTC).args(["--print", "sysroot"]))?;
    let core = Path::new(sysroot.trim()).join("lib/rustlib").join(bpf_target());
    core.is_dir().then(|| Compiler::read(Origin::Debian, &report))?
}

/// A rustup toolchain with the sources of `core`, a nightly if there is one.
fn rustup_compiler() -> Option<Compiler> {
    let list = steps::ask(Command::new("rustup").args(["toolchain", "list"]))?;
    let mut names: Vec<&str> =
        list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    names.sort_by_key(|name| !name.starts_with("nightly"));
    names.into_iter().find_map(|name| {
        let rustc = |words: &[&str]| steps::ask(rustup_run(name).arg("rustc").args(words));
        let sysroot = rustc(&["--print", "sysroot"])?;
        let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core");
        let report = library.is_dir().then(|| rustc(&["-vV"]))??;
        Compiler::read(Origin::Rustup(name.to_owned()), &report)
    })
}

/// `rustup run NAME`, without what the rustup proxy above us has put into the environment.
pub(crate) fn rustup_run(name: &str) -> Command {
    let mut command = Command::new("rustup");
    command.env_remove("RUSTUP_TOOLCHAIN").args(["run", name]);
    command
}

impl Compiler {
    /// Reads the output of `rustc -vV`; nothing if the compiler is too old.
    fn read(origin: Origin, report: &str) -> Option<Self> {
        let field = |name: &str| report.lines().find_map(|line| line.strip_prefix(name));
        let release = field("release: ")?;
        let mut numbers = release.split(['.', '-']).map(str::parse::<u32>);
        let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        let llvm = field("LLVM version: ")?.split('.').next()?.parse().ok()?;
        let new_enough = version >= OLDEST_RUSTC;
        new_enough.then(|| Self { origin, version: format!("rustc {release}"), llvm })
    }
}

/// The BPF target with this machine's byte order.
pub(crate) fn bpf_target() -> &'static str {
    if cfg!(target_endian = "big") { "bpfeb-unknown-none" } else { "bpfel-unknown-none" }
}

/// Where bpf-linker for an LLVM is installed.
fn linker_root(llvm: u32) -> PathBuf {
    steps::root().join(format!("target/tools/llvm-{llvm}"))
}

/// A bpf-linker that reads what this LLVM writes: ours, else one on the `PATH`.
fn find_linker(llvm: u32) -> Option<PathBuf> {
    let ours = linker_root(llvm).join("bin/bpf-linker");
    // It may be there and not run: the LLVM that it was linked with may be gone.
    if steps::ask(Command::new(&ours).arg("--version")).is_some() {
        return Some(ours);
    }
    let other = which::which("bpf-linker").ok()?;
    steps::ask(Command::new(&other).arg("--version"))?;
    let libraries = steps::ask(Command::new("ldd").arg(&other)).unwrap_or_default();
    // Linked statically, it does not tell; the released ones are built on the newest LLVM.
    linked_llvm(&libraries).is_none_or(|its| its >= llvm).then_some(other)
}

/// The major version in `libLLVM.so.22.1 => ...` or `libLLVM-22.so => ...`.
fn linked_llvm(libraries: &str) -> Option<u32> {
    let rest = libraries.split_once("libLLVM")?.1;
    let digits = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Installs a compiler: Debian's where there is one, else rustup's nightly.
fn install_compiler() -> anyhow::Result<()> {
    if packages::has_apt() && debian_offers_compiler()? {
        let llvm = format!("llvm-{DEBIAN_LLVM}-dev");
        let names = DEBIAN_PACKAGES.into_iter().chain([llvm.as_str()]);
        let names: Vec<String> = names.map(str::to_owned).collect();
        return packages::apt_install(&names).context(
            "cannot install Debian's compiler (rustc-web takes the place of the packages rustc and \
             rustup; if you have one of them, remove it: rustup from rustup.rs is not affected)",
        );
    }
    if which::which("rustup").is_err() {
        bail!(
            "this system has neither apt-get with {} {}.{} or newer, nor rustup; install rustup \
             (https://rustup.rs), then `rustup toolchain install nightly --component rust-src`",
            DEBIAN_PACKAGES[0],
            OLDEST_RUSTC.0,
            OLDEST_RUSTC.1
        );
    }
    steps::say("about to install with rustup: the nightly toolchain with rust-src");
    steps::logged(
        "installing rustup's nightly with rust-src",
        "rustup",
        Command::new("rustup")
            .args("toolchain install nightly --profile minimal --component rust-src".split(' ')),
        "check the network, or run that command by hand",
    )
}

/// Whether Debian's archive has a compiler that is new enough, as far as fresh package lists tell.
fn debian_offers_compiler() -> anyhow::Result<bool> {
    let offered = || packages::candidate(DEBIAN_PACKAGES[0]).is_some_and(|its| its >= OLDEST_RUSTC);
    if !offered() {
        packages::apt_update()?;
    }
    Ok(offered())
}

/// Compiles bpf-linker, after installing the LLVM that it needs where that is a Debian package.
fn install_linker(llvm: u32) -> anyhow::Result<()> {
    if !LINKER_LLVMS.contains(&llvm) {
        bail!(
            "the compiler is built on LLVM {llvm}, bpf-linker {LINKER_VERSION} only reads LLVM {} \
             to {}; install another toolchain, for instance `rustup toolchain install stable \
             --component rust-src`",
            LINKER_LLVMS.start(),
            LINKER_LLVMS.end()
        );
    }
    let prefix = llvm_prefix(llvm)?;
    let root = linker_root(llvm);
    let build = root.join("build");
    let feature = format!("llvm-{llvm}");
    let mut command = steps::cargo();
    command
        .args(["install", "bpf-linker", "--version", LINKER_VERSION, "--locked"])
        .args(["--no-default-features", "--features", &feature])
        .arg("--root")
        .arg(&root)
        .arg("--target-dir")
        .arg(&build)
        .env("LLVM_PREFIX", prefix);
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        command.env_remove(variable);
    }
    steps::logged(
        &format!("compiling bpf-linker {LINKER_VERSION} into target/tools, about a minute"),
        "bpf-linker",
        &mut command,
        "it needs gcc, the development files of LLVM and crates.io",
    )?;
    // 100 MB that nobody will need again; if they stay, nothing is broken.
    let _ = fs::remove_dir_all(build);
    Ok(())
}

/// Where the development files of an LLVM are, installed now if Debian has them.
fn llvm_prefix(llvm: u32) -> anyhow::Result<PathBuf> {
    if let Some(prefix) = find_llvm(llvm) {
        return Ok(prefix);
    }
    let package = format!("llvm-{llvm}-dev");
    if packages::has_apt() && packages::candidate(&package).is_some() {
        packages::apt_install(std::slice::from_ref(&package))?;
    }
    find_llvm(llvm).with_context(|| {
        format!(
            "cannot find the development files of LLVM {llvm}, the LLVM of the compiler; install \
             {package} (https://apt.llvm.org has it for Debian and Ubuntu), or set LLVM_PREFIX"
        )
    })
}

/// Looks for an LLVM where the user says, where Debian puts it, and where llvm-config says.
fn find_llvm(llvm: u32) -> Option<PathBuf> {
    if let Some(prefix) = env::var_os("LLVM_PREFIX") {
        return Some(prefix.into());
    }
    let debian = PathBuf::from(format!("/usr/lib/llvm-{llvm}"));
    if debian.join("include/llvm-c").is_dir() {
        return Some(debian);
    }
    [format!("llvm-config-{llvm}"), "llvm-config".to_owned()].iter().find_map(|program| {
        let version = steps::ask(Command::new(program).arg("--version"))?;
        let prefix = steps::ask(Command::new(program).arg("--prefix"))?;
        version.starts_with(&format!("{llvm}.")).then(|| prefix.trim().into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_is_read_from_its_own_report() {
        let report = "rustc 1.96.0 (abc)\nrelease: 1.96.0\nLLVM version: 22.1.8\n";
        let compiler = Compiler::read(Origin::Debian, report).expect("a complete report");
        assert_eq!((compiler.llvm, compiler.version.as_str()), (22, "rustc 1.96.0"));
        let nightly = "release: 1.97.0-nightly\nLLVM version: 22.1.2\n";
        assert!(Compiler::read(Origin::Rustup("nightly".to_owned()), nightly).is_some());
    }

    #[test]
    fn a_compiler_that_is_too_old_is_none() {
        let report = "release: 1.85.0\nLLVM version: 19.1.7\n";
        assert!(Compiler::read(Origin::Debian, report).is_none());
        assert!(Compiler::read(Origin::Debian, "").is_none());
    }

    #[test]
    fn the_llvm_of_a_linker_is_read_from_its_libraries() {
        assert_eq!(linked_llvm("\tlibLLVM.so.22.1 => /usr/lib/libLLVM.so.22.1 (0x0)\n"), Some(22));
        assert_eq!(linked_llvm("\tlibLLVM-21.so => /usr/lib/libLLVM-21.so (0x0)\n"), Some(21));
        assert_eq!(linked_llvm("\tlibc.so.6 => /lib/libc.so.6 (0x0)\n"), None);
    }
}
