//! What the examination found, for people and for programs.

use std::fmt;

use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It works, but something will be missed, slower or harder to read.
    Warn,
    /// It will not work.
    Fail,
    /// It could not be found out, mostly for lack of privileges.
    Unknown,
}

/// What a failed check stands in the way of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Kernel,
    Interface,
    Privileges,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at: a short name that does not change between versions.
    pub check: &'static str,
    /// The interface it is about, if it is about one.
    pub iface: Option<String>,
    /// How it came out.
    pub status: Status,
    /// What was seen.
    pub seen: String,
    /// What to do about it.
    pub advice: Option<String>,
    #[serde(skip)]
    pub(super) cause: Option<Cause>,
}

impl Check {
    pub(super) fn ok(check: &'static str, seen: impl Into<String>) -> Self {
        Check {
            check,
            iface: None,
            status: Status::Ok,
            seen: seen.into(),
            advice: None,
            cause: None,
        }
    }

    pub(super) fn warn(check: &'static str, seen: impl Into<String>) -> Self {
        Check { status: Status::Warn, ..Check::ok(check, seen) }
    }

    pub(super) fn unknown(check: &'static str, seen: impl Into<String>) -> Self {
        Check { status: Status::Unknown, ..Check::ok(check, seen) }
    }

    pub(super) fn fail(check: &'static str, cause: Cause, seen: impl Into<String>) -> Self {
        Check { status: Status::Fail, cause: Some(cause), ..Check::ok(check, seen) }
    }

    pub(super) fn advise(self, advice: impl Into<String>) -> Self {
        Check { advice: Some(advice.into()), ..self }
    }

    /// Makes it a check of an interface, whose name replaces `IFACE` in the advice.
    pub(super) fn on(self, iface: &str) -> Self {
        let advice = self.advice.map(|advice| advice.replace("IFACE", iface));
        Check { iface: Some(iface.to_owned()), advice, ..self }
    }
}

/// Whether Forgewatch can run here, and if not, what is in the way first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// No check failed.
    Ready,
    /// The caller may not load or attach BPF programs.
    NoPrivileges,
    /// An interface does not exist or cannot be used.
    NoInterface,
    /// The kernel cannot do it; nothing else matters then.
    KernelCannot,
}

impl Outcome {
    /// The exit code of `forgewatch doctor`.
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Ready => 0,
            Outcome::NoPrivileges => 3,
            Outcome::NoInterface => 4,
            Outcome::KernelCannot => 6,
        }
    }
}

/// Everything that was looked at.
///
/// `Display` gives a table of one line per check; [`to_json`](Report::to_json) an object.
#[derive(Clone, Debug)]
pub struct Report {
    /// The checks: the host first, then each interface in the order asked for.
    pub checks: Vec<Check>,
}

impl Report {
    /// What stands in the way, the hardest to change first.
    pub fn outcome(&self) -> Outcome {
        let failed = |cause| self.checks.iter().any(|check| check.cause == Some(cause));
        if failed(Cause::Kernel) {
            Outcome::KernelCannot
        } else if failed(Cause::Interface) {
            Outcome::NoInterface
        } else if failed(Cause::Privileges) {
            Outcome::NoPrivileges
        } else {
            Outcome::Ready
        }
    }

    /// One JSON object: `record` ("doctor"), `outcome`, `exit_code` and `checks`.
    pub fn to_json(&self) -> serde_json::Value {
        let outcome = self.outcome();
        serde_json::json!({
            "record": "doctor",
            "outcome": outcome,
            "exit_code": outcome.exit_code(),
            "checks": self.checks,
        })
    }

    fn count(&self, status: Status) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = |check: &Check| match &check.iface {
            Some(iface) => format!("{iface} {}", check.check),
            None => check.check.to_owned(),
        };
        let width = self.checks.iter().map(|check| subject(check).len()).max().unwrap_or(0);
        for check in &self.checks {
            let status = match check.status {
                Status::Ok => "OK",
                Status::Warn => "WARN",
                Status::Fail => "FAIL",
                Status::Unknown => "?",
            };
            write!(f, "{status:<5} {:<width$}  {}", subject(check), check.seen)?;
            match &check.advice {
                Some(advice) => writeln!(f, ": {advice}")?,
                None => writeln!(f)?,
            }
        }
        writeln!(
            f,
            "\n{} as it should be, {} with a drawback, {} in the way, {} not known: {}",
            self.count(Status::Ok),
            self.count(Status::Warn),
            self.count(Status::Fail),
            self.count(Status::Unknown),
            match self.outcome() {
                Outcome::Ready => "Forgewatch can run here",
                Outcome::NoPrivileges => "not without more privileges",
                Outcome::NoInterface => "not on this interface as it is",
                Outcome::KernelCannot => "not on this kernel",
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            checks: vec![
                Check::ok("kernel", "6.12.0"),
                Check::warn("clock", "not synchronised").advise("run chrony"),
                Check::fail("interface", Cause::Interface, "off").advise("set IFACE up").on("eth9"),
                Check::fail("privileges", Cause::Privileges, "no CAP_BPF"),
            ],
        }
    }

    #[test]
    fn the_hardest_obstacle_decides() {
        let mut report = report();
        assert_eq!(report.outcome(), Outcome::NoInterface);
        report.checks.push(Check::fail("kernel", Cause::Kernel, "4.19"));
        assert_eq!(report.outcome(), Outcome::KernelCannot);
        report.checks.retain(|check| check.cause == Some(Cause::Privileges));
        assert_eq!(report.outcome(), Outcome::NoPrivileges);
        report.checks.clear();
        assert_eq!(report.outcome(), Outcome::Ready);
    }

    #[test]
    fn one_line_per_check_with_what_to_do() {
        let text = report().to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], "WARN  clock           not synchronised: run chrony");
        assert_eq!(lines[2], "FAIL  eth9 interface  off: set eth9 up");
        assert_eq!(lines.len(), 6);
        assert!(lines[5].starts_with("1 as it should be, 1 with a drawback, 2 in the way"));
    }

    #[test]
    fn json_has_the_checks_and_the_exit_code() {
        let json = report().to_json();
        assert_eq!(json["record"], "doctor");
        assert_eq!(json["outcome"], "no_interface");
        assert_eq!(json["exit_code"], 4);
        assert_eq!(json["checks"][1]["status"], "warn");
        assert_eq!(json["checks"][2]["iface"], "eth9");
        assert!(json["checks"][2].get("cause").is_none());
    }
}
