//! Debian's kernels, out of Debian's archive, unpacked and not installed.

use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

use super::{
    apt::{Apt, Suite, find, said},
    architecture::Architecture,
};

/// A kernel that Debian has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Its series: what its version begins with.
    pub series: &'static str,
    /// Where it is.
    suite: Suite,
}

/// Those that are tried, oldest first.
pub const KERNELS: [Kernel; 4] = [
    Kernel { series: "5.10", suite: Suite { name: "bullseye", security: true } },
    Kernel { series: "6.1", suite: Suite { name: "bookworm", security: true } },
    Kernel { series: "6.12", suite: Suite { name: "trixie", security: true } },
    Kernel { series: "7.2", suite: Suite { name: "sid", security: false } },
];

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
        write!(f, "{} of {}", self.series, self.suite.name)
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
    /// Where in the cache it is.
    pub fn directory(&self, cache: &Path, of: Architecture) -> PathBuf {
        cache.join(of.place(self.series))
    }

    /// The kernel for `of` out of the cache, or out of the archive.
    ///
    /// # Errors
    ///
    /// If it is in neither, or is of another series by now.
    pub fn get(&self, cache: &Path, of: Architecture) -> anyhow::Result<Unpacked> {
        let directory = self.directory(cache, of);
        let version = directory.join("version");
        if !version.exists() {
            let fresh = directory.with_added_extension("new");
            let _ = fs::remove_dir_all(&fresh);
            self.fetch(&fresh, of)
                .with_context(|| format!("cannot get Debian's kernel {self} for {of}"))?;
            let _ = fs::remove_dir_all(&directory);
            fs::rename(&fresh, &directory)?;
        }
        let version = fs::read_to_string(version)?;
        Ok(Unpacked { directory, version })
    }

    fn fetch(&self, to: &Path, of: Architecture) -> anyhow::Result<()> {
        let apt = Apt::new(to, self.suite, of)?;
        // A package that depends on the newest kernel of its suite.
        let all = apt.depends(&format!("linux-image-{}", of.debian()))?;
        let image = all.into_iter().find(|name| name.starts_with("linux-image-"));
        let image = image.context("no kernel in the archive")?;
        let version = apt.version(&image)?;
        ensure!(
            version.starts_with(&format!("{}.", self.series)),
            "{} has {version} by now, no longer {}",
            self.suite.name,
            self.series
        );
        // In newer suites the package of the image only depends on those with the files.
        let mut packages = apt.depends(&image)?;
        packages
            .retain(|name| name.starts_with("linux-binary-") || name.starts_with("linux-modules-"));
        packages.push(image);
        let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        let tree = to.join("tree");
        apt.unpack(&packages, &tree)?;
        let vmlinuz = find(&tree, &|name| name.starts_with("vmlinuz"))
            .with_context(|| format!("no kernel in {}", packages.join(", ")))?;
        fs::copy(vmlinuz, to.join("vmlinuz"))?;
        take_modules(&tree, to)?;
        fs::write(to.join("version"), version)?;
        fs::remove_dir_all(tree)?;
        apt.remove()
    }
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
