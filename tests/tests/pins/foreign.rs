//! What others have, and `detach` has to leave alone.

use std::{fs, path::Path};

use aya::{
    maps::{Array, Map, MapData},
    programs::{ProgramInfo, SchedClassifier, TcAttachType},
};
use probe_common::handover::Handover;
use probe_tests::lab::{
    agent::attached,
    namespace::{Namespace, own_file_systems},
};
use probe_user::source::kernel::pins::USUAL;

use crate::agents::{Pinned, assert_detaches, forgewatch, said};

#[test]
fn an_ordinary_directory_is_left_as_it_is() {
    let namespace = Namespace::alone("router").expect("a namespace; this takes root");
    own_file_systems().expect("root may");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    for name in ["letters/of", "eth0", "empty"] {
        fs::create_dir_all(path.join(name)).expect("a directory");
    }
    let files = ["notes", "letters/from", "eth0/HANDOVER", "eth0/xdp-eth0"];
    for name in files {
        fs::write(path.join(name), "").expect("a file");
    }
    for which in [&["--all"] as &[&str], &["--iface", "eth0"], &["--iface", "letters"]] {
        let pin = path.to_str().expect("a path of letters");
        let output = forgewatch(&namespace, &[&["detach", "--pin", pin], which].concat());
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("is not on a BPF file system"), "{}", said(&output));
        assert_eq!(said(&output).lines().count(), 1, "{}", said(&output));
    }
    for name in files.into_iter().chain(["letters/of", "empty"]) {
        assert!(path.join(name).exists(), "{name} is gone");
    }
}

#[test]
fn beside_pins_of_others_only_an_agents_are_removed() {
    let namespace = Namespace::alone("router").expect("a namespace; this takes root");
    own_file_systems().expect("root may");
    let directory = tempfile::tempdir().expect("a directory");
    Pinned::start_in(&namespace, directory.path(), "agent", &["lo"], &[]).kill();
    let base = Path::new(USUAL);
    for name in ["theirs/inside", "nothing"] {
        fs::create_dir_all(base.join(name)).expect("a directory");
    }
    let pin = |name: &str| {
        let map = MapData::from_pin(base.join("lo/HANDOVER")).expect("it is pinned");
        map.pin(base.join(name)).expect("it can be pinned once more");
    };
    // One that is called as an agent's maps are, and no agent's all the same.
    let others = ["file", "theirs/globals", "theirs/EVENTS", "lo/theirs"];
    others.into_iter().for_each(pin);

    let output = forgewatch(&namespace, &["detach", "--all"]);
    assert!(output.status.success(), "{}", said(&output));
    let words = [
        "lo: took off the tcx program of lo, the XDP program of lo, 13 maps",
        "lo: left what no agent has pinned: theirs",
        "/sys/fs/bpf/forgewatch: left what no agent has pinned: file, nothing, theirs",
    ];
    for words in words {
        assert!(said(&output).contains(words), "no {words:?} in {}", said(&output));
    }
    for name in others.into_iter().chain(["theirs/inside", "nothing"]) {
        assert!(base.join(name).exists(), "{name} is gone: {}", said(&output));
    }
    assert_eq!(fs::read_dir(base.join("lo")).expect("it is there").count(), 1);

    let output = forgewatch(&namespace, &["detach", "--iface", "theirs"]);
    assert_eq!(said(&output), "nothing is left on theirs\n");
    assert!(output.status.success());
    assert!(base.join("theirs/EVENTS").exists());
}

/// Loopback has the same number in each.
#[test]
fn what_is_of_another_network_namespace_is_left_there() {
    let there = Namespace::alone("there").expect("a namespace; this takes root");
    let here = Namespace::alone("here").expect("a namespace");
    own_file_systems().expect("root may");
    let directory = tempfile::tempdir().expect("a directory");
    Pinned::start_in(&there, directory.path(), "agent", &["lo"], &[]).kill();
    let before = programs(&there);
    let refused = |more: &[&str]| {
        let words = ["run", "--pin", "--no-state", "--iface", "lo"];
        let output = forgewatch(&here, &[&words, more].concat());
        assert_eq!(output.status.code(), Some(4), "{more:?}: {}", said(&output));
        assert!(said(&output).contains("another network namespace"), "{}", said(&output));
        assert_eq!(programs(&there), before, "{more:?}");
        assert!(!attached(&here, "lo").expect("it is there").any());
    };
    refused(&[]);
    // Another size, and another build.
    refused(&["--ring", "65536"]);
    let map = MapData::from_pin(Path::new(USUAL).join("lo/HANDOVER")).expect("it is pinned");
    let map = Map::from_map_data(map).expect("an array");
    let mut map = Array::<_, [u8; size_of::<Handover>()]>::try_from(map).expect("its size");
    let mut left = map.get(&0, 0).expect("what is handed over");
    left[0] ^= 1;
    map.set(0, left, 0).expect("root may write it");
    refused(&[]);
    assert_detaches(&there, &["lo"]);
}

/// The numbers of what is at egress.
fn programs(namespace: &Namespace) -> Vec<u32> {
    let query = || SchedClassifier::query_tcx("lo", TcAttachType::Egress);
    let (_, programs) = namespace.enter(query).expect("in the namespace").expect("tcx");
    programs.iter().map(ProgramInfo::id).collect()
}
