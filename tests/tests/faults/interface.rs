//! What happens to the interface under a running agent, which has no capability left by then. The other
//! interfaces forward as if nothing had been.

use probe_tests::lab::{
    agent::{attached, attached_natively},
    clients::Outcome,
    network::{ETH, LAN, OTHER},
    wait,
};

use super::{SOON, Scene};

/// How often the wire is pulled.
const PULLS: usize = 3;

/// Waits until what goes by the interface is forwarded again.
fn reachable(scene: &Scene) {
    wait::until("the server to be reached", SOON, || {
        let outcome = scene.lab.https("example.org", OTHER.v4).ok()?;
        (outcome == Outcome::Answered(200)).then_some(())
    })
    .expect("packets pass");
}

#[test]
fn an_interface_that_is_taken_down_or_renamed_is_watched_still() {
    let mut scene = Scene::new(&[LAN]);
    let again = "addr replace fd71:1::1/64 dev lan1 nodad";
    scene
        .router()
        .ip(&format!("link set {LAN} down\nlink set {LAN} name lan1\nlink set lan1 up\n{again}"))
        .expect("an interface");
    reachable(&scene);
    scene.says("is called lan1 now, and is watched still");
    assert!(attached(scene.router(), "lan1").expect("it is there").any());
    scene.ifaces = vec!["lan1"];
    scene.ends();
}

#[test]
fn an_interface_that_was_removed_is_watched_again_when_it_is_there_again() {
    let scene = Scene::new(&[LAN]);
    scene.router().ip(&format!("link del {LAN}")).expect("it is removed");
    scene.says("was removed");
    scene.lab.network.renew_lan().expect("another one of that name");
    reachable(&scene);
    scene.says("is there again, and is watched again");
    assert!(attached(scene.router(), LAN).expect("it is there").any());
    scene.ends();
}

/// As a network card does that loses its link, or agrees on another speed.
#[test]
fn an_interface_whose_link_comes_and_goes_is_watched_still() {
    let scene = Scene::new(&[LAN]);
    let client = &scene.lab.network.client;
    for _ in 0..PULLS {
        client.ip(&format!("link set {ETH} down")).expect("no link");
        let lines = format!("link set {ETH} up\nroute replace default via 10.71.1.1");
        client.ip(&lines).expect("a link");
        reachable(&scene);
        scene.finds();
    }
    scene.ends();
}

#[test]
fn an_interface_whose_driver_has_no_xdp_is_watched_in_the_stack() {
    const BRIDGE: &str = "br0";
    let prepare = |scene: &Scene| {
        let lines = format!(
            "link add {BRIDGE} type bridge\n\
             addr flush dev {LAN}\n\
             link set {LAN} master {BRIDGE}\n\
             addr add 10.71.1.1/24 dev {BRIDGE}\n\
             addr add fd71:1::1/64 dev {BRIDGE} nodad\n\
             link set {BRIDGE} up"
        );
        scene.router().ip(&lines).expect("a bridge");
        reachable(scene);
    };
    let scene = Scene::with(&[BRIDGE], None, prepare, |_| {});
    scene.says("the driver does not run XDP");
    assert!(!attached_natively(scene.router(), BRIDGE).expect("it is there"));
    scene.ends();
}
