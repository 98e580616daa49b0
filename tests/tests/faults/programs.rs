//! Others who want the place of the programs.

use probe_tests::lab::{
    agent::{self, attached},
    network::LAN,
    process,
};

use super::{SOON, Scene};

#[test]
fn who_comes_later_finds_the_place_taken_and_takes_nothing_off() {
    let scene = Scene::new(&[LAN]);
    let before = attached(scene.router(), LAN).expect("it is there");
    for words in ["xdp off", "xdpdrv off"] {
        let mut ip = scene.router().command("ip");
        ip.args(["link", "set", "dev", LAN]).args(words.split(' '));
        let output = process::output("ip", &mut ip, SOON).expect("ip runs");
        assert!(!output.status.success(), "{words} took it off");
    }
    // Another agent is another program.
    let mut other = scene.router().command(agent::path().expect("which agent to test"));
    other.args(["run", "--iface", LAN, "--no-state", "--duration", "1"]);
    let output =
        process::output("forgewatch", other.env("FORGEWATCH_CONFIG", ""), SOON).expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("an agent of Forgewatch is there already (process "), "{said}");
    assert_eq!(attached(scene.router(), LAN).expect("it is there"), before);
    scene.ends();
}
