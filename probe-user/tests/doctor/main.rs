//! The doctor on interfaces made for it, in network namespaces that end with the test's thread.
//!
//! Needs root and `ip`; without them each test says so and does nothing.

mod bpf;

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use probe_user::doctor::{Check, Options, Outcome, Report, Status, examine};

/// Runs `test` in a network namespace of its own, in which `wan0` and `lan0` are the ends of a
/// veth pair. The namespace belongs to the thread and goes with it, also on a panic or a kill.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: making a network namespace needs root");
        return;
    }
    let joined = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("root can make a network namespace");
        if Command::new("ip").arg("-V").stdout(Stdio::null()).status().is_err() {
            println!("skipped: the command ip is not installed");
            return;
        }
        ip("link add wan0 type veth peer name lan0");
        ip("link set wan0 up");
        ip("link set lan0 up");
        test();
    })
    .join();
    if let Err(panic) = joined {
        std::panic::resume_unwind(panic);
    }
}

fn ip(arguments: &str) {
    run("ip", arguments);
}

fn run(command: &str, arguments: &str) {
    let status = Command::new(command).args(arguments.split(' ')).status();
    assert!(status.is_ok_and(|status| status.success()), "`{command} {arguments}` failed");
}

fn doctor(ifaces: &[&str]) -> Report {
    let ifaces = ifaces.iter().map(|iface| (*iface).to_owned()).collect();
    let report = examine(&Options { ifaces, ..Options::default() });
    println!("{report}");
    report
}

fn find<'a>(report: &'a Report, check: &str, iface: Option<&str>) -> &'a Check {
    report
        .checks
        .iter()
        .find(|found| found.check == check && found.iface.as_deref() == iface)
        .unwrap_or_else(|| panic!("no check {check} of {iface:?}"))
}

#[test]
fn a_fresh_veth_is_ready() {
    in_namespace(|| {
        let report = doctor(&["wan0"]);
        assert_eq!(report.outcome(), Outcome::Ready);
        for check in ["interface", "type", "xdp", "egress", "mtu", "driver", "rx-merging"] {
            assert_eq!(find(&report, check, Some("wan0")).status, Status::Ok, "{check}");
        }
        assert!(find(&report, "driver", Some("wan0")).seen.contains("veth"));
        assert_eq!(find(&report, "bpf", None).status, Status::Ok);
        assert_eq!(find(&report, "privileges", None).status, Status::Ok);
    });
}

#[test]
fn a_missing_interface_is_named_with_those_that_exist() {
    in_namespace(|| {
        let report = doctor(&["wan1"]);
        assert_eq!(report.outcome(), Outcome::NoInterface);
        assert_eq!(report.outcome().exit_code(), 4);
        let advice = find(&report, "interface", Some("wan1")).advice.clone().unwrap_or_default();
        for name in ["lo (down)", "wan0", "lan0"] {
            assert!(advice.contains(name), "{advice}");
        }
        // A name is data, also in paths.
        for name in ["../all", "", "a/b", "x\0y", "a-name-that-is-too-long-for-linux"] {
            assert_eq!(doctor(&[name]).outcome(), Outcome::NoInterface, "{name:?}");
        }
    });
}

#[test]
fn an_interface_that_is_down_or_unconnected_is_told() {
    in_namespace(|| {
        ip("link set lan0 down");
        assert_eq!(find(&doctor(&["wan0"]), "interface", Some("wan0")).status, Status::Warn);
        ip("link set wan0 down");
        let report = doctor(&["wan0"]);
        assert!(find(&report, "interface", Some("wan0")).seen.contains("down"));
        assert_eq!(report.outcome(), Outcome::Ready);
    });
}

#[test]
fn a_large_mtu_is_noticed() {
    in_namespace(|| {
        ip("link set wan0 mtu 9000");
        assert!(find(&doctor(&["wan0"]), "mtu", Some("wan0")).seen.starts_with("9000"));
    });
}

#[test]
fn an_interface_without_ethernet_is_refused() {
    in_namespace(|| {
        ip("tuntap add dev tun0 mode tun");
        let report = doctor(&["tun0"]);
        assert_eq!(find(&report, "type", Some("tun0")).status, Status::Fail);
        assert_eq!(report.outcome(), Outcome::NoInterface);
    });
}

