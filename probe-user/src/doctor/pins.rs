//! What agents with `--pin` have left, or hold.

use std::path::Path;

use super::report::Check;
use crate::source::kernel::pins::{self, PinError, Standing};

/// One line for each set of interfaces; none where nothing is pinned.
pub(super) fn checks(base: &Path) -> Vec<Check> {
    match pins::standing(base) {
        Ok(sets) => sets.iter().map(check).collect(),
        // Only root looks into it, and whoever it belongs to.
        Err(error) if error.is_permission() => Vec::new(),
        Err(error @ PinError::NoPins { .. }) => {
            let advice = "name a directory of a BPF file system as `pin` under [kernel]";
            vec![Check::warn("pins", error.to_string()).advise(advice)]
        }
        Err(error) => vec![Check::unknown("pins", error.to_string()).advise("run as root to know")],
    }
}

fn check(Standing { interfaces, held }: &Standing) -> Check {
    let names = interfaces.join(", ");
    if *held {
        return Check::ok("pins", format!("an agent watches {names}, and has it pinned"));
    }
    let again: Vec<String> = interfaces.iter().map(|name| format!("--iface {name}")).collect();
    let (again, one) = (again.join(" "), again.first().cloned().unwrap_or_default());
    Check::warn(
        "pins",
        format!("{names}: pinned, and no agent has it: the programs look, and nobody reads"),
    )
    .advise(format!(
        "`forgewatch run --pin {again}` takes it over, `forgewatch detach {one}` takes it off"
    ))
}

#[cfg(test)]
mod tests {
    use super::{super::report::Status, *};

    #[test]
    fn what_nobody_has_can_be_taken_over_or_off() {
        let interfaces = vec!["lan0".to_owned(), "wan0".to_owned()];
        let held = check(&Standing { interfaces: interfaces.clone(), held: true });
        assert_eq!(held.status, Status::Ok);
        let left = check(&Standing { interfaces, held: false });
        assert_eq!(left.status, Status::Warn);
        let advice = left.advice.expect("what to do");
        assert!(advice.contains("run --pin --iface lan0 --iface wan0`"), "{advice}");
        assert!(advice.contains("detach --iface lan0`"), "{advice}");
        assert_eq!(checks(Path::new("/nowhere")), []);
        assert_eq!(checks(Path::new("/proc")).first().map(|one| one.status), Some(Status::Warn));
    }
}
