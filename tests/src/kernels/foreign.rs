//! The lab's programs for another architecture than this machine's: Debian's packages with all that they need,
//! unpacked and not installed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{
    apt::{Apt, Suite},
    architecture::Architecture,
    image,
};

/// Where they are from.
const SUITE: Suite = Suite { name: "bookworm", security: true };

/// The packages of [`image::PROGRAMS`].
const PACKAGES: [&str; 8] = [
    "iproute2",
    "ethtool",
    "nftables",
    "iputils-ping",
    "nginx-light",
    "unbound",
    "curl",
    "bind9-dnsutils",
];

/// What nothing reads while it runs; it would lie in the guest's memory.
const UNREAD: [&str; 4] = ["doc", "info", "locale", "man"];

/// The tree with the programs for `of`, out of the cache or of the archive.
///
/// # Errors
///
/// If they are in neither.
pub fn programs(cache: &Path, of: Architecture) -> anyhow::Result<PathBuf> {
    let directory = cache.join(of.place("programs"));
    if !directory.exists() {
        let fresh = directory.with_extension("new");
        let _ = fs::remove_dir_all(&fresh);
        let tree = fresh.join("tree");
        image::skeleton(&tree)?;
        Apt::new(&fresh, SUITE, of)
            .and_then(|apt| {
                apt.unpack_all(&PACKAGES, &tree)?;
                apt.remove()
            })
            .with_context(|| format!("cannot get the lab's programs for {of}"))?;
        for name in UNREAD {
            let _ = fs::remove_dir_all(tree.join("usr/share").join(name));
        }
        fs::rename(&fresh, &directory)?;
    }
    Ok(directory.join("tree"))
}
