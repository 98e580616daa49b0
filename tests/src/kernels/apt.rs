//! Debian's archive. apt fetches and verifies what is in it, with sources, lists and cache of its own: the machine's
//! are not touched.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail, ensure};

use super::architecture::Architecture;

/// Where the archive is, if the machine's own sources do not say.
const ARCHIVE: &str = "http://deb.debian.org/debian";

/// Debian's keys, of the package `debian-archive-keyring`.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Unpacks a package as dpkg does: its directories do not take the place of links.
const UNPACK: &str = r#"dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2""#;

/// A suite of the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suite {
    /// Its name.
    pub name: &'static str,
    /// Whether it has security updates in a suite beside it.
    pub security: bool,
}

/// apt with everything of its own below one directory.
pub struct Apt {
    root: PathBuf,
    of: Architecture,
}

impl Apt {
    /// One that knows of `suite` for `of`, with fresh lists, below `to`.
    ///
    /// # Errors
    ///
    /// If Debian's keys are missing, or the lists cannot be fetched.
    pub fn new(to: &Path, suite: Suite, of: Architecture) -> anyhow::Result<Self> {
        let root = to.join("apt");
        for directory in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(directory))?;
        }
        ensure!(Path::new(KEYS).exists(), "{KEYS} is missing (package debian-archive-keyring)");
        let archive = archive();
        let Suite { name, security } = suite;
        let mut sources = format!("deb [signed-by={KEYS}] {archive} {name} main\n");
        if security {
            sources.push_str(&format!(
                "deb [signed-by={KEYS}] {archive}-security {name}-security main\n"
            ));
        }
        fs::write(root.join("sources.list"), sources)?;
        let apt = Self { root, of };
        apt.run("apt-get", &["update", "-qq"])?;
        Ok(apt)
    }

    fn run(&self, program: &str, words: &[&str]) -> anyhow::Result<String> {
        let at = |name: &str| self.root.join(name).display().to_string();
        let settings = [
            format!("Dir::Etc::SourceList={}", at("sources.list")),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={}", at("lists")),
            "Dir::State::Status=/dev/null".to_owned(),
            format!("Dir::Cache={}", at("cache")),
            format!("APT::Architecture={}", self.of.debian()),
            format!("APT::Architectures={}", self.of.debian()),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
            // A suite that is out of support has a last list of packages, long past its date.
            "Acquire::Check-Valid-Until=false".to_owned(),
        ];
        let mut command = Command::new(program);
        for setting in settings {
            command.args(["-o", &setting]);
        }
        command.args(words).current_dir(&self.root).env("LC_ALL", "C");
        said(&mut command)
    }

    /// What a package depends on.
    ///
    /// # Errors
    ///
    /// If there is none of this name.
    pub fn depends(&self, package: &str) -> anyhow::Result<Vec<String>> {
        let text = self.run("apt-cache", &["depends", package])?;
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(names.map(str::to_owned).collect())
    }

    /// A package's version.
    ///
    /// # Errors
    ///
    /// If there is none of this name.
    pub fn version(&self, package: &str) -> anyhow::Result<String> {
        let text = self.run("apt-cache", &["show", package])?;
        let version = text.lines().find_map(|line| line.strip_prefix("Version: "));
        Ok(version.with_context(|| format!("{package} has no version"))?.to_owned())
    }

    /// Fetches packages alone and unpacks them into `tree`.
    ///
    /// # Errors
    ///
    /// If one cannot be fetched, or is damaged.
    pub fn unpack(&self, packages: &[&str], tree: &Path) -> anyhow::Result<()> {
        self.take(&["download", "-qq"], packages, tree)
    }

    /// Fetches packages with all that they depend on, and unpacks them into `tree`, where directories may be links.
    ///
    /// # Errors
    ///
    /// If one cannot be fetched, or is damaged.
    pub fn unpack_all(&self, packages: &[&str], tree: &Path) -> anyhow::Result<()> {
        let words = ["install", "-qq", "-y", "--download-only", "--no-install-recommends"];
        self.take(&words, packages, tree)
    }

    fn take(&self, words: &[&str], packages: &[&str], tree: &Path) -> anyhow::Result<()> {
        self.run("apt-get", &[words, packages].concat())?;
        let fetched = || find(&self.root, &|name| name.ends_with(".deb"));
        ensure!(fetched().is_some(), "nothing was fetched");
        fs::create_dir_all(tree)?;
        while let Some(deb) = fetched() {
            let mut command = Command::new("sh");
            command.args(["-c", UNPACK, "sh"]).arg(&deb).arg(tree);
            said(&mut command)?;
            fs::remove_file(deb)?;
        }
        Ok(())
    }

    /// Removes all that it has of its own.
    ///
    /// # Errors
    ///
    /// If it cannot be removed.
    pub fn remove(self) -> anyhow::Result<()> {
        Ok(fs::remove_dir_all(self.root)?)
    }
}

/// Where this machine's apt has Debian's archive from.
fn archive() -> String {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(SITE)", "Identifier: Packages"]);
    let sites = said(&mut command).unwrap_or_default();
    sites.lines().find(|site| site.ends_with("/debian")).unwrap_or(ARCHIVE).to_owned()
}

/// What a command prints.
///
/// # Errors
///
/// If it cannot be run, or fails; with what it said of that.
pub fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{} failed: {}", command.get_program().to_string_lossy(), error.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first file below `place` whose name is wanted.
pub fn find(place: &Path, wanted: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(place).ok()?.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    entries.into_iter().find_map(|entry| {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            return find(&path, wanted);
        }
        wanted(&entry.file_name().to_string_lossy()).then_some(path)
    })
}
