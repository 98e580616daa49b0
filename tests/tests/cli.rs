//! What the command line promises: exit codes as `forgewatch --help` lists them, and for each
//! failure one line that says what is wrong.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use etherparse::PacketBuilder;
use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::signal::{Signal, kill},
    unistd::{Pid, pipe, write},
};
use probe_tests::lab::{agent, namespace::Namespace, process, wait};

const LIMIT: Duration = Duration::from_secs(20);

/// A namespace with nothing but loopback, where the command does no harm.
fn namespace() -> Namespace {
    Namespace::alone("cli").expect("a namespace; this takes root")
}

fn forgewatch(namespace: &Namespace) -> Command {
    let mut command = namespace.command(agent::path().expect("which agent to test"));
    // Loopback has no XDP of its own, of which there is a warning.
    command.env("FORGEWATCH_LOG", "error");
    // Not in this machine's ledger.
    command.env("FORGEWATCH_STATE", "").env("FORGEWATCH_CONFIG", "");
    command
}

fn run(command: &mut Command) -> Output {
    process::output("forgewatch", command, LIMIT).expect("forgewatch runs and ends")
}

/// Runs it with `words` and checks that it fails with `code` and one line, which has all of `says`.
#[track_caller]
fn assert_fails(words: &[&str], code: i32, says: &[&str]) {
    let output = run(forgewatch(&namespace()).args(words));
    assert_failed(&output, code, says);
}

#[track_caller]
fn assert_failed(output: &Output, code: i32, says: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    let lines: Vec<&str> = stderr.lines().collect();
    let [line] = lines.as_slice() else { panic!("not one line: {stderr}") };
    assert!(line.starts_with("forgewatch: "), "{line}");
    for part in says {
        assert!(line.contains(part), "no `{part}` in: {line}");
    }
}

/// A usage error, which says how the command is used in more than one line.
#[track_caller]
fn assert_usage(words: &[&str], says: &str) {
    let output = run(forgewatch(&namespace()).args(words));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(says), "{stderr}");
    assert!(output.stdout.is_empty(), "usage errors go to standard error");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// A directory that goes away, and in it a capture of `packets` packets.
fn capture(packets: usize) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("some.pcap");
    // Classic pcap, microseconds, Ethernet.
    let mut octets = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    octets.extend_from_slice(&[0, 0, 1, 0, 1, 0, 0, 0]);
    for number in 0..packets {
        let mut frame = Vec::new();
        PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 60)
            .udp(4_000, 4_001)
            .write(&mut frame, b"nothing")
            .expect("a packet");
        let len = (frame.len() as u32).to_le_bytes();
        octets.extend_from_slice(&(number as u32).to_le_bytes());
        octets.extend_from_slice(&[0; 4]);
        octets.extend_from_slice(&len);
        octets.extend_from_slice(&len);
        octets.extend_from_slice(&frame);
    }
    fs::write(&path, octets).expect("room for a capture");
    (directory, path)
}

#[test]
fn help_lists_the_exit_codes_tested_here() {
    let output = run(forgewatch(&namespace()).arg("--help"));
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8_lossy(&output.stdout);
    for line in [
        "0  ran",
        "1  anything",
        "2  wrong",
        "3  missing",
        "4  no such",
        "5  a capture",
        "7  a state",
    ] {
        assert!(help.contains(line), "no `{line}` in {help}");
    }
}

#[test]
fn usage() {
    assert_usage(&[], "Usage:");
    assert_usage(&["frobnicate"], "frobnicate");
    assert_usage(&["run"], "--iface");
    assert_usage(&["replay"], "FILE");
    assert_usage(&["run", "--iface", "lo", "--ring", "5000"], "power of two");
    assert_usage(&["run", "--iface", "lo", "--dns-port", "0"], "--dns-port");
    let five: Vec<&str> =
        ["1", "2", "3", "4", "5"].into_iter().flat_map(|port| ["--dns-port", port]).collect();
    assert_fails(
        &[&["run", "--iface", "lo"], &five[..]].concat(),
        2,
        &["--dns-port", "room for 4"],
    );
    assert_fails(&[&["replay", "nosuch.pcap"], &five[..]].concat(), 2, &["--dns-port"]);
    assert_fails(&["run", "--iface", "lo", "--duration=-1"], 2, &["--duration"]);
}

