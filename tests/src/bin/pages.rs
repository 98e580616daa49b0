//! Writes the pages of made-up reports into a folder, for looking at them.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::Parser;
use probe_tests::pages;
use probe_user::page;

/// Writes the pages of made-up reports into a folder
#[derive(Parser)]
struct Options {
    /// Where to write them
    folder: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let folder = Options::parse().folder;
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for example in pages::all() {
        let path = folder.join(format!("{}.html", example.name));
        let html = page::render(&example.report)?;
        fs::write(&path, html).with_context(|| format!("writing {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}
