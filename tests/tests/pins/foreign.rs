//! What others have, and `detach` has to leave alone.

use std::{fs, path::Path};

use aya::maps::MapData;
use probe_tests::lab::namespace::{Namespace, own_file_systems};
use probe_user::source::kernel::pins::USUAL;

use crate::agents::{Pinned, forgewatch, said};

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
