//! Examples run.

use std::{fs, path::Path, process::Output};

use probe_tests::{
    docs::{self, Page},
    lab::{
        namespace::{Namespace, own_file_systems},
        process,
        terminal::Terminal,
    },
};

use super::{CAPTURE, LIMIT, assert_none, at, pages, programs::Programs};

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
    if words[1] == "run" && !words.iter().any(|word| word == "--duration") {
        command.args(["--duration", "0.1"]);
    }
    if words[1] == "live" {
        let mut terminal = Terminal::start("forgewatch", &mut command).expect("a terminal");
        terminal.shows(&["Destinations"], LIMIT).expect("a view");
        let mut screen = terminal.screen().into_bytes();
        terminal.press("q").expect("a key");
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
