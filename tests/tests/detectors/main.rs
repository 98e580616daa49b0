//! Each detector has a capture on which it decides, and an innocent look-alike on which it stays silent.
//!
//! It decides a finding if without its signature there would be none, or it would accuse nobody, or be
//! less sure: the judge's own rule says so ([`probe_user::judge::decisive`]). The look-alike does what
//! the detector looks at, and lacks what makes it proof; each detector's own words tell of it.
//!
//! The captures are cases of the corpus, made from one seed, or written down packet by packet here
//! where the corpus has none. The table is in [`table`], in the order of the lists of detectors: one
//! that is not in it fails the test, and so does one that has stopped deciding.

mod by_hand;
mod damage;
mod dials;
mod heard;
mod hellos;
mod lies;
mod look_ups;
mod midway;
mod observers;
mod places;
mod populations;
mod resolvers;
mod silences;
mod sites;
mod sleep;
mod table;
mod talk;

use std::collections::BTreeMap;

use probe_user::{
    detect::{self, radar},
    report::finding,
};

use heard::Heard;
use table::Row;

/// What a list of detectors is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Connections,
    Silence,
    Quic,
    Names,
}

/// Checks the rows of one list, prints them, and returns what is wrong.
fn check(ids: &[&str], rows: &[Row], about: About) -> Vec<String> {
    let mut wrong = Vec::new();
    let listed: Vec<&str> = rows.iter().map(|row| row.id).collect();
    if ids != listed {
        wrong.push(format!("detectors {ids:?}, in the table {listed:?}"));
    }
    let mut heard: BTreeMap<&str, Heard> = BTreeMap::new();
    for row in rows {
        for source in [row.decides, row.silent] {
            heard.entry(source.name()).or_insert_with(|| source.heard());
        }
        let (decides, silent) = (&heard[row.decides.name()], &heard[row.silent.name()]);
        let said = decides.decided(row.id, about);
        let (first, second) = (row.decides.name(), row.silent.name());
        println!("{:<18} decides {first} ({}); silent on {second}", row.id, said.join(", "));
        if said.is_empty() {
            let words = decides.words();
            wrong.push(format!("{} decides nothing in {first}: {words}", row.id));
        }
        if silent.fired(row.id, about) {
            wrong.push(format!("{} is not silent on {second}: {}", row.id, silent.words()));
        }
        let asked = match about {
            About::Connections => silent.has_evidence(),
            About::Silence => silent.silent.total() > 0,
            About::Quic => silent.has_initials(),
            About::Names => silent.has_replies(),
        };
        if !asked {
            wrong.push(format!("there is nothing in {second} that {} could look at", row.id));
        }
    }
    wrong
}

#[track_caller]
fn good(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn detectors_of_connections_decide_something_and_are_silent_on_a_look_alike() {
    let ids: Vec<&str> = detect::TCP.iter().map(|detector| detector.id).collect();
    good(&check(&ids, table::TCP, About::Connections));
}

#[test]
fn detectors_of_silence_decide_something_and_are_silent_on_a_look_alike() {
    let ids: Vec<&str> = detect::SILENT.iter().map(|detector| detector.id).collect();
    good(&check(&ids, table::SILENT, About::Silence));
}

#[test]
fn detectors_of_quic_decide_something_and_are_silent_on_a_look_alike() {
    let ids: Vec<&str> = detect::QUIC.iter().map(|detector| detector.id).collect();
    good(&check(&ids, table::QUIC, About::Quic));
}

#[test]
fn nobody_is_accused_where_quic_fails_for_everybody_or_of_its_own() {
    let innocent = [
        dials::udp_is_blocked,
        dials::server_without_quic,
        dials::client_gives_up,
        dials::refused_by_a_filter,
        dials::host_without_tcp,
    ];
    for make in innocent {
        let heard = Heard::of_capture(&make());
        assert!(heard.has_initials() && heard.findings.is_empty(), "{}", heard.words());
    }
    // Here something is odd; nothing says that somebody did it.
    for make in [dials::server_stops_quic, dials::one_name_unanswered_sometimes] {
        let heard = Heard::of_capture(&make());
        let accuses =
            heard.findings.iter().any(|finding| finding.verdict != finding::Verdict::Suspect);
        assert!(!heard.findings.is_empty() && !accuses, "{}", heard.words());
    }
}

#[test]
fn detectors_of_names_decide_something_and_are_silent_on_a_look_alike() {
    let ids: Vec<&str> = detect::DNS.iter().map(|detector| detector.id).collect();
    good(&check(&ids, table::DNS, About::Names));
}

#[test]
fn detectors_of_lies_decide_something_and_are_silent_on_a_look_alike() {
    let ids: Vec<&str> = detect::LIES.iter().map(|detector| detector.id).collect();
    good(&check(&ids, table::LIES, About::Names));
}

#[test]
fn every_shape_of_radar_is_counted_somewhere() {
    let mut ids: Vec<&str> = radar::ALL.iter().map(|radar| radar.id).collect();
    ids.sort_unstable();
    let listed: Vec<&str> = table::RADAR.iter().map(|&(id, _)| id).collect();
    assert_eq!(ids, listed);
    let mut wrong = Vec::new();
    for (id, source) in table::RADAR {
        let heard = source.heard();
        let of = |side: &str| heard.shapes.get(&format!("signature_{id}_from_{side}")).copied();
        let resets = of("client").unwrap_or_default() + of("server").unwrap_or_default();
        // Those that end in silence are counted by stage.
        let count = match *id {
            "T01" => heard.silent.of(finding::Stage::PostSyn),
            "T05" => heard.silent.of(finding::Stage::PostAck),
            "T10" => heard.silent.of(finding::Stage::PostPsh),
            _ => resets,
        };
        println!("{id} {count} times in {}", source.name());
        if count == 0 {
            let shapes = &heard.shapes;
            wrong.push(format!("{id} is not counted in {}: {shapes:?}", source.name()));
        }
    }
    good(&wrong);
}
