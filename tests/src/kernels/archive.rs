//! Debian's kernels, out of Debian's archive, unpacked and not installed.
//!
//! apt fetches and verifies them, with sources, lists and cache of its own in the cache directory: the
//! machine's are not touched.

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail, ensure};

/// A kernel that Debian has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Its series: what its version begins with.
    pub series: &'static str,
    /// The suite that it is in.
    suite: &'static str,
    /// Whether that has security updates in a suite beside it.
    security: bool,
}

/// Those that are tried, oldest first.
pub const KERNELS: [Kernel; 4] = [
    Kernel { series: "5.10", suite: "bullseye", security: true },
    Kernel { series: "6.1", suite: "bookworm", security: true },
    Kernel { series: "6.12", suite: "trixie", security: true },
    Kernel { series: "7.2", suite: "sid", security: false },
];

/// Where the archive is, if the machine's own sources do not say.
const ARCHIVE: &str = "http://deb.debian.org/debian";

/// Debian's keys, of the package `debian-archive-keyring`.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The package that depends on the newest kernel of a suite.
const META: &str = "linux-image-amd64";

/// Modules that the lab needs; what they need comes with them.
const MODULES: [&str; 12] = [
    // For libcrc32c, which asks for it by its name when it is loaded.
    "crc32c_generic",
    "af_packet",
    "veth",
    "tun",
    "sch_ingress",
    "cls_bpf",
    "act_bpf",
    "nf_tables",
    "nft_counter",
    "nft_reject_inet",
    "nft_ct",
    "ipv6",
];

/// A kernel that is at hand.
#[derive(Clone, Debug)]
pub struct Unpacked {
    /// Where everything is.
    directory: PathBuf,
    /// The package's version.
    pub version: String,
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.series, self.suite)
    }
}

impl Unpacked {
    /// The kernel itself.
    pub fn image(&self) -> PathBuf {
        self.directory.join("vmlinuz")
    }

    /// Modules, in the order to load them.
    ///
    /// # Errors
    ///
    /// If they cannot be listed.
    pub fn modules(&self) -> anyhow::Result<Vec<PathBuf>> {
        let names = fs::read_to_string(self.directory.join("order"))?;
        Ok(names.lines().map(|name| self.directory.join("modules").join(name)).collect())
    }
}

impl Kernel {
    /// The kernel out of the cache, or out of the archive.
    ///
    /// # Errors
    ///
    /// If it is in neither, or is of another series by now.
    pub fn get(&self, cache: &Path) -> anyhow::Result<Unpacked> {
        let directory = cache.join(self.series);
        let version = directory.join("version");
        if !version.exists() {
            let fresh = cache.join(format!("{}.new", self.series));
            let _ = fs::remove_dir_all(&fresh);
            self.fetch(&fresh).with_context(|| format!("cannot get Debian's kernel {self}"))?;
            let _ = fs::remove_dir_all(&directory);
            fs::rename(&fresh, &directory)?;
        }
        let version = fs::read_to_string(version)?;
        Ok(Unpacked { directory, version })
    }

    fn fetch(&self, to: &Path) -> anyhow::Result<()> {
        let apt = Apt::new(to, self)?;
        apt.run("apt-get", &["update", "-qq"])?;
        let image = apt.newest()?;
        let version = apt.version(&image)?;
        ensure!(
            version.starts_with(&format!("{}.", self.series)),
            "{} has {version} by now, no longer {}",
            self.suite,
            self.series
        );
        // In newer suites the package of the image only depends on those with the files.
        let mut packages = apt.depends(&image)?;
        packages
            .retain(|name| name.starts_with("linux-binary-") || name.starts_with("linux-modules-"));
        packages.push(image);
        let tree = to.join("tree");
        for package in &packages {
            apt.unpack(package, &tree)?;
        }
        let vmlinuz = find(&tree, &|name| name.starts_with("vmlinuz"))
            .with_context(|| format!("no kernel in {}", packages.join(", ")))?;
        fs::copy(vmlinuz, to.join("vmlinuz"))?;
        take_modules(&tree, to)?;
        fs::write(to.join("version"), version)?;
        fs::remove_dir_all(tree)?;
        fs::remove_dir_all(&apt.root)?;
        Ok(())
    }
}

