//! Packages of Debian's backports, for a machine that has a part of them already.
//!
//! A machine can have, say, `qemu-utils` of the backports. The release's own `qemu-system-x86` would
//! then want it removed, and nothing is ever removed here: the one of the backports goes with it.

use std::{ffi::OsStr, fs, process::Command};

use anyhow::{Context as _, bail};

use crate::steps;

/// Where the archive is, if the machine's own sources do not say.
const ARCHIVE: &str = "http://deb.debian.org/debian";

/// Debian's keys, of the package `debian-archive-keyring`.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Fetches the lists of packages of this release and of its backports, and returns the options with which
/// apt-get goes by them and prefers the backports. The machine's own sources and lists stay as they are.
///
/// # Errors
///
/// If this is no release of Debian's, or apt-get fails.
pub(crate) fn options() -> anyhow::Result<Vec<String>> {
    let Some(release) = fs::read_to_string("/etc/os-release").ok().as_deref().and_then(codename)
    else {
        bail!("this is no release of Debian's, which would have backports");
    };
    let directory = steps::root().join("target/xtask/backports");
    fs::create_dir_all(directory.join("lists/partial"))
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let mut sources = fs::read_to_string("/etc/apt/sources.list").unwrap_or_default();
    sources.push_str(&format!("\ndeb [signed-by={KEYS}] {} {release}-backports main\n", archive()));
    let list = directory.join("sources.list");
    fs::write(&list, sources).with_context(|| format!("cannot write {}", list.display()))?;
    let mut options = Vec::new();
    for setting in [
        format!("Dir::Etc::SourceList={}", list.display()),
        format!("Dir::State::Lists={}", directory.join("lists").display()),
        // The lists are where apt's own user may not look.
        "APT::Sandbox::User=root".to_owned(),
    ] {
        options.extend(["-o".to_owned(), setting]);
    }
    let mut update = steps::as_root(OsStr::new("apt-get"), &[("LC_ALL", "C".into())])?;
    update.arg("update").args(&options);
    let title = format!("fetching the lists of {release}-backports into target/xtask/backports");
    steps::logged(&title, "apt-backports", &mut update, "check the network and /etc/apt")?;
    options.extend(["-t".to_owned(), format!("{release}-backports")]);
    Ok(options)
}

/// Those of `packages` that cannot be installed as apt's sources are unless others go.
pub(crate) fn refused(packages: &[String]) -> Vec<String> {
    let installs = |package: &&String| {
        let mut command = Command::new("apt-get");
        command.args(["install", "--simulate", "--no-install-recommends", "--no-remove"]);
        command.arg(package.as_str()).env("LC_ALL", "C");
        steps::ask(&mut command).is_some()
    };
    packages.iter().filter(|package| !installs(package)).cloned().collect()
}

/// The name of the release, from what `/etc/os-release` says.
fn codename(text: &str) -> Option<String> {
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"'))
    };
    (value("ID") == Some("debian")).then(|| value("VERSION_CODENAME").map(str::to_owned))?
}

/// Where this machine's apt has Debian's archive from.
fn archive() -> String {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(SITE)", "Identifier: Packages"]);
    let sites = steps::ask(&mut command).unwrap_or_default();
    sites.lines().find(|site| site.ends_with("/debian")).unwrap_or(ARCHIVE).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_releases_of_debian_have_backports() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(codename(debian).as_deref(), Some("bookworm"));
        assert_eq!(codename(&debian.replace("ID=debian", "ID=\"ubuntu\"")), None);
        assert_eq!(codename("ID=debian\n"), None);
    }
}
