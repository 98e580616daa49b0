//! What pages say of the sources is what the sources say: variables, defences, bounds, detectors.

use std::{env, fs, path::Path};

use probe_tests::docs::{self, Page, detectors};

use super::{assert_none, at, pages};

/// Set: write the page about the detectors instead of comparing.
const BLESS: &str = "FORGEWATCH_BLESS";

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
