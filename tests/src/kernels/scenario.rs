//! What is played on each kernel: the lab with a censor, the lab with a rule that rejects, an agent
//! that is killed.

use std::{collections::BTreeSet, time::Duration, time::Instant};

use anyhow::{Context as _, ensure};
use probe_common::config::Config;
use probe_user::source::kernel::object;
use serde_json::Value;

use super::{
    clocks, pinned,
    told::{Brief, Program, Told},
};
use crate::lab::{
    Lab,
    agent::{self, Agent, Finding, Report, attached, attached_natively},
    clients::{Kind, Outcome},
    foreign,
    injector::{Injector, Settings, What, model::Model},
    network::{FRONT, WAN},
    process,
    servers::NAMES,
    wait,
};

/// How long a finding may take after the last packet.
const SOON: Duration = Duration::from_secs(10);

/// Names that the injector acts on.
const TARGETS: [&str; 2] = ["www.linkedin.com", "static.licdn.com"];

/// Instructions of one program that a kernel may look at: three fifths of what it gives up at, so that the
/// next kernel has room to count otherwise.
const ROOM: u32 = 600_000;

/// How often nftables rejects.
const REJECTED: usize = 3;

/// How much of it is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything.
    All,
    /// The lab with a censor, clocks that jump, and pins.
    Injector,
}

impl Part {
    /// What the first process is given to play only this.
    pub const fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Injector => "injector",
        }
    }
}

/// Plays everything, or a part, and tells of it. What cannot be made or run is told as wrong, too.
///
/// # Errors
///
/// If the kernel does not say which it is.
pub fn play(part: Part) -> anyhow::Result<Told> {
    let release = nix::sys::utsname::uname()?.release().to_string_lossy().into_owned();
    let mut told = Told { release, ..Told::default() };
    if let Err(error) = parts(part, &mut told) {
        told.wrong.push(format!("{error:#}"));
    }
    Ok(told)
}

fn parts(part: Part, told: &mut Told) -> anyhow::Result<()> {
    if part == Part::All {
        say("loading the programs");
        programs(told).context("loading the programs")?;
    }
    let lab = Lab::new().context("making the lab")?;
    say("with a censor");
    with_injector(&lab, told).context("with the injector")?;
    say("with clocks that jump");
    clocks::play(&lab, told).context("with clocks that jump")?;
    say("with pins");
    pinned::play(&lab, told).context("with an agent that pins")?;
    if part == Part::All {
        say("asking doctor");
        told.doctor = doctor(&lab)?;
        say("with a rule that rejects");
        with_reject(&lab, told).context("with nftables' reject")?;
        say("killed");
        killed(&lab, told).context("with an agent that is killed")?;
    }
    Ok(())
}

fn say(what: &str) {
    eprintln!("scenario: {what}");
}

/// Loads the programs as the agent does, and tells what that took.
fn programs(told: &mut Told) -> anyhow::Result<()> {
    let config = Config { flags: 0, event_rate: 1_000, ..Config::replay() };
    let mut bpf = object::load(&config)?;
    let start = Instant::now();
    object::load_xdp(&mut bpf)?;
    object::load_tc(&mut bpf)?;
    told.load_ms = start.elapsed().as_secs_f64() * 1e3;
    for name in [object::ingress(), object::EGRESS] {
        let infos = object::infos(&bpf, name)?;
        let names = std::iter::once(name.to_owned()).chain(object::branches(name));
        let programs = names.zip(infos).map(|(name, info)| Program {
            name,
            verified: info.verified_instruction_count(),
            octets: info.size_jitted(),
        });
        told.programs.push(programs.collect());
    }
    for program in told.programs.iter().flatten() {
        if program.verified.is_some_and(|count| count > ROOM) {
            told.wrong.push(format!("{program:?}: more than {ROOM} are verified"));
        }
    }
    Ok(())
}

/// What doctor says of kernel and BPF.
fn doctor(lab: &Lab) -> anyhow::Result<Vec<String>> {
    let mut command = lab.network.router.command(agent::path()?);
    command.args(["doctor", "--json", "--iface", WAN]);
    let output = process::output("doctor", &mut command, wait::READY)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let record: Value = serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))?;
    let words: Vec<String> = record["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|check| {
            matches!(check["check"].as_str(), Some("kernel" | "bpf" | "btf" | "xdp" | "memlock"))
        })
        .map(|check| {
            format!(
                "{}: {} ({})",
                check["check"].as_str().unwrap_or("?"),
                check["seen"].as_str().unwrap_or("?"),
                check["status"].as_str().unwrap_or("?")
            )
        })
        .collect();
    ensure!(!words.is_empty(), "doctor says nothing of the kernel: {text}");
    Ok(words)
}

