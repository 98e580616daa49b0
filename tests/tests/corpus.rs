//! Captures as they are written, found again and compared with their own truth. What the detectors
//! make of them is not looked at here.

use std::sync::Arc;

use probe_tests::{
    corpus::build::{self, Scale},
    score::{self, Kind, Sheet, captures},
};
use probe_user::targets::TargetSet;

fn scored(names: &[&str]) -> Sheet {
    let directory = tempfile::tempdir().unwrap();
    let plans = build::plans();
    for name in names {
        let plan = plans.iter().find(|plan| plan.name() == *name).unwrap();
        plan.make(3, Scale::FULL).write(directory.path()).unwrap();
    }
    let found = captures::labelled(directory.path()).unwrap();
    assert_eq!(found.len(), names.len());
    let targets = Arc::new(TargetSet::builtin());
    let mut sheet = Sheet::default();
    for one in &found {
        let case = score::judge(one, &targets, false).unwrap();
        assert!(case.damage.is_none());
        assert_eq!(case.outcomes.iter().filter(|one| one.kind == Kind::Innocent).count(), 4);
        sheet.add(case);
    }
    sheet
}

#[test]
fn the_truth_is_read_back_as_it_was_written() {
    let sheet = scored(&[
        "gfw-type2-v4-after-upstream",
        "kazakhstan-v6-after-upstream",
        "tspu-sni1-v4-after-downstream",
        "innocent-server-abort-v6",
    ]);
    let total = sheet.total;
    assert_eq!((total.injected, total.dropped, total.unseen, total.innocent), (4, 4, 4, 16));
    // Three to the client of each of the four connections.
    assert_eq!(sheet.packets.1, 12);
}

#[test]
fn captures_without_labels_count_as_clean() {
    let directory = tempfile::tempdir().unwrap();
    let plans = build::plans();
    let plan = plans.iter().find(|plan| plan.name() == "innocent-https-v4").unwrap();
    plan.make(1, Scale::SMALL).write(directory.path()).unwrap();
    assert!(captures::clean(directory.path()).unwrap().is_empty(), "it has labels");
    std::fs::remove_file(directory.path().join("innocent-https-v4.labels.csv")).unwrap();
    let found = captures::clean(directory.path()).unwrap();
    assert_eq!(found.len(), 1);
    let list = directory.path().join("list.txt");
    std::fs::write(&list, "# clean\ninnocent-https-v4.router.pcap\n").unwrap();
    assert_eq!(captures::clean(&list).unwrap()[0].path, found[0].path);
}
