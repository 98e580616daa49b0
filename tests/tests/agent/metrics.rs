//! Metrics: those that the page describes, in a form that Prometheus takes, from the agent at work.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    net::{TcpListener, TcpStream, UdpSocket},
    path::Path,
    process::{Command, Stdio},
};

use probe_tests::{
    docs::Page,
    lab::{process, wait},
};

use super::{Bench, SOON, says, stop};

const ADDRESS: &str = "127.0.0.1:9617";

const CONFIG: &str = "interfaces = [\"lo\"]\nall = true\n[state]\ndirectory = \"state\"\n\
                      [metrics]\nlisten = \"127.0.0.1:9617\"\npacket_cost = true\n";

/// A DNS query for an address of example.org.
const QUESTION: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01";

/// Asks for `path`; returns the status and what came.
fn get(bench: &Bench, path: &str, more: &[&str]) -> Option<(u16, String)> {
    let mut command = bench.namespace.command("curl");
    command.args(["-s", "--max-time", "20", "-w", "\n%{http_code}"]).args(more);
    command.arg(format!("http://{ADDRESS}{path}"));
    let output = process::output("curl", &mut command, SOON * 3).ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (body, status) = text.rsplit_once('\n')?;
    Some((status.parse().ok().filter(|status| *status != 0)?, body.to_owned()))
}

fn wait_for_server(bench: &Bench) {
    let ready = || get(bench, "/ready", &[]).filter(|(status, _)| *status == 200);
    wait::until("the server", SOON, ready).expect("it is ready");
}

/// Type and names of labels of each metric, by its name without the common beginning.
fn types(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut types = BTreeMap::<String, (String, BTreeSet<String>)>::new();
    let name_of = |name: &str| {
        name.strip_prefix("forgewatch_").unwrap_or_else(|| panic!("what is {name}?")).to_owned()
    };
    for line in text.lines() {
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            let (name, kind) = typed.split_once(' ').expect("a type");
            types.insert(name_of(name), (kind.to_owned(), BTreeSet::new()));
        } else if !line.starts_with('#') {
            let (name, rest) = line.split_once(['{', ' ']).expect("a sample");
            let mut name = name_of(name);
            for suffix in ["_bucket", "_sum", "_count"] {
                let base = name.strip_suffix(suffix).filter(|base| types.contains_key(*base));
                name = base.unwrap_or(&name).to_owned();
            }
            let labels = rest.split_once("} ").map_or("", |(labels, _)| labels);
            let known = &mut types.get_mut(&name).unwrap_or_else(|| panic!("{name}: no type")).1;
            known.extend(
                labels.split("\",").filter_map(|one| Some(one.split_once('=')?.0.to_owned())),
            );
        }
    }
    types
}

/// The same as the page has it.
fn described() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = Page::read(Path::new("docs/metrics.md")).expect("the page about metrics");
    let rows = page.rows().into_iter().filter_map(|(_, cells)| match cells[..] {
        [name, kind, labels, _] if name.starts_with('`') => {
            let labels = labels.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            Some((name.trim_matches('`').to_owned(), (kind.to_owned(), labels)))
        }
        _ => None,
    });
    rows.collect()
}

fn figure(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in: {text}"))
}

fn converse(bench: &Bench) {
    let pair = || -> std::io::Result<_> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut stream = TcpStream::connect(listener.local_addr()?)?;
        // A question, too, that nobody answers.
        UdpSocket::bind("127.0.0.1:0")?.send_to(QUESTION, "127.0.0.1:53")?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n")?;
        listener.accept()
    };
    bench.namespace.enter(pair).expect("in the namespace").expect("a conversation");
}

