//! The live view on a real terminal, with real traffic, a real censor and real keys.

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use probe_tests::lab::{
    Lab,
    agent::{self, Attachments, attached},
    clients::Outcome,
    injector::{Injector, Settings, model::Model},
    network::{CLIENT, FRONT, OWN, WAN},
    process::output,
    terminal::Terminal,
    wait,
};
use probe_user::ledger::{LedgerError, Reader, row::Window};

/// How long anything but outcomes may take to be seen.
const SOON: Duration = Duration::from_secs(15);

/// How long what connections met may take to be seen: an outcome is settled after 35 s.
const SETTLED: Duration = Duration::from_secs(80);

const ENTER: &str = "\r";
const ESCAPE: &str = "\x1b";
const DOWN: &str = "\x1b[B";

fn lab() -> Lab {
    Lab::new().expect("a lab; this takes root and the tools of the test suites")
}

fn live(lab: &Lab, args: &[&str]) -> Command {
    let mut command = lab.network.router.command(agent::path().expect("which agent to test"));
    command.args(["live", "--iface", WAN]).args(args);
    command
}

/// On a terminal, and watching.
fn started(lab: &Lab, args: &[&str]) -> Terminal {
    let terminal = Terminal::start("forgewatch", &mut live(lab, args)).expect("it starts");
    terminal.shows(&["Destinations", "UTC"], SOON).expect("the screen");
    wait::until("programs to be attached", SOON, || is_attached(lab).then_some(()))
        .unwrap_or_else(|error| panic!("{error:#}: {}", terminal.screen()));
    terminal
}

fn is_attached(lab: &Lab) -> bool {
    attached(&lab.network.router, WAN).is_ok_and(Attachments::any)
}

fn censor(lab: &Lab) -> Injector {
    Injector::start(&lab.network.upstream, Settings::linkedin(Model::TypeTwo))
        .expect("the censor works")
}

/// It ends with `code`, leaves the terminal as it was, and nothing attached.
fn assert_ends(lab: &Lab, mut terminal: Terminal, code: i32) {
    let status = terminal.process.wait(SOON).expect("it ends");
    assert_eq!(status.code(), Some(code), "{}", terminal.screen());
    wait::until("the terminal to be as it was", SOON, || {
        terminal.is_restored().is_ok_and(|restored| restored).then_some(())
    })
    .expect("others want to use it");
    wait::until("programs to be taken off", SOON, || (!is_attached(lab)).then_some(()))
        .expect("nothing stays attached");
}

#[test]
fn what_is_met_is_seen_and_its_evidence_is_two_keys_away() {
    let lab = lab();
    let _censor = censor(&lab);
    let mut terminal = started(&lab, &["--no-state"]);
    lab.https_until_reset("www.linkedin.com", FRONT.v4).expect("it is censored");
    let served = lab.https("teams.microsoft.com", FRONT.v4).expect("curl runs");
    assert_eq!(served, Outcome::Answered(200));
    // One screen has both destinations and the finding.
    let words = ["linkedin", "tcp-tls", "injected", "C3", "www.linkedin.com", "DATA_AFTER_RST"];
    terminal.shows(&words, SOON).expect("a finding");
    terminal.shows(&["microsoft"], SETTLED).expect("the control");
    // Served, reset, silent, page, false, other, accused.
    let met = |service: &str| -> Vec<u64> {
        let screen = terminal.screen();
        let row = screen.lines().find(|line| line.contains(service) && line.contains("tcp-tls"));
        let words = row.unwrap_or_default().split_whitespace().skip(3).take(7);
        words.map_while(|word| word.parse().ok()).collect()
    };
    let reset = || {
        let met = met("linkedin");
        (met.len() == 7 && met[1] > 0 && met[6] == met[1]).then_some(())
    };
    wait::until("the reset", SETTLED, reset).unwrap_or_else(|_| panic!("{}", terminal.screen()));
    assert_eq!(met("microsoft"), [1, 0, 0, 0, 0, 0, 0], "{}", terminal.screen());
    // First the finding, and from it the evidence.
    terminal.press(ENTER).expect("a key");
    terminal.shows(&["Enter its evidence"], SOON).expect("findings have the keys");
    terminal.press(ENTER).expect("a key");
    let words = ["INJECTED C3", "the server went on after", "stage", "device", "client-"];
    terminal.shows(&words, SOON).expect("the evidence");
    let client = CLIENT.v4.to_string();
    assert!(!terminal.screen().contains(&client), "no client is named: {}", terminal.screen());
    terminal.press(ESCAPE).expect("a key");
    terminal.shows(&["Enter its evidence"], SOON).expect("back");
    terminal.press(ESCAPE).expect("a key");
    terminal.shows(&["Enter its findings"], SOON).expect("back");
    terminal.press(DOWN).expect("a key");
    terminal.shows(&["Findings at"], SOON).expect("one destination is looked at");
    terminal.press("q").expect("a key");
    let said = |terminal: &Terminal| terminal.screen().contains("; lost: nothing");
    wait::until("the end", SOON, || said(&terminal).then_some(()))
        .unwrap_or_else(|error| panic!("{error:#}: {}", terminal.screen()));
    assert_ends(&lab, terminal, 0);
}

