//! The disk that the ledger is on.

use probe_tests::lab::{
    disk::{self, fill, make_room},
    network::{LAN, WAN},
};

use super::Scene;

#[test]
fn while_the_disk_is_full_it_is_found_and_recorded_when_there_is_room() {
    disk::small(8 << 20, |disk| {
        let scene = Scene::with(&[LAN, WAN], Some(disk), |_| {}, |_| {});
        fill(disk);
        for _ in 0..3 {
            scene.finds();
        }
        scene.says("no space is left");
        make_room(disk);
        let report = scene.ends();
        assert_eq!(report.figure("ledger_unrecorded"), 0, "{}", report.summary);
    });
}

#[test]
fn when_the_disk_fails_it_is_found_and_what_was_recorded_stays() {
    disk::failing(|disk| {
        let mut scene = Scene::with(&[LAN, WAN], Some(&disk.at), |_| {}, |_| {});
        disk.fail();
        for _ in 0..3 {
            scene.finds();
        }
        scene.says("detection goes on");
        // Nothing can be written any more. What was can be read, and is whole on a disk that works again.
        let kept = std::mem::take(&mut scene.before);
        assert!(super::rows(&scene.state).expect("it can be read").len() >= kept.len());
        scene.traffic.take().expect("traffic").never_stopped();
        let report = scene.agent.take().expect("an agent").stop().expect("a summary");
        assert!(report.status.success() && report.figure("ledger_unrecorded") > 0);
        disk.mend();
        scene.is_clean(&kept);
        scene.start_agent(|_| {});
        scene.finds();
    });
}
