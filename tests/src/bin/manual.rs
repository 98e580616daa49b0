//! Writes man pages and shell completions, from what the command line itself is made of.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::{Command, Parser};
use clap_complete::Shell;

/// Write man pages and completions of `forgewatch`.
#[derive(Debug, Parser)]
#[command(name = "manual")]
struct Options {
    /// Directory to write to, into `man` and `completions`
    directory: PathBuf,
    /// The date on the pages
    #[arg(long, value_name = "DATE")]
    date: String,
}

/// The section of commands.
const SECTION: &str = "1";

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let man = options.directory.join("man");
    let completions = options.directory.join("completions");
    for directory in [&man, &completions] {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let mut command = probe_user::cli::command();
    command.build();
    pages(&command, &options, &man)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "forgewatch", &completions)
            .with_context(|| format!("cannot write the completions of {shell}"))?;
    }
    Ok(())
}

/// A page of a command, and those of its subcommands, which its own lists under "see also" by name.
fn pages(command: &Command, options: &Options, to: &PathBuf) -> anyhow::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let page = clap_mangen::Man::new(command.clone())
        .title(name.to_uppercase())
        .section(SECTION)
        .date(&options.date)
        .source(format!("Forgewatch {}", env!("CARGO_PKG_VERSION")))
        .manual("Forgewatch");
    let mut text = Vec::new();
    page.render(&mut text)?;
    let path = to.join(format!("{name}.{SECTION}"));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        pages(inner, options, to)?;
    }
    Ok(())
}