#[test]
fn a_terminal_that_is_held_up_holds_up_nobody_else() {
    let lab = lab();
    let _censor = censor(&lab);
    let state = tempfile::tempdir().expect("a directory");
    let mut terminal = started(&lab, &["--state", state.path().to_str().expect("text")]);
    terminal.hold(true).expect("it is a terminal");
    for _ in 0..5 {
        lab.https_until_reset("static.licdn.com", OWN.v4).expect("it is censored");
    }
    let recorded = || {
        let mut count = 0;
        let reader = Reader::open(state.path()).ok()?;
        let add = |_| -> Result<(), LedgerError> {
            count += 1;
            Ok(())
        };
        reader.findings(&Window::ALL, add).ok()?;
        (count >= 5).then_some(())
    };
    wait::until("all to be recorded", SOON, recorded).expect("it goes on beside the terminal");
    assert!(
        !terminal.screen().contains("static.licdn.com"),
        "is it held up? {}",
        terminal.screen()
    );
    terminal.hold(false).expect("it is a terminal");
    terminal.shows(&["static.licdn.com"], SOON).expect("what came meanwhile is seen");
    terminal.press("\x03").expect("a key");
    assert_ends(&lab, terminal, 0);
}

#[test]
fn whoever_ends_it_ends_the_agent() {
    let lab = lab();
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let terminal = started(&lab, &["--no-state"]);
        terminal.process.signal(signal).expect("it runs");
        assert_ends(&lab, terminal, 0);
    }
    // Without being asked, the terminal stays as it is, but no agent does.
    let terminal = started(&lab, &["--no-state"]);
    terminal.process.signal(Signal::SIGKILL).expect("it runs");
    wait::until("programs to be taken off", SOON, || (!is_attached(&lab)).then_some(()))
        .expect("nothing stays attached");
}

#[test]
fn a_terminal_that_is_cut_ends_it() {
    let lab = lab();
    for before in ["", "\x1b["] {
        let mut terminal = started(&lab, &["--no-state"]);
        // In the middle of a key, too.
        terminal.press(before).expect("a key");
        let mut cut = terminal.cut().expect("it goes");
        let status = cut.process().wait(SOON).expect("it ends");
        assert_eq!(status.code(), Some(0), "after {before:?}");
        wait::until("programs to be taken off", SOON, || (!is_attached(&lab)).then_some(()))
            .expect("nothing stays attached");
    }
}

/// What a replay says of a capture: a device of Henan's.
const CAPTURE: &str = "../tests/goldens/henan-v4-after-upstream/capture.pcap";

fn assert_shows_the_capture(terminal: &mut Terminal) {
    let words = ["linkedin", "tcp-tls", "injected", "www.linkedin.com"];
    terminal.shows(&words, SOON).expect("the finding");
    terminal.press(ENTER).expect("a key");
    terminal.shows(&["Enter its evidence"], SOON).expect("findings have the keys");
    terminal.press(ENTER).expect("a key");
    let words = ["INJECTED C3", "Henan's provincial firewall", "DATA_AFTER_RST"];
    terminal.shows(&words, SOON).expect("the evidence");
    terminal.press("q").expect("a key");
    let status = terminal.process.wait(SOON).expect("it ends");
    assert!(status.success(), "{status}: {}", terminal.screen());
    let restored = || terminal.is_restored().is_ok_and(|restored| restored).then_some(());
    wait::until("the terminal to be as it was", SOON, restored).expect("others want to use it");
}

