//! The documentation against what is there: commands are understood by the programs that they name,
//! examples run, links lead somewhere, files exist, figures are those of the sources, and the page
//! about the detectors is what their sources say.

mod commands;
mod examples;
mod fields;
mod links;
mod programs;
mod sources;

use std::time::Duration;

use probe_tests::docs::{self, Page};

const LIMIT: Duration = Duration::from_secs(60);

/// A capture with findings, for examples that name one of the reader's own.
const CAPTURE: &str = "tests/goldens/gfw-type2-v4-after-upstream/capture.pcap";

fn pages() -> Vec<Page> {
    docs::pages().expect("the documentation can be read")
}

fn at(page: &Page, line: usize) -> String {
    format!("{}:{line}", page.path.display())
}

#[track_caller]
fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