#[test]
fn a_missing_interface() {
    assert_fails(&["run", "--iface", "nosuch0"], 4, &["nosuch0", "there are: lo"]);
    assert_fails(&["run", "--iface", "lo", "--iface", "nosuch0"], 4, &["nosuch0"]);
}

#[test]
fn an_interface_that_is_taken() {
    let namespace = namespace();
    let path = agent::path().expect("which agent to test");
    let mut first = namespace.command(path);
    first.args(["run", "--iface", "lo", "--json", "--no-state"]).stdout(Stdio::null());
    let mut first = process::Process::start("forgewatch", &mut first).expect("it starts");
    first
        .ready(|| agent::attached(&namespace, "lo").ok().filter(|at| at.any()))
        .expect("it watches");
    let second = run(forgewatch(&namespace).args(["run", "--iface", "lo"]));
    let process = format!("(process {}, `forgewatch`)", first.pid());
    let words = ["`lo`", "an agent of Forgewatch is there already", &process];
    assert_failed(&second, 4, &words);
    let doctor = run(forgewatch(&namespace).args(["doctor", "--iface", "lo"]));
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(said.contains("watched by an agent of Forgewatch"), "{said}");
    assert!(said.contains(&process[1..process.len() - 1]), "{said}");
    assert!(said.contains("no other tcx program") && !said.contains("xdp off"), "{said}");
    assert_eq!(doctor.status.code(), Some(0), "{said}");
    assert!(first.is_running(), "the first one is not disturbed");
}

#[test]
fn missing_privileges() {
    let (_directory, path) = capture(1);
    let namespace = namespace();
    for words in [&["run", "--iface", "lo"][..], &["replay", "--through-kernel", text(&path)][..]] {
        let mut command = namespace.command("setpriv");
        command.args(["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"]);
        command.arg(agent::path().expect("which agent to test")).args(words);
        assert_failed(&run(&mut command), 3, &["root", "CAP_BPF"]);
    }
}

#[test]
fn a_targets_file_that_cannot_be_understood() {
    let (directory, capture) = capture(1);
    let path = directory.path().join("mine.toml");
    let path = text(&path);
    let replay = ["replay", "--targets", path, text(&capture)];
    assert_fails(&replay, 2, &["mine.toml"]);
    fs::write(path, "[[service]]\nid = \"x\"\nsufixes = []\n").expect("room for a file");
    assert_fails(&replay, 2, &["mine.toml", "line 3", "sufixes"]);
    assert_fails(&["run", "--iface", "lo", "--targets", path], 2, &["mine.toml", "line 3"]);
    fs::write(path, b"\xff\xfe not TOML").expect("room for a file");
    assert_fails(&replay, 2, &["mine.toml"]);
}

#[test]
fn a_capture_that_cannot_be_read() {
    let (directory, path) = capture(3);
    let missing = directory.path().join("missing.pcap");
    assert_fails(&["replay", text(&missing)], 5, &["missing.pcap"]);
    assert_fails(&["replay", text(directory.path())], 5, &[text(directory.path())]);
    let garbage = directory.path().join("garbage.pcap");
    fs::write(&garbage, "no capture at all, but long enough to be one").expect("room");
    assert_fails(&["replay", text(&garbage)], 5, &["garbage.pcap"]);
    fs::write(&garbage, "").expect("room");
    assert_fails(&["replay", text(&garbage)], 5, &["garbage.pcap"]);

    // What could be read is reported all the same.
    let whole = fs::read(&path).expect("the capture");
    fs::write(&path, &whole[..whole.len() - 5]).expect("room");
    let output = run(forgewatch(&namespace()).args(["replay", "--json", text(&path)]));
    assert_failed(&output, 5, &["some.pcap"]);
    assert_eq!(summary(&output)["packets"], 2);
    // One bad file of several does not cost the others.
    let (_other, good) = capture(4);
    let words = ["replay", "--json", text(&path), text(&good)];
    let output = run(forgewatch(&namespace()).args(words));
    assert_failed(&output, 5, &["some.pcap"]);
    assert_eq!(summary(&output)["packets"], 2 + 4);
}

