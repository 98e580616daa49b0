//! Links lead somewhere, and files that are named are there.

use std::{collections::BTreeSet, fs, path::Path};

use probe_tests::docs::{self, Page};

use super::{assert_none, at, pages};

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
