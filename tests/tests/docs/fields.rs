//! Fields that pages describe are those that are written.

use std::{collections::BTreeSet, path::Path, process::Command};

use probe_common::counter::Counter;
use probe_tests::{
    docs::{self, Page},
    lab::process,
};
use serde_json::Value;

use super::{CAPTURE, LIMIT, programs::Programs};

/// The records that the program really writes about a capture.
fn records() -> Vec<Value> {
    records_with(&[])
}

fn records_with(more: &[&str]) -> Vec<Value> {
    let mut command = Command::new(Programs::path("forgewatch"));
    command.args(["replay", "--json", CAPTURE]).args(more).current_dir(docs::root());
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

/// A counter that nobody has described says nothing to whoever is alerted by it.
#[test]
fn the_page_about_metrics_has_every_counter() {
    let page = Page::read(Path::new("docs/metrics.md")).expect("the page about metrics");
    let described = described(&page);
    let state = tempfile::tempdir().expect("a directory");
    // With a ledger, which has counters of its own.
    let state = state.path().to_str().expect("a path in UTF-8");
    let records = records_with(&["--state", state]);
    let summary = records.last().expect("a summary");
    let written = ["lost", "counters"].into_iter().flat_map(|list| keys(&summary[list]));
    let counted = Counter::ALL.iter().map(|counter| counter.name());
    let shapes = |name: &&str| !name.starts_with("signature_");
    let missing: Vec<&str> =
        written.filter(shapes).chain(counted).filter(|name| !described.contains(name)).collect();
    assert!(missing.is_empty(), "docs/metrics.md does not describe {missing:?}");
}

#[test]
fn the_finding_in_the_readme_has_the_fields_that_are_written() {
    let readme = Page::read(Path::new("README.md")).expect("README.md");
    let sample: Value =
        serde_json::from_str(&readme.blocks("json")[0]).expect("the sample is JSON");
    assert_eq!(keys(&sample), keys(&records()[0]));
}