/// apt with everything of its own below one directory.
struct Apt {
    root: PathBuf,
}

impl Apt {
    fn new(to: &Path, kernel: &Kernel) -> anyhow::Result<Self> {
        let root = to.join("apt");
        for directory in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(directory))?;
        }
        ensure!(Path::new(KEYS).exists(), "{KEYS} is missing (package debian-archive-keyring)");
        let archive = archive();
        let suite = kernel.suite;
        let mut sources = format!("deb [signed-by={KEYS}] {archive} {suite} main\n");
        if kernel.security {
            sources.push_str(&format!(
                "deb [signed-by={KEYS}] {archive}-security {suite}-security main\n"
            ));
        }
        fs::write(root.join("sources.list"), sources)?;
        Ok(Self { root })
    }

    fn run(&self, program: &str, words: &[&str]) -> anyhow::Result<String> {
        let at = |name: &str| self.root.join(name).display().to_string();
        let settings = [
            format!("Dir::Etc::SourceList={}", at("sources.list")),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={}", at("lists")),
            "Dir::State::Status=/dev/null".to_owned(),
            format!("Dir::Cache={}", at("cache")),
            "APT::Architecture=amd64".to_owned(),
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

    /// The package of the newest kernel.
    fn newest(&self) -> anyhow::Result<String> {
        let all = self.depends(META)?;
        let found = all.into_iter().find(|name| name.starts_with("linux-image-"));
        found.with_context(|| format!("{META} depends on no kernel"))
    }

    fn depends(&self, package: &str) -> anyhow::Result<Vec<String>> {
        let text = self.run("apt-cache", &["depends", package])?;
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(names.map(str::to_owned).collect())
    }

    fn version(&self, package: &str) -> anyhow::Result<String> {
        let text = self.run("apt-cache", &["show", package])?;
        let version = text.lines().find_map(|line| line.strip_prefix("Version: "));
        Ok(version.with_context(|| format!("{package} has no version"))?.to_owned())
    }

    fn unpack(&self, package: &str, tree: &Path) -> anyhow::Result<()> {
        self.run("apt-get", &["download", "-qq", package])?;
        let deb =
            find(&self.root, &|name| name.ends_with(".deb")).context("nothing was fetched")?;
        said(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(tree))?;
        Ok(fs::remove_file(deb)?)
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
fn said(command: &mut Command) -> anyhow::Result<String> {
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
fn find(place: &Path, wanted: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
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

/// Copies the modules that are needed out of `tree`, uncompressed, and writes down their order.
fn take_modules(tree: &Path, to: &Path) -> anyhow::Result<()> {
    let modules = to.join("modules");
    fs::create_dir_all(&modules)?;
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    for name in MODULES {
        take_module(tree, &modules, name, &mut order, &mut seen)?;
    }
    ensure!(order.iter().any(|name| name == "veth.ko"), "no module veth");
    Ok(fs::write(to.join("order"), order.join("\n"))?)
}

/// A module after what it needs. Those that are built in have no file.
fn take_module(
    tree: &Path,
    to: &Path,
    name: &str,
    order: &mut Vec<String>,
    seen: &mut BTreeSet<String>,
) -> anyhow::Result<()> {
    if !seen.insert(name.to_owned()) {
        return Ok(());
    }
    let is_it =
        |file: &str| file.split_once(".ko").is_some_and(|(stem, _)| stem.replace('-', "_") == name);
    let Some(file) = find(tree, &is_it) else { return Ok(()) };
    let needs = said(Command::new("modinfo").args(["-F", "depends"]).arg(&file))?;
    for need in needs.trim().split(',').filter(|need| !need.is_empty()) {
        take_module(tree, to, &need.replace('-', "_"), order, seen)?;
    }
    let target = format!("{name}.ko");
    let compressed = file.extension().is_some_and(|extension| extension == "xz");
    if compressed {
        let octets = Command::new("xz").arg("-dc").arg(&file).output().context("cannot run xz")?;
        ensure!(octets.status.success(), "xz cannot read {}", file.display());
        fs::write(to.join(&target), octets.stdout)?;
    } else {
        fs::copy(&file, to.join(&target))?;
    }
    order.push(target);
    Ok(())
}
