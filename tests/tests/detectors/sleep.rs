//! A machine that slept: nobody is held to have been silent meanwhile.
//!
//! Captures on which detectors of silence decide, and what is said of them if that silence was the machine's own.

use probe_tests::craft::{Capture, MS};
use probe_user::{
    attribute::outcome::Ending,
    report::{Finding, finding::Verdict},
};

use crate::{About, dials, heard::Heard, lies, populations, silences};

/// Nothing passes for so long in nanoseconds: shorter than any silence that says something.
const LEAST: u64 = 2_900 * MS;

/// A detector, of which list it is, and a capture with a silence that it decides.
type Row = (&'static str, About, fn() -> Capture);

const SILENT: [Row; 8] = [
    ("STAGE_SNI", About::Silence, populations::one_name_swallowed),
    ("RESIDUAL", About::Silence, populations::harmless_name_swallowed_after),
    ("SYN_BLACKHOLE", About::Silence, silences::three_syns),
    ("CH_ACK_SILENT", About::Silence, silences::hello_never_answered),
    ("SH_UNACKED", About::Silence, silences::answer_never_acknowledged),
    ("ECH_DROP", About::Silence, dials::encrypted_hello_swallowed),
    ("ESNI_DROP", About::Silence, dials::encrypted_name_swallowed),
    ("QUIC_SNI_DROP", About::Quic, dials::one_name_unanswered),
];

#[test]
fn what_was_silent_while_the_machine_slept_is_not_accused() {
    for (id, about, make) in SILENT {
        let capture = make();
        let awake = Heard::of_capture(&capture);
        assert!(!awake.decided(id, about).is_empty(), "{id}: {}", awake.words());
        let asleep = Heard::asleep(&capture, LEAST);
        println!("{id}: awake {}; asleep {}", awake.words(), asleep.words());
        assert!(!asleep.fired(id, about), "{id}: {}", asleep.words());
    }
}

#[test]
fn what_speaks_for_an_answer_gets_its_time() {
    // Two minutes after one resolver denied the name all others do.
    let capture = lies::denied_and_gone(120);
    let [awake, asleep] = [u64::MAX, 60_000 * MS].map(|least| Heard::asleep(&capture, least));
    let accuses = |finding: &Finding| finding.verdict != Verdict::Suspect;
    assert!(awake.findings.iter().any(accuses), "{}", awake.words());
    assert!(!asleep.findings.iter().any(accuses), "{}", asleep.words());
}

#[test]
fn how_a_connection_ended_that_outlived_a_sleep_is_not_counted() {
    let capture = silences::three_syns();
    let [awake, asleep] = [u64::MAX, LEAST].map(|least| Heard::asleep(&capture, least).endings);
    let silent =
        |endings: &[Ending]| endings.iter().any(|one| matches!(one, Ending::Silent { .. }));
    assert!(silent(&awake), "{awake:?}");
    // That of somebody who came afterwards is.
    assert_eq!(asleep, [Ending::Served]);
}

/// Whatever was before, who falls silent when the machine has woken is found.
#[test]
fn what_falls_silent_afterwards_is_found() {
    for (id, about, make) in SILENT {
        let mut capture = make();
        // Somebody speaks, and the machine sleeps for ten minutes.
        let later = 600_000 * MS;
        for packet in &mut capture.packets {
            packet.time += later;
        }
        let mut talk = crate::talk::Talk::new(8, "198.18.0.8:443", 0);
        talk.served("www.example.net");
        capture.packets.splice(0..0, talk.capture().packets);
        let heard = Heard::asleep(&capture, later / 2);
        assert!(!heard.decided(id, about).is_empty(), "{id}: {}", heard.words());
    }
}
