//! Commands are ones that the programs which they name understand.

use probe_tests::docs::Page;

use super::{assert_none, at, pages, programs::Programs};

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
