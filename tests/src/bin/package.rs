//! Tries the Debian package in a clean Debian 12, with systemd as its first process and the lab's router
//! as its network: installed, started, a forged reset found, upgraded, purged.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use probe_tests::package;

/// Try a Debian package of Forgewatch in a clean Debian 12.
///
/// Ends with 1 if something is not as it has to be. Takes root, and leaves nothing running.
#[derive(Debug, Parser)]
#[command(name = "package")]
struct Options {
    /// The package
    deb: PathBuf,
    /// Where the clean system is kept
    #[arg(long, value_name = "DIR", default_value = CACHE)]
    cache: PathBuf,
}

/// Where the clean system is kept.
const CACHE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/package");

fn main() -> ExitCode {
    let options = Options::parse();
    match package::check(&options.deb, &options.cache) {
        Ok(()) => {
            println!("The package installs, runs, finds, upgrades and goes without a trace.");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("package: {error:#}");
            ExitCode::FAILURE
        }
    }
}
