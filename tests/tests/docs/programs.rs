//! The programs that pages name, and what they say that they understand.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::PathBuf,
    process::Command,
};

use probe_tests::lab::{agent, process};

use super::LIMIT;

/// Names the xtask program.
const XTASK: &str = "FORGEWATCH_XTASK";

/// The programs, and what their helps say.
pub(super) struct Programs {
    helps: BTreeMap<Vec<String>, Option<String>>,
}

impl Programs {
    pub(super) fn new() -> Self {
        Self { helps: BTreeMap::new() }
    }

    pub(super) fn path(name: &str) -> PathBuf {
        match name {
            "xtask" => env::var_os(XTASK).map(PathBuf::from).unwrap_or_else(|| {
                panic!("{XTASK} is not set to the path of xtask; `cargo xtask test` sets it")
            }),
            "forgewatch" => agent::path().expect("which agent to test"),
            "bench" => env!("CARGO_BIN_EXE_bench").into(),
            "corpus" => env!("CARGO_BIN_EXE_corpus").into(),
            "kernels" => env!("CARGO_BIN_EXE_kernels").into(),
            "demo" => env!("CARGO_BIN_EXE_demo").into(),
            "linkedin-2016" => env!("CARGO_BIN_EXE_linkedin-2016").into(),
            "score" => env!("CARGO_BIN_EXE_score").into(),
            "simulate" => env!("CARGO_BIN_EXE_simulate").into(),
            "soak" => env!("CARGO_BIN_EXE_soak").into(),
            other => panic!("no program {other}"),
        }
    }

    /// What `words --help` says, if it succeeds.
    fn help(&mut self, words: &[&str]) -> Option<&str> {
        let key: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let help = self.helps.entry(key).or_insert_with(|| {
            let mut command = Command::new(Self::path(words[0]));
            command.args(&words[1..]).arg("--help");
            let output = process::output(words[0], &mut command, LIMIT).expect("help ends");
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        });
        help.as_deref()
    }

    /// What is wrong with a command, if anything.
    pub(super) fn problem(&mut self, words: &[String]) -> Option<String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let [program, first, ..] = words[..] else { return None };
        // `cargo xtask --help`, `forgewatch --version`.
        if first.starts_with("--") {
            let known = flags(self.help(&[program])?);
            return (!known.contains(first)).then(|| format!("{program} has no {first}"));
        }
        let Some(help) = self.help(&[program, first]) else {
            return Some(format!("{program} has no subcommand {first}"));
        };
        let mut known = flags(help);
        // What a subcommand of a subcommand takes.
        if (program, first) == ("forgewatch", "config") {
            let second = *words.get(2).filter(|word| !word.starts_with('-'))?;
            match self.help(&[program, first, second]) {
                Some(help) => known.extend(flags(help)),
                None => return Some(format!("{program} {first} has no subcommand {second}")),
            }
        }
        // What xtask hands on, the programs behind it must understand.
        let behind: Option<Vec<&str>> = match (program, first) {
            ("xtask", "run") => Some(vec!["forgewatch", "run"]),
            ("xtask", "soak") => Some(vec!["soak", words.get(2).copied().unwrap_or("tcp")]),
            ("xtask", "demo") if words.get(2) == Some(&"linkedin-2016") => Some(vec![words[2]]),
            ("xtask", "demo" | "corpus" | "score" | "simulate" | "bench" | "kernels") => {
                Some(vec![first])
            }
            _ => None,
        };
        if let Some(behind) = behind {
            match self.help(&behind) {
                Some(help) => known.extend(flags(help)),
                None => return Some(format!("there is no `{}`", behind.join(" "))),
            }
        }
        let unknown = words[2..]
            .iter()
            .filter(|word| word.starts_with("--") && word.len() > 2)
            .map(|word| word.split('=').next().unwrap_or(word))
            .find(|word| !known.contains(*word));
        unknown.map(|flag| format!("{program} {first} has no {flag}"))
    }
}

/// Flags that a help names.
fn flags(help: &str) -> BTreeSet<String> {
    let ends = |letter: char| !letter.is_ascii_alphanumeric() && letter != '-';
    let words = help.split(ends).filter(|word| word.starts_with("--") && word.len() > 2);
    words.map(str::to_owned).collect()
}
