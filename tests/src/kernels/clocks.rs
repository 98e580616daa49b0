//! Clocks that jump, and a machine that sleeps: played in an emulated machine alone, whose clock is nobody
//! else's.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, ensure};
use nix::{
    sys::time::TimeSpec,
    time::{ClockId, clock_gettime, clock_settime},
};
use probe_user::{
    ledger::{
        Ledger, LedgerError, Reader,
        row::{NoticeKind, Window},
    },
    source::clock,
};

use super::told::Told;
use crate::lab::{
    Lab,
    agent::{Agent, Finding, last_words},
    clients::{self, Scheme},
    foreign,
    injector::{Injector, Settings, model::Model},
    network::{FRONT, OWN, WAN},
    process::Process,
    wait,
};

/// How long a finding may take.
const SOON: Duration = Duration::from_secs(10);

/// By how much the clock jumps, in seconds: on, back, and where it was.
const JUMPS: [i64; 3] = [3_600, -7_200, 3_600];

/// How long the machine sleeps, in seconds: longer than any silence that is held against anybody. By the
/// clock of who emulates it, so that it takes as long.
pub const SLEEP: u64 = 12;

/// Longer than the agent takes to look at the clock: it does so once a second.
const LOOK: Duration = Duration::from_secs(2);

/// How far a finding's time may be from the clock.
const NEAR: Duration = Duration::from_secs(5);

/// What is cut off, and where.
pub(super) const TARGET: &str = "static.licdn.com";

/// Whose hello is not answered before the machine has slept.
const WAITS: &str = "www.office.com";

/// Plays it, and tells what is wrong. On this machine it does nothing.
///
/// # Errors
///
/// If something cannot be made or run.
pub fn play(lab: &Lab, told: &mut Told) -> anyhow::Result<()> {
    if std::process::id() != 1 {
        return Ok(());
    }
    let state = lab.directory().join("clocks");
    let _injector = Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))?;
    let more = ["--all", "--state", state.to_str().context("a directory")?];
    let agent = Agent::start(lab, &[WAN], &more)?;
    finds(lab, &agent, told)?;
    for seconds in JUMPS {
        jump(seconds)?;
        std::thread::sleep(LOOK);
        finds(lab, &agent, told).with_context(|| format!("after a jump by {seconds} s"))?;
    }
    if can_sleep() {
        sleeps(lab, &agent, told).context("asleep")?;
    }
    let all = last_words(&agent.findings()).len();
    let others: Vec<_> =
        agent.findings().into_iter().filter(|one| one.name.as_deref() != Some(TARGET)).collect();
    told.wrong.extend(others.iter().map(|one| format!("found as well: {one:?}")));
    let report = agent.stop()?;
    ensure!(report.status.success(), "the agent ended with {}", report.status);
    drop(Ledger::open(&state).context("the ledger is not whole")?);
    let reader = Reader::open(&state)?;
    let mut recorded = 0;
    reader.findings::<LedgerError>(&Window::ALL, |_| {
        recorded += 1;
        Ok(())
    })?;
    let steps = reader.notices(&Window::ALL)?;
    let steps = steps.iter().filter(|notice| notice.kind == NoticeKind::Clock).count();
    if recorded < all || steps != JUMPS.len() {
        told.wrong.push(format!("{recorded} of {all} findings recorded, {steps} jumps noted"));
    }
    Ok(())
}

/// A connection is reset, and found, at the time that the clock has.
fn finds(lab: &Lab, agent: &Agent, told: &mut Told) -> anyhow::Result<()> {
    let before = last_words(&agent.findings()).len();
    lab.https_until_reset(TARGET, OWN.v4)?;
    let more = |findings: &[Finding]| last_words(findings).len() > before;
    agent.wait_for("a finding", SOON, more)?;
    let last = agent.findings().last().map(|finding| finding.time.clone());
    let time = last.context("no finding")?.parse::<jiff::Timestamp>()?;
    let apart = Duration::from_secs(time.as_second().try_into()?).abs_diff(now()?);
    if apart > NEAR {
        told.wrong.push(format!("a finding's time is {apart:?} from the clock's"));
    }
    Ok(())
}

fn now() -> anyhow::Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

fn jump(seconds: i64) -> anyhow::Result<()> {
    let now = clock_gettime(ClockId::CLOCK_REALTIME)?;
    let then = TimeSpec::new(now.tv_sec() + seconds, now.tv_nsec());
    clock_settime(ClockId::CLOCK_REALTIME, then).context("setting the clock")
}

/// The machine sleeps while a client waits for an answer, which comes afterwards.
fn sleeps(lab: &Lab, agent: &Agent, told: &mut Told) -> anyhow::Result<()> {
    let waiting = unanswered(lab)?;
    let slept = sleep()?;
    told.slept = Some(slept.as_secs());
    if slept < Duration::from_secs(SLEEP - 2) {
        told.wrong.push(format!("the machine slept for {slept:?}"));
    }
    std::thread::sleep(LOOK);
    waiting.answered(lab, told)?;
    finds(lab, agent, told)
}

/// A client whose hello is swallowed.
pub(super) struct Waiting(Process);

/// Has a client send a hello, and again, to which no answer comes.
pub(super) fn unanswered(lab: &Lab) -> anyhow::Result<Waiting> {
    let offset = foreign::sni_offset(lab, WAITS)?;
    foreign::nft_drop(lab, &foreign::segment_match(offset, WAITS))?;
    let (client, at) = (&lab.network.client, (WAITS, FRONT.v4.into()));
    let mut curl = clients::curl(client, &lab.servers.authority, Scheme::Https, at, "/");
    let curl = Process::start("curl", curl.args(["--connect-timeout", "60"]))?;
    let swallowed = || foreign::nft_counted(lab).ok().filter(|count| *count >= 3);
    wait::until("a hello to be sent three times", SOON, swallowed)?;
    Ok(Waiting(curl))
}

impl Waiting {
    /// From now on its hello arrives.
    pub(super) fn answered(mut self, lab: &Lab, told: &mut Told) -> anyhow::Result<()> {
        foreign::nft_flush(lab)?;
        let status = self.0.wait(Duration::from_secs(60))?;
        if !status.success() {
            told.wrong.push(format!("who waited for the machine to wake met: {status}"));
        }
        Ok(())
    }
}

/// Whether the machine can sleep as this is played: with its clock standing still.
pub(super) fn can_sleep() -> bool {
    let has =
        |file: &str, word: &str| fs::read_to_string(file).is_ok_and(|text| text.contains(word));
    has(STATE, "mem") && has("/sys/power/mem_sleep", "deep") && fs::metadata(ALARM).is_ok()
}

/// What the machine is sent to sleep by.
const STATE: &str = "/sys/power/state";

/// The machine's alarm clock.
const ALARM: &str = "/sys/class/rtc/rtc0/wakealarm";

/// Has the machine sleep until its alarm clock wakes it; says for how long.
pub(super) fn sleep() -> anyhow::Result<Duration> {
    let before = clock::slept();
    fs::write("/sys/power/mem_sleep", "deep").context("choosing how deep to sleep")?;
    fs::write(ALARM, format!("+{SLEEP}")).context("setting the alarm")?;
    fs::write(STATE, "mem").context("going to sleep")?;
    Ok(Duration::from_nanos(clock::slept().saturating_sub(before)))
}
