//! The agent under all that this machine makes, for a moment: what is forged among it is found, nobody else
//! accused, and no packet and no event goes missing. For an hour: `cargo xtask soak live`.

use std::time::Duration;

use probe_tests::soak::live::{self, Plan};

#[test]
fn among_all_that_this_machine_makes_what_is_forged_is_found() {
    let plan = Plan {
        lasting: Duration::from_secs(10),
        rate: None,
        forged: 10.0,
        every: Duration::from_secs(2),
    };
    let told = live::run(&plan, |row| println!("{row:?}"))
        .expect("a soak; this takes root and the object that `cargo xtask test` builds");
    println!("lost: {:?}", told.lost);
    assert!(told.rows.len() >= 3 && told.rows.iter().all(|row| row.rate > 0.0), "{:?}", told.rows);
    assert!(told.is_good(), "{:#?}\n{:#?}", told.checks, told.examples);
}

/// That there was nothing to find is no success.
#[test]
fn a_soak_without_forgeries_does_not_hold() {
    let plan = Plan {
        lasting: Duration::from_secs(2),
        rate: Some(20_000.0),
        forged: 0.0,
        every: Duration::from_secs(1),
    };
    let told = live::run(&plan, |_| {}).expect("a soak");
    let failed = told.checks.iter().filter(|check| !check.holds).collect::<Vec<_>>();
    assert!(failed.len() == 1 && failed[0].what.contains("forged"), "{failed:?}");
}
