//! What a kernel told of the scenario.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::lab::agent::Finding;

/// What stands before the record in a guest's output.
pub const MARK: &str = "told: ";

/// Everything that is told of one kernel.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Told {
    /// As `uname -r` says.
    pub release: String,
    /// What the verifier did with the programs at ingress, and with those at egress.
    pub programs: Vec<Vec<Program>>,
    /// Milliseconds that loading them took, by the guest's clock: in an emulated machine an instruction is a
    /// nanosecond.
    pub load_ms: f64,
    /// XDP in the driver; otherwise in the network stack.
    pub native: bool,
    /// A tcx link at egress; otherwise a clsact filter.
    pub tcx: bool,
    /// For how many seconds it was sent to sleep, if it can sleep.
    pub slept: Option<u64>,
    /// Events that an agent took over from one that was killed, if that was tried.
    pub taken_over: Option<u64>,
    /// What the agent said while it was started and stopped.
    pub words: Vec<String>,
    /// What `forgewatch doctor` says of the kernel.
    pub doctor: Vec<String>,
    /// What was found in the part with the lab's own injector, in order of the fields.
    pub injected: Vec<Brief>,
    /// What was found in the part with nftables' reject.
    pub rejected: Vec<Brief>,
    /// What is not as it has to be.
    pub wrong: Vec<String>,
}

/// What the verifier did with one program.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Instructions that it looked at; kernels tell since 5.16.
    pub verified: Option<u32>,
    /// Octets of machine code.
    pub octets: u32,
}

/// A finding without what differs from run to run.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Brief {
    /// `tcp` or `dns`.
    pub protocol: String,
    /// The name that was asked for.
    pub name: String,
    /// Address and port.
    pub server: String,
    /// `injected` and so on.
    pub verdict: String,
    /// `C1` to `C3`.
    pub confidence: String,
}

impl From<&Finding> for Brief {
    fn from(finding: &Finding) -> Self {
        Self {
            protocol: finding.protocol.clone(),
            name: finding.name.clone().unwrap_or_default(),
            server: finding.server.clone(),
            verdict: finding.verdict.clone(),
            confidence: finding.confidence.clone(),
        }
    }
}

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, name, server, verdict, confidence } = self;
        write!(f, "{verdict} {confidence} {protocol} {name} at {server}")
    }
}

impl Told {
    /// In one line of a guest's output.
    ///
    /// # Errors
    ///
    /// Never, as all of it can be written as JSON.
    pub fn line(&self) -> anyhow::Result<String> {
        Ok(format!("{MARK}{}", serde_json::to_string(self)?))
    }

    /// Reads it back out of a guest's output.
    pub fn find(output: &str) -> Option<Self> {
        let line = output.lines().find_map(|line| line.split_once(MARK))?.1;
        serde_json::from_str(line.trim_end()).ok()
    }

    /// The most that the verifier looked at for one of the programs at ingress (0) or egress (1), with its
    /// name.
    pub fn most_verified(&self, hook: usize) -> Option<(u32, &str)> {
        let programs = self.programs.get(hook)?.iter();
        programs.filter_map(|program| Some((program.verified?, program.name.as_str()))).max()
    }

    /// How the programs were attached, in words.
    pub fn places(&self) -> String {
        let ingress = if self.native { "native" } else { "generic" };
        let egress = if self.tcx { "tcx" } else { "clsact" };
        format!("{ingress}, {egress}")
    }

    /// In what this differs from another kernel's.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let parts = [(&self.injected, &other.injected), (&self.rejected, &other.rejected)];
        let mut told = Vec::new();
        for (these, those) in parts {
            told.extend(less(these, those).map(|one| format!("only here: {one}")));
            told.extend(less(those, these).map(|one| format!("only there: {one}")));
        }
        told
    }
}

/// What is in `these` and not, or not as often, in `those`.
fn less<'a>(these: &'a [Brief], those: &[Brief]) -> impl Iterator<Item = &'a Brief> {
    let mut left = those.to_vec();
    these.iter().filter(move |one| match left.iter().position(|other| other == *one) {
        Some(at) => {
            left.swap_remove(at);
            false
        }
        None => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brief(name: &str) -> Brief {
        Brief {
            protocol: "tcp".into(),
            name: name.into(),
            server: "198.51.100.1:443".into(),
            verdict: "injected".into(),
            confidence: "C3".into(),
        }
    }

    #[test]
    fn it_is_found_among_other_lines() {
        let told = Told { release: "6.1".into(), tcx: true, ..Told::default() };
        let output = format!("[ 1.0] noise\r\n{}\r\nmore", told.line().expect("JSON"));
        let found = Told::find(&output).expect("a record");
        assert_eq!((found.release.as_str(), found.places().as_str()), ("6.1", "generic, tcx"));
        assert!(Told::find("nothing").is_none());
    }

    #[test]
    fn differences_are_told_from_both_sides() {
        let all = |names: &[&str]| names.iter().map(|name| brief(name)).collect();
        let here = Told { injected: all(&["a", "b", "b"]), ..Told::default() };
        let there = Told { injected: all(&["b", "c"]), ..Told::default() };
        let told = here.differences(&there);
        assert_eq!(told.len(), 3, "{told:?}");
        for (at, beginning, name) in
            [(0, "only here", "a"), (1, "only here", "b"), (2, "only there", "c")]
        {
            assert!(told[at].starts_with(beginning), "{told:?}");
            assert!(told[at].contains(&format!(" {name} at")), "{told:?}");
        }
        assert!(here.differences(&here).is_empty());
    }
}