fn summary(output: &Output) -> serde_json::Value {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last = stdout.lines().last().expect("a summary");
    serde_json::from_str(last).expect("JSON")
}

#[test]
fn a_full_disk() {
    let (_directory, path) = capture(1);
    let namespace = namespace();
    for words in [
        &["run", "--iface", "lo", "--json", "--duration", "0.2"][..],
        &["replay", text(&path)][..],
        &["replay", "--json", text(&path)][..],
        &["config", "example"][..],
        &["doctor"][..],
        &["doctor", "--json"][..],
        &["detach", "--all", "--pin", "/sys/fs/bpf/nowhere"][..],
    ] {
        let mut command = forgewatch(&namespace);
        let full = File::options().write(true).open("/dev/full").expect("/dev/full");
        command.args(words).stdout(full).stderr(Stdio::piped());
        let output = command.output().expect("forgewatch runs and ends");
        assert_failed(&output, 1, &["no space is left"]);
    }
    let attached = agent::attached(&namespace, "lo").expect("a list");
    assert!(!attached.any(), "{attached:?}");
}

#[test]
fn what_a_terminal_would_act_on_is_not_said_to_it() {
    let output = run(forgewatch(&namespace()).args(["replay", "gone\u{1b}[2J\n.pcap"]));
    assert_failed(&output, 5, &["gone\\u{1b}[2J\\n.pcap"]);
    let output = run(forgewatch(&namespace()).args(["run", "--no-state", "--iface", "\u{1b}c"]));
    assert_failed(&output, 4, &["`\\u{1b}c`"]);
}

#[test]
fn an_interface_that_is_named_twice() {
    let twice = ["run", "--no-state", "--iface", "lo", "--iface", "lo"];
    assert_fails(&twice, 2, &["`lo` is named twice"]);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("twice.toml");
    fs::write(&path, "interfaces = [\"lo\", \"wan0\", \"lo\"]\n").expect("room");
    let words = ["twice.toml", "line 1", "`lo` is named twice"];
    assert_fails(&["run", "--no-state", "--config", text(&path)], 2, &words);
    assert_fails(&["config", "check", "--config", text(&path)], 2, &words);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (_directory, path) = capture(1);
    let mut command = forgewatch(&namespace());
    command.args(["replay", text(&path)]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("forgewatch runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("forgewatch ends");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The end of a run waits for whoever reads what it says. Nobody has to wait for them both.
#[test]
fn a_second_signal_ends_an_end_that_hangs() {
    let namespace = namespace();
    let (_reader, writer) = pipe().expect("a pipe");
    let flags = |flags| fcntl(&writer, FcntlArg::F_SETFL(flags)).expect("flags");
    flags(OFlag::O_NONBLOCK);
    for piece in [&[b'\n'; 4_096][..], b"\n"] {
        while write(&writer, piece).is_ok() {}
    }
    flags(OFlag::empty());
    let mut command = forgewatch(&namespace);
    command.args(["run", "--iface", "lo", "--json"]).stdout(writer).stderr(Stdio::null());
    let mut child = command.spawn().expect("forgewatch runs");
    drop(command);
    let watches = |wanted: bool| {
        wait::until("it is as far", LIMIT, || {
            let attached = agent::attached(&namespace, "lo").expect("a list");
            (attached.any() == wanted).then_some(())
        })
        .expect("it gets so far");
    };
    let pid = Pid::from_raw(child.id().cast_signed());
    let end = || kill(pid, Signal::SIGTERM).expect("it is there");
    watches(true);
    end();
    watches(false);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(child.try_wait().expect("a child"), None, "the summary waits for its reader");
    end();
    let status = child.wait().expect("a child");
    assert_eq!(status.signal(), Some(Signal::SIGTERM as i32), "{status}");
}
