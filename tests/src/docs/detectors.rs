//! The page about the detectors, made from what their sources say of themselves.

use std::{fs, path::Path};

use anyhow::{Context as _, bail};
use probe_user::detect::{DNS, LIES, QUIC, SILENT, TCP, radar};

use super::root;

/// The page, below the root.
pub const PAGE: &str = "docs/detectors.md";

/// Where the sources are, below the root.
const SOURCES: &str = "probe-user/src/detect";

/// Parts that a source must have.
const PARTS: [&str; 4] =
    ["**Rule.**", "**Source.**", "**Worth.**", "**Look-alikes that it stays silent on.**"];

const HEAD: &str = "\
# Detectors

Made by `cargo xtask docs` from the sources; do not edit. How to read an entry:

- **Worth** is the class of the evidence and its confidence. C3: impossible for the two ends, one is enough. C2: strong,
  needs a second piece of another class. C1: statistical. The classes are in [json.md](json.md#signatures).
- **Look-alikes** are innocent behaviours that a careless rule would accuse, and why this one does not. What the
  [corpus](corpus.md#models-and-behaviours) has of them is in its second table.
- **Figures** are the constants of the rule, as they stand in the source.

How to write one is in [adding-a-detector.md](adding-a-detector.md).
";

/// Makes the page.
///
/// # Errors
///
/// If a source cannot be read, or lacks a part.
pub fn page() -> anyhow::Result<String> {
    let mut page = HEAD.to_owned();
    let lists = [
        ("TCP", TCP.iter().map(|one| one.id).collect::<Vec<_>>()),
        ("Silence", SILENT.iter().map(|one| one.id).collect()),
        ("QUIC", QUIC.iter().map(|one| one.id).collect()),
        ("DNS", DNS.iter().map(|one| one.id).collect()),
        ("False answers", LIES.iter().map(|one| one.id).collect()),
    ];
    let mut told: Vec<&str> = Vec::new();
    for (title, ids) in lists {
        page.push_str(&format!("\n## {title}\n"));
        for id in ids {
            if told.contains(&id) {
                page.push_str(&format!("\n`{id}` judges these, too: see above.\n"));
                continue;
            }
            told.push(id);
            page.push('\n');
            page.push_str(&entry(id)?);
        }
    }
    page.push_str(&signatures()?);
    Ok(page)
}

/// The entry of one detector.
fn entry(id: &str) -> anyhow::Result<String> {
    let path = format!("{SOURCES}/{}.rs", id.to_lowercase());
    let source = read(&path)?;
    let text = module_text(&source);
    let (title, rest) = paragraphs(&text);
    let Some(title) = title.strip_prefix(&format!("`{id}`: ")) else {
        bail!("{path} does not begin with its id and a sentence");
    };
    // A table of constants has a source for each.
    let there = |part: &str| rest.contains(part) || part == PARTS[1] && rest.contains("| source |");
    if let Some(part) = PARTS.iter().find(|part| !there(part)) {
        bail!("{path} has no {part}");
    }
    let mut entry = format!("### {id}\n\n{}\n\n{}\n", capital(title), unlinked(rest.trim()));
    let figures = figures(&source);
    if !figures.is_empty() {
        entry.push_str("\n**Figures.**\n");
        for (name, value, text) in figures {
            entry.push_str(&format!("- `{name}` = `{value}`: {text}\n"));
        }
    }
    entry.push_str(&format!("\nSource: [{}](../{path})\n", id.to_lowercase()));
    Ok(entry)
}

/// Radar's signatures, as a table.
fn signatures() -> anyhow::Result<String> {
    let directory = format!("{SOURCES}/radar");
    let text = module_text(&read(&format!("{directory}/mod.rs"))?);
    let (title, rest) = paragraphs(&text);
    let mut table =
        format!("\n## Signatures of Radar\n\n{}\n\n{}\n\n", capital(&title), unlinked(rest.trim()));
    table.push_str("| id | pattern | what it is | look-alike |\n|---|---|---|---|\n");
    let mut files: Vec<String> = fs::read_dir(root().join(&directory))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    let mut all: Vec<&radar::Radar> = radar::ALL.to_vec();
    all.sort_by_key(|radar| radar.id);
    for radar in all {
        let start = format!("{}_", radar.id.to_lowercase());
        let file = files.iter().find(|file| file.starts_with(&start));
        let file = file.with_context(|| format!("no file for {}", radar.id))?;
        let text = module_text(&read(&format!("{directory}/{file}"))?);
        let (what, alike) = text
            .split_once("**Look-alike.**")
            .with_context(|| format!("{directory}/{file} has no look-alike"))?;
        let (_, what) = what
            .split_once(">`: ")
            .with_context(|| format!("{directory}/{file} has no pattern"))?;
        let cell = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let pattern = radar.pattern;
        table.push_str(&format!(
            "| `{}` | `{pattern}` | {} | {} |\n",
            radar.id,
            cell(what),
            cell(alike)
        ));
    }
    Ok(table)
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(root().join(Path::new(path))).with_context(|| format!("cannot read {path}"))
}

/// What a source says of itself at its beginning.
fn module_text(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// The first paragraph in one line, and what follows.
fn paragraphs(text: &str) -> (String, &str) {
    let (first, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    (first.replace('\n', " "), rest)
}

/// Constants with a sentence above them: name, value, sentence.
fn figures(source: &str) -> Vec<(&str, &str, String)> {
    let mut figures = Vec::new();
    let mut text: Vec<&str> = Vec::new();
    for line in source.lines() {
        if let Some(sentence) = line.strip_prefix("/// ") {
            text.push(sentence);
            continue;
        }
        let line = ["pub const ", "pub(crate) const ", "const "]
            .iter()
            .find_map(|start| line.strip_prefix(start));
        if let Some((name, rest)) = line.and_then(|line| line.split_once(':'))
            && let Some((_, value)) = rest.split_once(" = ")
            && let Some(value) = value.strip_suffix(';')
            && !text.is_empty()
        {
            figures.push((name, value, unlinked(&text.join(" "))));
        }
        text.clear();
    }
    figures
}

/// Without the links that only rustdoc can follow: "[`Name`](crate::path)" becomes "`Name`".
fn unlinked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once("`]") else {
            out.push_str("[`");
            rest = after;
            continue;
        };
        out.push_str(&format!("`{name}`"));
        rest = match behind.strip_prefix('(').and_then(|link| link.split_once(')')) {
            Some((link, behind)) if !link.contains("//") => behind,
            _ => behind,
        };
    }
    out.push_str(rest);
    out
}

/// With a capital letter, if it begins with a letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::{figures, module_text, unlinked};

    #[test]
    fn links_of_rustdoc_become_code() {
        assert_eq!(
            unlinked("more than [`SKEW`] away, see [`Seen`](crate::judge)."),
            "more than `SKEW` away, see `Seen`."
        );
        assert_eq!(unlinked("a [link] stays"), "a [link] stays");
    }

    #[test]
    fn text_and_figures_are_read() {
        let source = "//! `A`: b.\n//!\n//! c\n\nuse d;\n\n/// How far,\n/// in hops.\nconst FAR: u8 = 2;\nconst BARE: u8 = 3;\n";
        assert_eq!(module_text(source), "`A`: b.\n\nc");
        assert_eq!(figures(source), [("FAR", "2", "How far, in hops.".to_owned())]);
    }
}