#[test]
fn all_are_described_and_promtool_has_nothing_to_say() {
    let bench = Bench::new(CONFIG);
    let process = bench.run(bench.forgewatch().arg("run"));
    wait_for_server(&bench);
    converse(&bench);
    let scrape = || {
        let (status, text) = get(&bench, "/metrics", &[])?;
        assert_eq!(status, 200, "{text}");
        let seen =
            text.contains("events_received\"} ") && figure(&text, "forgewatch_packets_total") > 8.0;
        (seen && !text.contains("timestamp_seconds gauge\n#")).then_some(text)
    };
    let text = wait::until("figures of a conversation", SOON, scrape).expect("figures");

    // Labels of what has no values yet cannot be seen.
    let (scraped, mut described) = (types(&text), described());
    for (name, (_, labels)) in &scraped {
        if let Some((_, known)) = described.get_mut(name)
            && labels.is_empty()
            && name == "service_verdicts"
        {
            known.clear();
        }
    }
    assert_eq!(scraped, described, "metrics (left) and docs/metrics.md (right)");

    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = promtool.stderr(Stdio::piped()).spawn().expect("promtool runs");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let said = child.wait_with_output().expect("it ends");
    assert!(said.status.success() && said.stderr.is_empty(), "{said:?}");

    assert!(figure(&text, "forgewatch_program_runs_total{program=\"ingress\"}") > 0.0);
    assert!(figure(&text, "forgewatch_program_run_seconds_total{program=\"egress\"}") > 0.0);
    for table in ["flows", "questions", "quics", "resolvers"] {
        let [entries, capacity] = ["entries", "capacity"]
            .map(|what| figure(&text, &format!("forgewatch_table_{what}{{table=\"{table}\"}}")));
        let asked = f64::from(table != "quics");
        assert!(entries >= asked && entries <= capacity, "{table}: {entries} of {capacity}");
    }
    assert!(figure(&text, "forgewatch_resident_memory_bytes") > 1e6);
    // Every client of this world.
    assert!(!text.contains("127.0.0."), "{text}");

    let (_, open) = get(&bench, "/metrics", &["-H", "Accept: application/openmetrics-text"])
        .expect("an answer");
    assert!(open.trim_end().ends_with("# EOF"), "{open}");
    assert_eq!(get(&bench, "/health", &[]).expect("an answer").0, 200);
    assert_eq!(get(&bench, "/secrets", &[]).expect("an answer").0, 404);
    assert_eq!(get(&bench, "/metrics", &["-X", "POST"]).expect("an answer").0, 405);
    stop(process);
}

/// Each loss that the summary names has its metric.
#[test]
fn every_loss_of_the_summary_is_a_metric() {
    let bench = Bench::new(&format!("json = true\n{CONFIG}"));
    let process = bench.run(bench.forgewatch().arg("run"));
    wait_for_server(&bench);
    let (_, text) = get(&bench, "/metrics", &[]).expect("an answer");
    process.signal(nix::sys::signal::Signal::SIGTERM).expect("it runs");
    let summary = wait::until("the summary", SOON, || {
        let log = process.log();
        let line = log.lines().find(|line| line.contains("\"record\":\"summary\""))?.to_owned();
        serde_json::from_str::<serde_json::Value>(&line).ok()
    });
    let summary = summary.expect("a summary");
    for cause in summary["lost"].as_object().expect("losses").keys() {
        // What was never read is known at the end only.
        if cause == "events_unread" {
            continue;
        }
        assert!(
            text.contains(&format!("forgewatch_lost_total{{cause=\"{cause}\"}}")),
            "no {cause}"
        );
    }
}

/// Who connects and says nothing holds a place for a while, and nobody up for good.
#[test]
fn silent_connections_do_not_keep_others_out() {
    let bench = Bench::new(CONFIG);
    let process = bench.run(bench.forgewatch().arg("run"));
    wait_for_server(&bench);
    let silent = || (0..40).map(|_| TcpStream::connect(ADDRESS)).collect::<Result<Vec<_>, _>>();
    let silent = bench.namespace.enter(silent).expect("in the namespace").expect("connections");
    let (status, _) = get(&bench, "/metrics", &[]).expect("an answer, when they were cut off");
    assert_eq!(status, 200);
    drop(silent);
    stop(process);
}

#[test]
fn a_port_that_is_taken_costs_no_detection_and_is_tried_again() {
    let bench = Bench::new(CONFIG);
    let taken = bench.namespace.enter(|| TcpListener::bind(ADDRESS)).expect("in the namespace");
    let taken = taken.expect("a free port");
    let process = bench.run(bench.forgewatch().arg("run"));
    says(&process, "metrics server: cannot listen on 127.0.0.1:9617");
    drop(taken);
    wait_for_server(&bench);
    let (_, text) = get(&bench, "/metrics", &[]).expect("an answer");
    let restarts = figure(&text, "forgewatch_task_restarts_total{task=\"metrics server\"}");
    assert!(restarts >= 1.0, "{restarts}");
    stop(process);
}

#[test]
fn others_can_read_only_if_somebody_says_so() {
    let open = "[metrics]\nlisten = \"0.0.0.0:9617\"\n";
    let bench = Bench::new(open);
    let check = || {
        process::output("forgewatch", bench.forgewatch().args(["config", "check"]), SOON)
            .expect("it ends")
    };
    let output = check();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && error.contains("beyond_loopback"), "{error}");
    bench.configure(&format!("{open}beyond_loopback = true\n"));
    assert!(check().status.success());
}