#[test]
fn an_attached_xdp_program_is_found_and_named() {
    in_namespace(|| {
        let program = bpf::load("fw_doctor_xdp", bpf::XDP);
        let link: OwnedFd = bpf::attach(&program, "wan0", bpf::ATTACH_XDP);
        let report = doctor(&["wan0"]);
        let check = find(&report, "xdp", Some("wan0"));
        assert_eq!(check.status, Status::Fail);
        assert!(check.seen.contains("fw_doctor_xdp") && check.seen.contains("native"));
        // It is a link, which nothing but its holder takes off.
        let advice = check.advice.as_deref().unwrap_or_default();
        let held = format!("end the process that holds it (process {}, ", std::process::id());
        assert!(advice.contains(&held) && !advice.contains("xdp off"), "{advice}");
        assert_eq!(report.outcome().exit_code(), 4);
        drop(link);
        // Another test may be starting a command, whose process holds a copy until it executes.
        let detached = (0..100).any(|_| {
            thread::sleep(Duration::from_millis(20));
            find(&doctor(&["wan0"]), "xdp", Some("wan0")).status == Status::Ok
        });
        assert!(detached, "the program is gone, and still reported");
    });
}

#[test]
fn another_tcx_program_is_found_and_named() {
    in_namespace(|| {
        let program = bpf::load("fw_doctor_tcx", bpf::SCHED_CLS);
        let _link = bpf::attach(&program, "wan0", bpf::ATTACH_TCX_EGRESS);
        let report = doctor(&["wan0", "lan0"]);
        let check = find(&report, "egress", Some("wan0"));
        assert_eq!(check.status, Status::Warn);
        assert!(check.seen.contains("tcx \"fw_doctor_tcx\""), "{}", check.seen);
        assert_eq!(find(&report, "egress", Some("lan0")).status, Status::Ok);
    });
}

#[test]
fn a_tc_filter_at_egress_is_found() {
    in_namespace(|| {
        run("tc", "qdisc add dev wan0 clsact");
        assert_eq!(find(&doctor(&["wan0"]), "egress", Some("wan0")).status, Status::Ok);
        // Classic BPF for "every packet": the kernel keeps it with the filters of tc, without a name.
        let arguments = ["filter", "add", "dev", "wan0", "egress", "bpf", "bytecode"];
        let added = Command::new("tc").args(arguments).arg("1,6 0 0 4294967295").status();
        assert!(added.is_ok_and(|status| status.success()), "tc cannot add a filter");
        let report = doctor(&["wan0"]);
        let check = find(&report, "egress", Some("wan0"));
        assert_eq!((check.status, check.seen.as_str()), (Status::Warn, "shared with tc bpf"));
    });
}

#[test]
fn nat_asks_for_one_interface() {
    in_namespace(|| {
        assert_eq!(find(&doctor(&["wan0", "lan0"]), "nat", None).seen, "not in use");
        if Command::new("nft").arg("-v").stdout(Stdio::null()).status().is_err() {
            println!("skipped: the command nft is not installed");
            return;
        }
        run("nft", "add table ip home");
        run("nft", "add chain ip home out { type nat hook postrouting priority 100 ; }");
        assert_eq!(find(&doctor(&["wan0", "lan0"]), "nat", None).seen, "not in use");
        run("nft", "add rule ip home out oifname wan0 masquerade");
        let report = doctor(&["wan0", "lan0"]);
        let check = find(&report, "nat", None);
        assert_eq!(check.status, Status::Warn);
        assert!(check.seen.contains("home out"), "{}", check.seen);
        assert!(check.advice.as_deref().is_some_and(|advice| advice.contains("one --iface")));
    });
}

#[test]
fn routing_is_seen_in_the_right_namespace() {
    in_namespace(|| {
        ip("address add 192.0.2.1/24 dev wan0");
        ip("address add 198.51.100.1/24 dev lan0");
        ip("route add default via 192.0.2.2 dev wan0");
        assert_eq!(find(&doctor(&["wan0"]), "uplinks", None).seen, "wan0");
        ip("route add default via 198.51.100.2 dev lan0 metric 9");
        assert_eq!(find(&doctor(&["wan0"]), "uplinks", None).status, Status::Warn);
        assert_eq!(find(&doctor(&["wan0", "lan0"]), "uplinks", None).status, Status::Ok);
    });
}

#[test]
fn an_interface_named_twice_is_told_once() {
    in_namespace(|| {
        let report = doctor(&["wan0", "wan0"]);
        let twice = report.checks.iter().filter(|check| check.check == "type").count();
        assert_eq!(twice, 1);
        assert!(report.checks.iter().any(|check| check.seen.contains("more than once")));
    });
}

#[test]
fn the_host_alone_can_be_examined_by_anyone() {
    let report = examine(&Options::default());
    for check in ["kernel", "privileges", "bpf", "clock", "nat", "interfaces"] {
        find(&report, check, None);
    }
    let json = report.to_json();
    assert_eq!(json["record"], "doctor");
    assert_eq!(json["checks"].as_array().map(Vec::len), Some(report.checks.len()));
    // One line each, a blank one and the summary.
    assert_eq!(report.to_string().lines().count(), report.checks.len() + 2);
}