#[test]
fn what_a_replay_has_said_is_looked_at_in_the_same_way() {
    let forgewatch = agent::path().expect("which agent to test");
    let replay = || {
        let mut command = Command::new(&forgewatch);
        command.args(["replay", "--json", CAPTURE]);
        command
    };
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("run.json");
    std::fs::write(&file, said_of_the_capture()).expect("a file");
    let mut command = Command::new(&forgewatch);
    command.args(["live", "--read"]).arg(&file).process_group(0);
    let mut terminal = Terminal::start("forgewatch", &mut command).expect("it starts");
    assert_shows_the_capture(&mut terminal);

    // By a pipe, keys come from the terminal all the same.
    let mut replay = replay().stdout(Stdio::piped()).spawn().expect("it runs");
    let said = replay.stdout.take().expect("a pipe");
    let mut command = Command::new(&forgewatch);
    command.args(["live", "--read", "-"]);
    let mut terminal =
        Terminal::control("forgewatch", &mut command, said.into()).expect("it starts");
    assert_shows_the_capture(&mut terminal);
    assert!(replay.wait().expect("it ends").success());
}

#[test]
fn what_cannot_be_is_said_where_it_can_be_read() {
    let lab = lab();
    let mut command = live(&lab, &["--iface", "gone0", "--no-state"]);
    let mut terminal = Terminal::start("forgewatch", &mut command).expect("it starts");
    let status = terminal.process.wait(SOON).expect("it ends");
    assert_eq!(status.code(), Some(4), "{}", terminal.screen());
    terminal.shows(&["gone0"], SOON).expect("the reason");
    let restored = || terminal.is_restored().is_ok_and(|restored| restored).then_some(());
    wait::until("the terminal to be as it was", SOON, restored).expect("others want to use it");
    let refused: [(&[&str], &str); 3] = [
        (&["--no-state"], "needs a terminal"),
        (&["--json"], "takes no --json"),
        (&["--read", "run.json"], "stands alone"),
    ];
    for (args, reason) in refused {
        let output = output("forgewatch", &mut live(&lab, args), SOON).expect("it ends");
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(reason) && said.lines().count() == 1, "{said}");
    }
}

/// A run of a few findings, whole.
fn said_of_the_capture() -> Vec<u8> {
    let mut replay = Command::new(agent::path().expect("which agent to test"));
    replay.args(["replay", "--json", CAPTURE]);
    output("forgewatch", &mut replay, SOON).expect("it runs").stdout
}

#[test]
fn what_was_cut_short_is_shown_as_that_and_what_is_no_run_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("run.json");
    let start = |content: &[u8]| {
        std::fs::write(&file, content).expect("a file");
        let mut command = Command::new(agent::path().expect("which agent to test"));
        command.args(["live", "--read"]).arg(&file).process_group(0);
        Terminal::start("forgewatch", &mut command).expect("it starts")
    };
    let whole = said_of_the_capture();
    for content in [&whole[..whole.len() * 2 / 3], b""] {
        let mut terminal = start(content);
        terminal.shows(&["no summary: cut short"], SOON).expect("it is told");
        assert!(!terminal.screen().contains("nothing lost"), "{}", terminal.screen());
        terminal.press("q").expect("a key");
        assert_eq!(terminal.process.wait(SOON).expect("it ends").code(), Some(0));
    }
    let capture = std::fs::read(CAPTURE).expect("a capture");
    for content in [&capture[..], b"{}\n", b"a letter\nto somebody\n"] {
        let mut terminal = start(content);
        let status = terminal.process.wait(SOON).expect("it ends");
        assert_eq!(status.code(), Some(5), "{}", terminal.screen());
        terminal.shows(&["run.json: it has no record in it"], SOON).expect("the reason");
    }
}

#[test]
fn an_agent_that_was_killed_is_told_of() {
    let lab = lab();
    let mut terminal = started(&lab, &["--no-state"]);
    let own = terminal.process.pid();
    let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
    let agent = children.expect("it runs").trim().parse().expect("one agent");
    kill(Pid::from_raw(agent), Signal::SIGKILL).expect("it runs");
    let status = terminal.process.wait(SOON).expect("it ends");
    assert_eq!(status.code(), Some(1), "{}", terminal.screen());
    terminal.shows(&["the agent was killed by signal 9 (SIGKILL)"], SOON).expect("the reason");
}