/// Everything that is served is looked up and fetched, some of it with forged answers and resets.
fn with_injector(lab: &Lab, told: &mut Told) -> anyhow::Result<()> {
    let injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))?;
    let agent = Agent::start(lab, &[WAN], &[])?;
    told.tcx = attached(&lab.network.router, WAN)?.tcx_link;
    told.native = attached_natively(&lab.network.router, WAN)?;
    for (name, pair) in NAMES {
        for kind in [Kind::A, Kind::Aaaa] {
            ensure!(!lab.lookup(name, kind)?.is_empty(), "no answer for {name}");
        }
        for address in pair.both() {
            let outcome = lab.https(name, address)?;
            let expected =
                if TARGETS.contains(name) { Outcome::Reset } else { Outcome::Answered(200) };
            if outcome != expected {
                told.wrong.push(format!("{name} at {address}: {outcome}, not {expected}"));
            }
        }
    }
    let shots = injector.shots();
    let report = ended(agent, shots.len(), told)?;
    told.injected = briefs(&report);
    let done: BTreeSet<(String, String)> = shots
        .iter()
        .map(|shot| {
            let protocol = if shot.what == What::Connection { "tcp" } else { "dns" };
            (protocol.to_owned(), format!("{} at {}", shot.name, shot.server))
        })
        .collect();
    let found: BTreeSet<(String, String)> = told
        .injected
        .iter()
        .map(|one| (one.protocol.clone(), format!("{} at {}", one.name, one.server)))
        .collect();
    told.wrong.extend(done.difference(&found).map(|one| format!("not found: {one:?}")));
    told.wrong.extend(found.difference(&done).map(|one| format!("falsely accused: {one:?}")));
    if shots.len() != TARGETS.len() * 4 {
        told.wrong.push(format!("the injector acted {} times", shots.len()));
    }
    Ok(())
}

/// The kernel's own resets, of a rule that is before the server.
fn with_reject(lab: &Lab, told: &mut Told) -> anyhow::Result<()> {
    let name = "www.linkedin.com";
    let offset = foreign::sni_offset(lab, name)?;
    foreign::nft_reject(lab, &foreign::segment_match(offset, name))?;
    let agent = Agent::start(lab, &[WAN], &[])?;
    for _ in 0..2 {
        for control in ["teams.microsoft.com", "www.office.com"] {
            for address in FRONT.both() {
                let outcome = lab.https(control, address)?;
                if outcome != Outcome::Answered(200) {
                    told.wrong.push(format!("{control}: {outcome}"));
                }
            }
        }
    }
    for _ in 0..REJECTED {
        let outcome = lab.https(name, FRONT.v4)?;
        if outcome != Outcome::Reset {
            told.wrong.push(format!("rejected, {name} met: {outcome}"));
        }
    }
    foreign::nft_flush(lab)?;
    let report = ended(agent, 1, told)?;
    // Of how many it is certain depends on how long they took. So here it counts that, and not how many.
    told.rejected = briefs(&report);
    told.rejected.dedup();
    if told.rejected.is_empty() || told.rejected.iter().any(|one| one.name != name) {
        told.wrong.push(format!("{REJECTED} connections to {name} rejected, {:?}", told.rejected));
    }
    Ok(())
}

/// Traffic goes on, and the next agent starts as if nothing had been.
fn killed(lab: &Lab, told: &mut Told) -> anyhow::Result<()> {
    let mut agent = Agent::start(lab, &[WAN], &[])?;
    agent.process.kill();
    drop(agent);
    let gone = || attached(&lab.network.router, WAN).is_ok_and(|at| !at.xdp).then_some(());
    wait::until("the XDP program to be gone", SOON, gone)?;
    let left = attached(&lab.network.router, WAN)?.tcx;
    if told.tcx && left > 0 {
        told.wrong.push(format!("{left} tcx programs outlive their agent"));
    }
    let outcome = lab.https("example.org", crate::lab::network::OTHER.v4)?;
    if outcome != Outcome::Answered(200) {
        told.wrong.push(format!("after a kill, example.org: {outcome}"));
    }
    let agent = Agent::start(lab, &[WAN], &[])?;
    let now = attached(&lab.network.router, WAN)?.tcx;
    if now != 1 {
        told.wrong.push(format!("{now} programs at egress after a restart"));
    }
    ended(agent, 0, told)?;
    let after = attached(&lab.network.router, WAN)?;
    if after.any() {
        told.wrong.push(format!("left behind: {after:?}"));
    }
    Ok(())
}

/// Waits for as many accusations, and ends the run.
pub(super) fn ended(agent: Agent, count: usize, told: &mut Told) -> anyhow::Result<Report> {
    let enough = |findings: &[Finding]| agent::last_words(findings).len() >= count;
    if let Err(error) = agent.wait_for("all findings", SOON, enough) {
        told.wrong.push(format!("{error}"));
    }
    let report = agent.stop()?;
    if !report.status.success() {
        told.wrong.push(format!("the agent ended with {}", report.status));
    }
    let lost = report.summary["lost"].as_object().context("losses are listed")?;
    for (name, count) in lost {
        if count.as_u64() != Some(0) {
            told.wrong.push(format!("lost: {name} {count}"));
        }
    }
    Ok(report)
}

fn briefs(report: &Report) -> Vec<Brief> {
    let mut briefs: Vec<Brief> = report.injected().into_iter().map(Brief::from).collect();
    briefs.sort();
    briefs
}
