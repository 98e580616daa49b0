//! The documentation against what is there: commands are understood by the programs that they name,
//! examples run, links lead somewhere, files exist, figures are those of the sources, and the page
//! about the detectors is what their sources say.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use probe_tests::{
    docs::{self, Page, detectors},
    lab::{
        agent,
        namespace::{Namespace, own_file_systems},
        process,
        terminal::Terminal,
    },
};
use serde_json::Value;

/// Set: write the page about the detectors instead of comparing.
const BLESS: &str = "FORGEWATCH_BLESS";

/// Names the xtask program.
const XTASK: &str = "FORGEWATCH_XTASK";

const LIMIT: Duration = Duration::from_secs(60);

/// A capture with findings, for examples that name one of the reader's own.
const CAPTURE: &str = "tests/goldens/gfw-type2-v4-after-upstream/capture.pcap";

fn pages() -> Vec<Page> {
    docs::pages().expect("the documentation can be read")
}

fn at(page: &Page, line: usize) -> String {
    format!("{}:{line}", page.path.display())
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The programs, and what their helps say.
struct Programs {
    helps: BTreeMap<Vec<String>, Option<String>>,
}

impl Programs {
    fn new() -> Self {
        Self { helps: BTreeMap::new() }
    }

    fn path(name: &str) -> PathBuf {
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
    fn problem(&mut self, words: &[String]) -> Option<String> {
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

/// What is wrong with the commands of a page.
fn command_problems(page: &Page, programs: &mut Programs) -> Vec<String> {
    let commands = page.commands().into_iter();
    commands
        .filter_map(|(line, words)| {
            let problem = programs.problem(&words)?;
            Some(format!("{}: {problem} (`{}`)", at(page, line), words.join(" ")))
        })
        .collect()
}

#[test]
fn every_command_is_one_that_the_programs_understand() {
    let mut programs = Programs::new();
    let pages = pages();
    let commands: usize = pages.iter().map(|page| page.commands().len()).sum();
    assert!(commands > 20, "only {commands} commands: they are no longer found");
    let problems: Vec<String> =
        pages.iter().flat_map(|page| command_problems(page, &mut programs)).collect();
    assert_none(&problems);
}

#[test]
fn a_command_that_is_not_there_is_noticed() {
    let text = "`cargo xtask run --ifaces eth0`, `cargo xtask rerun`, `forgewatch replay --jsn a`, \
                `cargo xtask soak udp`, `cargo xtask corpus OUT --sed 1`, `cargo xtask ci`\n";
    let page = Page { path: "page.md".into(), text: text.to_owned() };
    let problems = command_problems(&page, &mut Programs::new());
    assert_eq!(problems.len(), 5, "{problems:#?}");
}

/// Runs an example of `forgewatch`, with a capture, a target file and an interface that are there.
fn example(namespace: &Namespace, scratch: &Path, words: &[String]) -> Output {
    let mut command = namespace.command(Programs::path("forgewatch"));
    command.env("FORGEWATCH_LOG", "error").current_dir(docs::root());
    command.env("FORGEWATCH_STATE", scratch.join("state")).env("FORGEWATCH_CONFIG", "");
    command.arg(&words[1]);
    let mut before = "";
    // Where its output goes to a file, it goes to the test.
    for word in words[2..].iter().take_while(|word| *word != ">") {
        match before {
            "--iface" => command.arg("lo"),
            "--targets" => command.arg(scratch.join("mine.toml")),
            "--config" => command.arg("docs/forgewatch.toml"),
            "--duration" => command.arg("0.1"),
            "--out" | "--read" | "--report" | "--state" => command.arg(scratch.join(word)),
            _ if word.contains(".pcap") && !docs::root().join(word).exists() => {
                command.arg(CAPTURE)
            }
            _ => command.arg(word.trim_matches('\'')),
        };
        before = word;
    }
    let reads = words.iter().any(|word| word == "--read");
    let watches = words[1] == "run" || words[1] == "live" && !reads;
    if watches && !words.iter().any(|word| word == "--duration") {
        command.args(["--duration", "0.1"]);
    }
    if words[1] == "live" {
        let mut terminal = Terminal::start("forgewatch", &mut command).expect("a terminal");
        let mut screen = Vec::new();
        if reads {
            terminal.shows(&["Destinations"], LIMIT).expect("what is in the file");
            screen = terminal.screen().into_bytes();
            terminal.press("q").expect("a key");
        }
        let status = terminal.process.wait(LIMIT).expect("the example ends");
        screen.extend(terminal.screen().into_bytes());
        return Output { status, stdout: screen.clone(), stderr: screen };
    }
    process::output("forgewatch", &mut command, LIMIT).expect("the example ends")
}

#[test]
fn every_example_of_forgewatch_runs() {
    let namespace = Namespace::alone("docs").expect("a namespace; this takes root");
    own_file_systems().expect("root may");
    namespace.ip("link set lo up").expect("loopback");
    let scratch = tempfile::tempdir().expect("a directory");
    // The example of a target file is one that is taken.
    let page = Page::read(Path::new("docs/targets.md")).expect("the page about targets");
    fs::write(scratch.path().join("mine.toml"), &page.blocks("toml")[0]).expect("a target file");

    // Reports are made of what a run has recorded.
    let first = ["forgewatch", "run", "--iface", "lo"].map(str::to_owned);
    let output = example(&namespace, scratch.path(), &first);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // And what one has written is read.
    let written = ["forgewatch", "replay", "--json", CAPTURE].map(str::to_owned);
    let written = example(&namespace, scratch.path(), &written);
    fs::write(scratch.path().join("run.json"), written.stdout).expect("a file");

    let (mut problems, mut run) = (Vec::new(), 0);
    for page in pages() {
        for (line, words) in page.commands() {
            let interfaces = words.iter().filter(|word| *word == "--iface").count();
            let bare = words.len() < 3;
            // Loopback cannot be given twice, and a bare name of a subcommand is no example.
            if words[0] != "forgewatch" || words[1].starts_with('-') || interfaces > 1 || bare {
                continue;
            }
            if words[1] == "replay" && !words.iter().any(|word| word.contains(".pcap")) {
                continue;
            }
            run += 1;
            let output = example(&namespace, scratch.path(), &words);
            if words.iter().any(|word| word == "--pin") {
                let detach = ["forgewatch", "detach", "--iface", "lo"].map(str::to_owned);
                example(&namespace, scratch.path(), &detach);
            }
            // A report may go into a file, or have nothing to say.
            let nothing = output.stdout.is_empty() && words[1] != "report";
            if !output.status.success() || nothing {
                let error = String::from_utf8_lossy(&output.stderr);
                let said = format!(
                    "{}: `{}`: {}: {error}",
                    at(&page, line),
                    words.join(" "),
                    output.status
                );
                problems.push(said);
            }
        }
    }
    assert!(run > 5, "only {run} examples: they are no longer found");
    assert_none(&problems);
}

/// What is wrong with the links of a page, and with the files that it names.
fn file_problems(page: &Page) -> Vec<String> {
    let root = docs::root();
    let directory = root.join(page.path.parent().unwrap_or(Path::new("")));
    let mut problems = Vec::new();
    for (line, link) in page.links() {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let path = if file.is_empty() { root.join(&page.path) } else { directory.join(file) };
        if !path.exists() {
            problems.push(format!("{}: the link {link} leads nowhere", at(page, line)));
        } else if !heading.is_empty() {
            let text = fs::read_to_string(&path).expect("a linked page can be read");
            let linked = Page { path, text };
            if !linked.anchors().iter().any(|anchor| anchor == heading) {
                problems.push(format!("{}: {link}: no such heading", at(page, line)));
            }
        }
    }
    for (line, span) in page.spans() {
        if is_file_of_ours(span) && !root.join(span.trim_end_matches('/')).exists() {
            problems.push(format!("{}: there is no {span}", at(page, line)));
        }
    }
    problems
}

/// Whether a code span is the path of a file or folder of the repository, without placeholders.
fn is_file_of_ours(span: &str) -> bool {
    const FOLDERS: [&str; 10] = [
        "docs/",
        "tests/",
        "xtask/",
        "probe-common/",
        "probe-ebpf/",
        "probe-user/",
        "targets/",
        "fingerprints/",
        "blockpages/",
        ".ci/",
    ];
    let named = |name: &str| span.split('/').any(|part| part == name);
    let placeholder = span.contains(['*', '<', ' ', '{']) || named("CASE") || named("NAME.rs");
    FOLDERS.iter().any(|folder| span.starts_with(folder)) && !placeholder
}

#[test]
fn links_lead_somewhere_and_files_are_there() {
    let problems: Vec<String> = pages().iter().flat_map(file_problems).collect();
    assert_none(&problems);
}

#[test]
fn a_link_or_file_that_is_not_there_is_noticed() {
    let text =
        "[a](json.md#finding) [b](json.md#nothing) [c](gone.md), `docs/json.md`, `docs/gone.md`\n";
    let page = Page { path: "docs/page.md".into(), text: text.to_owned() };
    assert_eq!(file_problems(&page).len(), 3, "{:#?}", file_problems(&page));
}

#[test]
fn every_page_is_reached_from_the_readme() {
    let readme = Page::read(Path::new("README.md")).expect("README.md");
    let linked: BTreeSet<&str> = readme.links().into_iter().map(|(_, link)| link).collect();
    let pages = pages();
    let missing: Vec<String> = pages
        .iter()
        .map(|page| page.path.to_string_lossy().into_owned())
        .filter(|path| path != "README.md" && !linked.contains(path.as_str()))
        .collect();
    assert_none(&missing);
}

#[test]
fn variables_of_the_environment_are_read_somewhere() {
    let root = docs::root();
    let mut sources = String::new();
    for folder in ["probe-user/src", "probe-user/tests", "tests/src", "tests/tests", "xtask/src"] {
        read_sources(&root.join(folder), &mut sources);
    }
    for page in pages() {
        for (line, span) in page.spans().filter(|(_, span)| span.starts_with("FORGEWATCH_")) {
            let name = span.split(['=', ' ']).next().unwrap_or(span);
            assert!(
                sources.contains(&format!("\"{name}\"")),
                "{}: nothing reads {name}",
                at(&page, line)
            );
        }
    }
}

fn read_sources(directory: &Path, sources: &mut String) {
    for entry in fs::read_dir(directory).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&fs::read_to_string(&path).expect("a source"));
        }
    }
}

/// Tests that the page names as what shows a defence, and no source has.
fn tests_missing(page: &Page, sources: &str) -> Vec<String> {
    let rows = page.text.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let last = rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit('|').next());
    last.flat_map(|cell| cell.split('`').skip(1).step_by(2))
        // The second, where a macro makes tests of names.
        .filter(|name| {
            !sources.contains(&format!("fn {name}("))
                && !sources.contains(&format!("    {name}: \""))
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_defence_has_a_test_that_is_there() {
    let mut sources = String::new();
    for package in ["probe-common", "probe-user", "tests/tests", "tests/src"] {
        read_sources(&docs::root().join(package), &mut sources);
    }
    let page = pages().into_iter().find(|page| page.path.ends_with("threat-model.md"));
    let page = page.expect("the page about attackers");
    assert_none(&tests_missing(&page, &sources));
}

/// Rows of the table of bounds: constant, value, what, what then, counter, file.
#[test]
fn bounds_are_those_of_the_sources() {
    let page = Page::read(Path::new("docs/architecture.md")).expect("the page about architecture");
    let mut checked = 0;
    for (line, cells) in page.rows() {
        let [name, value, .., file] = cells[..] else { continue };
        let (name, file) = (name.trim_matches('`'), file.trim_matches('`'));
        if !file.ends_with(".rs") {
            continue;
        }
        let source = fs::read_to_string(docs::root().join(file)).expect(file);
        let written: Option<u64> = value.replace(',', "").parse().ok();
        assert!(written.is_some(), "{}: {value} is no number", at(&page, line));
        assert_eq!(docs::constant(&source, name), written, "{}: {name} in {file}", at(&page, line));
        checked += 1;
    }
    assert!(checked > 20, "only {checked} bounds: they are no longer found");
}

#[test]
fn the_page_about_the_detectors_is_what_their_sources_say() {
    let page = detectors::page().expect("every source says what it has to say");
    let path = docs::root().join(detectors::PAGE);
    if env::var_os(BLESS).is_some() {
        fs::write(&path, page).expect("the page can be written");
        return;
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let different = page.lines().zip(written.lines()).position(|(now, then)| now != then);
    assert!(
        page == written,
        "{} is not what the sources say, from line {}; `cargo xtask docs` writes it",
        detectors::PAGE,
        different.map_or(page.lines().count().min(written.lines().count()), |line| line) + 1
    );
}

/// The records that the program really writes about a capture.
fn records() -> Vec<Value> {
    let mut command = Command::new(Programs::path("forgewatch"));
    command.args(["replay", "--json", CAPTURE]).current_dir(docs::root());
    let output = process::output("forgewatch", &mut command, LIMIT).expect("a replay ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// Names in the first column of the tables of a page.
fn described(page: &Page) -> BTreeSet<&str> {
    let cells = page.rows().into_iter().filter_map(|(_, cells)| cells.first().copied());
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn the_page_about_json_has_the_fields_that_are_written() {
    let page = Page::read(Path::new("docs/json.md")).expect("the page about JSON");
    let described = described(&page);
    let records = records();
    let [finding, .., summary] = &records[..] else { panic!("a finding and a summary") };

    for record in [finding, summary, &finding["signatures"][0], &finding["fingerprints"][0]] {
        let missing: Vec<&str> =
            keys(record).into_iter().filter(|key| !described.contains(key)).collect();
        assert!(missing.is_empty(), "docs/json.md does not describe {missing:?}");
    }
    let samples = page.blocks("json");
    let sample: Value = serde_json::from_str(&samples[0]).expect("the sample is JSON");
    assert_eq!(keys(&sample), keys(finding), "fields of the sample finding");
    for list in ["signatures", "fingerprints"] {
        assert_eq!(keys(&sample[list][0]), keys(&finding[list][0]), "fields of {list}");
    }
    assert_eq!(
        keys(&sample["fingerprints"][0]["vector"]),
        keys(&finding["fingerprints"][0]["vector"]),
        "fields of the vector"
    );
}

#[test]
fn the_finding_in_the_readme_has_the_fields_that_are_written() {
    let readme = Page::read(Path::new("README.md")).expect("README.md");
    let sample: Value =
        serde_json::from_str(&readme.blocks("json")[0]).expect("the sample is JSON");
    assert_eq!(keys(&sample), keys(&records()[0]));
}
