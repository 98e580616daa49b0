//! What the file says counts, and what is wrong in it is told.

use std::fs;

use probe_tests::{docs, lab::process};

use super::{Bench, SOON, stop};

fn output(bench: &Bench, words: &[&str]) -> (Option<i32>, String, String) {
    let output = process::output("forgewatch", bench.forgewatch().args(words), SOON)
        .expect("forgewatch runs and ends");
    let text = |octets| String::from_utf8(octets).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_run_goes_by_its_file_and_arguments_count_first() {
    let bench = Bench::new(
        "interfaces = [\"lo\"]\nall = true\n[kernel]\nring_octets = 4096\nflow_sets = 64\n\
         [state]\ndirectory = \"state\"\n",
    );
    let process = bench.run(bench.forgewatch().arg("run"));
    super::says(&process, "recording in");
    let log = stop(process);
    assert!(log.contains("every connection"), "{log}");
    assert!(bench.directory.path().join("state").is_dir(), "a path begins at the file: {log}");

    // One key of them by an argument.
    let process = bench.run(bench.forgewatch().args(["run", "--all=false", "--no-state"]));
    let log = stop(process);
    assert!(!log.contains("every connection") && !log.contains("recording in"), "{log}");

    let (code, shown, _) = output(&bench, &["config", "show", "--all=false"]);
    assert_eq!(code, Some(0));
    for line in [
        "interfaces = [\"lo\"]  # file",
        "all = false  # command line",
        "flow_sets = 64  # file",
        "question_sets = 16384  # default",
    ] {
        assert!(shown.contains(line), "no `{line}` in: {shown}");
    }
}

#[test]
fn what_is_wrong_is_told_with_code_2() {
    let bench = Bench::new("interfaces = [\"lo\"]\n[state]\nkeep_dais = 3\n");
    for words in [&["run"][..], &["config", "check"], &["config", "show"], &["report"]] {
        let (code, out, error) = output(&bench, words);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{words:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        let says = "forgewatch.toml, line 3, column 1: unknown key `keep_dais` in [state]; allowed";
        assert!(error.contains(says), "{error}");
    }
    bench.configure("");
    let (code, _, error) = output(&bench, &["run"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("--iface") && error.contains("forgewatch.toml"), "{error}");

    // Files of targets belong to it.
    bench.configure("targets = [\"mine.toml\"]\n");
    let (code, _, error) = output(&bench, &["config", "check"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("mine.toml"), "{error}");
    fs::remove_file(bench.config()).expect("it was there");
    let (code, _, error) = output(&bench, &["config", "check"]);
    assert!(code == Some(2) && error.contains("docs/configuration.md"), "{error}");
}

#[test]
fn the_example_is_taken_and_changes_nothing() {
    let bench = Bench::new("");
    let (code, example, _) = output(&bench, &["config", "example"]);
    assert_eq!(code, Some(0));
    let before = output(&bench, &["config", "show"]).1;
    bench.configure(&example);
    assert_eq!(output(&bench, &["config", "show"]).1, before);
    let (code, said, _) = output(&bench, &["config", "check"]);
    assert!(code == Some(0) && said.contains("not at their default: 0"), "{said}");
}

#[test]
fn reports_are_made_of_the_directory_that_the_file_names() {
    let bench = Bench::new("interfaces = [\"lo\"]\n[state]\ndirectory = \"state\"\n");
    stop(bench.run(bench.forgewatch().arg("run")));
    let (code, report, error) = output(&bench, &["report"]);
    assert!(code == Some(0) && report.contains("\"run\""), "{report}{error}");
}

/// The object has a ring of its own, for who does not say how large it is to be.
#[test]
fn the_ring_is_as_large_as_the_object_has_it() {
    let value = |file: &str, name| {
        let source = fs::read_to_string(docs::root().join(file)).expect("a source");
        docs::constant(&source, name).expect("a constant")
    };
    let object = value("probe-ebpf/src/maps.rs", "RING_OCTETS");
    assert_eq!(value("probe-user/src/config/settings.rs", "RING_DEFAULT"), object);
}
