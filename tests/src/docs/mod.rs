//! The documentation as a program reads it: commands, links, files and figures in it, so that suites
//! can hold them against what is there.

pub mod detectors;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// One page.
#[derive(Debug)]
pub struct Page {
    /// Path below the root of the repository.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// The root of the repository.
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// All pages: those at the root and those in `docs/`.
///
/// # Errors
///
/// If one cannot be read.
pub fn pages() -> io::Result<Vec<Page>> {
    let mut paths = Vec::new();
    for directory in ["", "docs"] {
        for entry in fs::read_dir(root().join(directory))? {
            let path = Path::new(directory).join(entry?.file_name());
            if path.extension().is_some_and(|extension| extension == "md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.into_iter().map(|path| Page::read(&path)).collect()
}

impl Page {
    /// The page at `path` below the root.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(root().join(path))?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// Lines outside of fenced blocks, with their numbers.
    pub fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter_map(|(number, fenced, line)| (!fenced).then_some((number, line)))
    }

    /// Lines inside of fenced blocks.
    pub fn fenced(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter_map(|(number, fenced, line)| fenced.then_some((number, line)))
    }

    fn lines(&self) -> impl Iterator<Item = (usize, bool, &str)> {
        let mut inside = false;
        self.text.lines().enumerate().map(move |(index, line)| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            (index + 1, inside || fence, line)
        })
    }

    /// Content of the fenced blocks of one language.
    pub fn blocks(&self, language: &str) -> Vec<String> {
        let mut blocks = Vec::new();
        let mut block: Option<String> = None;
        for line in self.text.lines() {
            match line.trim().strip_prefix("```") {
                Some("") => blocks.extend(block.take()),
                Some(name) => block = (name == language).then(String::new),
                None => {
                    if let Some(block) = &mut block {
                        block.push_str(line);
                        block.push('\n');
                    }
                }
            }
        }
        blocks
    }

    /// Code spans of the prose, with the numbers of their lines.
    pub fn spans(&self) -> impl Iterator<Item = (usize, &str)> {
        self.prose().flat_map(|(number, line)| {
            line.split('`').skip(1).step_by(2).map(move |span| (number, span))
        })
    }

    /// Commands of the project that the page shows or names, as words, the program first.
    pub fn commands(&self) -> Vec<(usize, Vec<String>)> {
        self.fenced()
            .chain(self.spans())
            .filter_map(|(number, text)| Some((number, command(text)?)))
            .collect()
    }

    /// Targets of links that are not to other sites.
    pub fn links(&self) -> Vec<(usize, &str)> {
        let mut links = Vec::new();
        for (number, line) in self.prose() {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            links.extend(targets.map(|(target, _)| (number, target)));
        }
        links.retain(|(_, target)| !target.contains("://"));
        links
    }

    /// Rows of its tables, as cells.
    pub fn rows(&self) -> Vec<(usize, Vec<&str>)> {
        self.prose()
            .filter_map(|(number, line)| {
                let line = line.trim().strip_prefix('|')?.strip_suffix('|')?;
                Some((number, line.split('|').map(str::trim).collect()))
            })
            .collect()
    }

    /// The names by which links reach its headings.
    pub fn anchors(&self) -> Vec<String> {
        let headings = self.prose().filter_map(|(_, line)| line.strip_prefix('#'));
        headings.map(|heading| anchor(heading.trim_start_matches('#'))).collect()
    }
}

/// The name by which a link reaches a heading.
fn anchor(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    heading.trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

/// Reads one line as a command of the project's.
fn command(line: &str) -> Option<Vec<String>> {
    let line = line.split(" #").next()?.split(" | ").next()?.split("  ").next()?.trim();
    let line = line.strip_prefix("$ ").unwrap_or(line);
    let line = line.strip_prefix("sudo ").unwrap_or(line);
    let line = line.strip_prefix("target/release/").unwrap_or(line);
    let mut words = line.split_whitespace().map(|word| word.trim_matches(['[', ']']).to_owned());
    let ours = line.starts_with("cargo xtask ") || line.starts_with("forgewatch ");
    // A sentence in a sample of output is no command: the second word is a subcommand or a flag.
    let second = words.clone().nth(if line.starts_with("cargo") { 2 } else { 1 })?;
    let plain = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    if !ours || !plain(&second) {
        return None;
    }
    let first = words.next()?;
    if first == "cargo" {
        words.next();
    }
    Some(
        std::iter::once(if first == "cargo" { "xtask".into() } else { first })
            .chain(words)
            .collect(),
    )
}

/// The value of `const NAME` in a source, if it is a number, a product, or a shift of numbers.
pub fn constant(source: &str, name: &str) -> Option<u64> {
    let line = source.lines().find(|line| {
        let (_, rest) = line.split_once("const ").unwrap_or_default();
        rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'))
    })?;
    let (_, value) = line.split_once(" = ")?;
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().ok();
    let value = value.strip_suffix(';')?;
    if let Some((one, other)) = value.split_once("<<") {
        return number(one)?.checked_shl(number(other)? as u32);
    }
    value.split('*').map(number).product()
}

#[cfg(test)]
mod tests {
    use super::{Page, anchor, command, constant};

    fn page(text: &str) -> Page {
        Page { path: "docs/page.md".into(), text: text.to_owned() }
    }

    #[test]
    fn commands_are_found_in_blocks_and_in_sentences() {
        let page = page(
            "Run `cargo xtask test --quick` or `forgewatch`.\n\n```sh\nsudo target/release/forgewatch run \
             --iface eth0   # as root\ncargo xtask soak tcp [--flows N]  # long\n```\n",
        );
        let commands: Vec<String> = page
            .commands()
            .iter()
            .map(|(line, words)| format!("{line}: {}", words.join(" ")))
            .collect();
        let expected = [
            "4: forgewatch run --iface eth0",
            "5: xtask soak tcp --flows N",
            "1: xtask test --quick",
        ];
        assert_eq!(commands, expected);
        assert_eq!(command("forgewatch: watching wan0"), None);
    }

    #[test]
    fn links_and_headings_meet() {
        let page = page(
            "# The `summary`, last\n\nSee [there](other.md#a) and [x](https://example.org).\n",
        );
        assert_eq!(page.links(), [(3, "other.md#a")]);
        assert_eq!(page.anchors(), [anchor(" The summary, last")]);
        assert_eq!(page.anchors(), ["the-summary-last"]);
    }

    #[test]
    fn constants_are_read_as_they_are_written() {
        let source =
            "pub const A: u32 = 1 << 14;\nconst AB: usize = 8 * 1024;\nconst B: u64 = 65_536;\n";
        assert_eq!(constant(source, "A"), Some(16_384));
        assert_eq!(constant(source, "AB"), Some(8_192));
        assert_eq!(constant(source, "B"), Some(65_536));
        assert_eq!(constant(source, "C"), None);
    }
}
