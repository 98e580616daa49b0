//! An agent that pins is killed, and another one takes over once the machine has slept. Where egress is no link, its
//! filter stays as well, and gets a new program in its place. Played in an emulated machine alone, whose BPF file
//! system is nobody else's.

use std::fs;

use anyhow::{Context as _, ensure};
use probe_user::source::kernel::pins::USUAL;

use super::{
    clocks::{self, TARGET},
    scenario::ended,
    told::Told,
};
use crate::lab::{
    Lab,
    agent::{self, Agent, attached, last_words},
    injector::{Injector, Settings, model::Model},
    network::{OWN, WAN},
    process, wait,
};

/// How the agent is started.
const MORE: [&str; 2] = ["--pin", "--all"];

/// Plays it, and tells what is wrong. On this machine it does nothing.
///
/// # Errors
///
/// If something cannot be made or run.
pub fn play(lab: &Lab, told: &mut Told) -> anyhow::Result<()> {
    if std::process::id() != 1 {
        return Ok(());
    }
    let _injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))?;
    let mut first = Agent::start(lab, &[WAN], &MORE)?;
    first.process.kill();
    drop(first);
    watched("after a kill", lab, told)?;
    lab.https_until_reset(TARGET, OWN.v4)?;
    let waiting = clocks::unanswered(lab)?;
    if clocks::can_sleep() {
        clocks::sleep()?;
    }
    let next = Agent::start(lab, &[WAN], &MORE)?;
    next.wait_for("what was forged before", wait::READY, |findings| !findings.is_empty())?;
    waiting.answered(lab, told)?;
    lab.https_until_reset(TARGET, OWN.v4)?;
    watched("after the next one's start", lab, told)?;
    let report = ended(next, 2, told)?;
    let found = last_words(&report.findings);
    if found.len() < 2 || found.iter().any(|one| one.name.as_deref() != Some(TARGET)) {
        told.wrong.push(format!("found before and after: {found:?}"));
    }
    told.taken_over = Some(report.figure("events_taken_over"));
    if told.taken_over == Some(0) {
        told.wrong.push("of what was told while no agent ran the next one has read nothing".into());
    }
    taken_off(lab, told)
}

/// Sees that both programs are there, each once.
fn watched(when: &str, lab: &Lab, told: &mut Told) -> anyhow::Result<()> {
    let at = attached(&lab.network.router, WAN)?;
    if !at.xdp || at.tcx != 1 {
        told.wrong.push(format!("{when}: {at:?}"));
    }
    Ok(())
}

/// Has everything taken off, and sees that nothing is left.
fn taken_off(lab: &Lab, told: &mut Told) -> anyhow::Result<()> {
    let mut detach = lab.network.router.command(agent::path()?);
    detach.args(["detach", "--iface", WAN]).env("FORGEWATCH_CONFIG", "");
    let output = process::output("forgewatch detach", &mut detach, wait::READY)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let at = attached(&lab.network.router, WAN)?;
    let pins = fs::read_dir(USUAL).context("the folder of pins is gone")?.count();
    if at.any() || pins != 0 {
        told.wrong.push(format!("after `forgewatch detach`: {at:?}, {pins} pins"));
    }
    Ok(())
}
