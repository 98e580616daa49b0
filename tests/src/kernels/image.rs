//! What an emulated machine starts with: the first process, the lab's programs with their libraries,
//! the agent, the kernel's modules. One file, in memory; there is no disk.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};

use super::{architecture::Architecture, archive::Unpacked, foreign, guest};

/// Programs that the lab runs.
pub const PROGRAMS: [&str; 9] =
    ["ip", "tc", "ethtool", "nft", "ping", "nginx", "unbound", "curl", "dig"];

/// Where they are looked for.
const PLACES: [&str; 6] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Directories that are links in every system of today.
const LINKS: [(&str, &str); 4] =
    [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")];

/// Files that libraries ask for.
const FILES: [(&str, &str); 4] = [
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
    ("etc/hosts", "127.0.0.1 localhost\n"),
];

/// What is ours in an image, and for which architecture.
#[derive(Clone, Debug)]
pub struct Ours {
    /// Whose instructions they are.
    pub of: Architecture,
    /// The first process.
    pub first: PathBuf,
    /// The agent.
    pub agent: PathBuf,
}

/// Makes the image for one kernel in `directory`; what comes from Debian's archive is kept in `cache`.
///
/// # Errors
///
/// If something is missing, with its name.
pub fn make(
    directory: &Path,
    cache: &Path,
    kernel: &Unpacked,
    ours: &Ours,
) -> anyhow::Result<PathBuf> {
    let tree = directory.join("tree");
    let _ = fs::remove_dir_all(&tree);
    if ours.of == Architecture::HERE {
        skeleton(&tree)?;
        take_programs(&tree, ours)?;
    } else {
        copy(&foreign::programs(cache, ours.of)?, &tree)?;
        for (program, at) in ours.places() {
            fs::copy(program, tree.join(at))?;
        }
    }
    for (path, text) in FILES {
        fs::write(tree.join(path), text)?;
    }
    let mut order = String::new();
    for module in kernel.modules()? {
        let name = module.file_name().unwrap_or_default();
        fs::copy(&module, tree.join("modules").join(name))?;
        order.push_str(&format!("/modules/{}\n", name.to_string_lossy()));
    }
    fs::write(tree.join(&guest::MODULES[1..]), order)?;
    let image = directory.join("initramfs");
    pack(&tree, &image)?;
    fs::remove_dir_all(tree)?;
    Ok(image)
}

impl Ours {
    /// Both programs, and where they are in an image.
    fn places(&self) -> [(&Path, &'static str); 2] {
        [(&self.first, "init"), (&self.agent, &guest::AGENT[1..])]
    }
}

/// The directories that a system has, and the links among them.
///
/// # Errors
///
/// If they cannot be made.
pub fn skeleton(tree: &Path) -> anyhow::Result<()> {
    for (_, place) in LINKS {
        fs::create_dir_all(tree.join(place))?;
    }
    for (link, place) in LINKS {
        symlink(place, tree.join(link))?;
    }
    for place in ["etc", "proc", "sys", "dev", "run", "tmp", "root", "modules", "var/lib/nginx"] {
        fs::create_dir_all(tree.join(place))?;
    }
    Ok(())
}

/// Copies this machine's programs and ours, with the libraries that they need.
fn take_programs(tree: &Path, ours: &Ours) -> anyhow::Result<()> {
    let mut libraries = BTreeSet::new();
    for name in PROGRAMS {
        let found = PLACES.iter().map(|place| Path::new(place).join(name)).find(|at| at.exists());
        let program = found.with_context(|| {
            format!("there is no {name}; `cargo xtask setup --tests` installs what the lab needs")
        })?;
        fs::copy(&program, tree.join("usr/bin").join(name))?;
        libraries.extend(needed(&program)?);
    }
    for (program, at) in ours.places() {
        strip(program, &tree.join(at))?;
        libraries.extend(needed(program)?);
    }
    for library in &libraries {
        let to = tree.join(library.strip_prefix("/")?);
        fs::create_dir_all(to.parent().unwrap_or(tree))?;
        fs::copy(library, to).with_context(|| format!("cannot copy {}", library.display()))?;
    }
    Ok(())
}

/// Copies a tree with its links.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let status =
        Command::new("cp").arg("-a").arg(from).arg(to).status().context("cannot run cp")?;
    ensure!(status.success(), "cannot copy {} to {}", from.display(), to.display());
    Ok(())
}

/// The libraries that a program is linked with, and the loader; none of a static one.
fn needed(program: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let is_missing = text.lines().find(|line| line.contains("not found"));
    ensure!(is_missing.is_none(), "{}: {}", program.display(), is_missing.unwrap_or_default());
    Ok(text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}

/// Copies a program without what only a debugger reads: it would lie in the guest's memory.
fn strip(from: &Path, to: &Path) -> anyhow::Result<()> {
    let status = Command::new("strip").arg("-o").arg(to).arg(from).status();
    let status = status.context("cannot run strip (package binutils)")?;
    ensure!(status.success(), "strip cannot read {}", from.display());
    Ok(())
}

/// Packs a tree as the kernel wants it.
fn pack(tree: &Path, to: &Path) -> anyhow::Result<()> {
    let status = Command::new("sh")
        .args(["-c", "find . -print0 | LC_ALL=C sort -z | cpio -0 -o -H newc -R 0:0 --quiet"])
        .current_dir(tree)
        .stdout(File::create(to)?)
        .status()?;
    ensure!(status.success(), "cannot pack {} (package cpio)", tree.display());
    Ok(())
}
