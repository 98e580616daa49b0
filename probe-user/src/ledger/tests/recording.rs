//! What is recorded, and what is not.

use super::*;

#[test]
fn what_is_recorded_is_read_again_after_a_restart() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder = recorder(dir.path());
    recorder.finding(&shown(1, [packet(1), packet(2)]));
    recorder.cell(cell(0));
    recorder.verdict(verdict(Method::Inconclusive));
    recorder.verdict(verdict(Method::SniReset));
    let mut totals = Totals { packets: 100, tcp_flows: 10, ..Totals::default() };
    totals.stages.from_server.add(Stage::PostPsh);
    recorder.traffic(NOON + 5, totals);
    totals.packets = 150;
    recorder.traffic(NOON + HOUR_NANOS, totals);
    recorder.summary(&Summary { packets: 150, ..Summary::default() });
    recorder.stop();
    assert_eq!(recorder.losses().values().sum::<u64>(), 0);

    let reader = Reader::open(dir.path()).expect("a ledger");
    let rows = findings(&reader);
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((row.run, row.number, row.time), (1, 1, NOON + 1_000_000));
    assert_eq!(row.service.as_deref(), Some("linkedin"));
    assert_eq!(row.role, Some(Role::Target));
    assert_eq!(row.name.as_deref(), Some("www.linkedin.com"));
    assert_eq!(row.network.to_string(), "108.174.10.0/24");
    assert_eq!(row.server, Some("108.174.10.10:443".parse().expect("an address")));
    assert_eq!(row.injector_hops_range, Some([4, 6]));
    assert_eq!(row.stage, Some(Stage::PostPsh));
    assert_eq!(row.signatures[0].id, "DATA_AFTER_RST");
    assert_eq!(reader.evidence(row.id).expect("packets"), [packet(1), packet(2)]);
    assert_eq!(cells(&reader), [cell(0)]);
    let verdicts = reader.verdicts(&Window::ALL).expect("verdicts");
    assert_eq!(verdicts.len(), 2);
    assert_eq!(verdicts[1].verdict, verdict(Method::SniReset));
    let hours = reader.hours(&Window::ALL).expect("hours");
    assert_eq!(hours.iter().map(|hour| hour.packets).collect::<Vec<_>>(), [100, 50]);
    assert_eq!(hours[0].from_server.post_psh, 1);
    assert_eq!(hours[1].from_server.post_psh, 0);
    let runs = reader.runs(&Window::ALL).expect("runs");
    assert_eq!((runs[0].state, runs[0].interfaces[0].as_str()), (RunState::Ended, "eth0"));
    assert_eq!(runs[0].summary.as_ref().expect("a summary")["packets"], 150);
    assert!(
        reader.services().expect("services").iter().any(|service| service.service == "linkedin")
    );
    drop(reader);

    let mut again = self::recorder(dir.path());
    again.finding(&finding(2));
    again.stop();
    let reader = Reader::open(dir.path()).expect("a ledger");
    assert_eq!(
        findings(&reader).iter().map(|row| (row.run, row.number)).collect::<Vec<_>>(),
        [(1, 1), (2, 1)]
    );
    assert_eq!(notices(&reader), []);
}

#[test]
fn a_finding_that_is_told_again_takes_its_place() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder = recorder(dir.path());
    let first = Finding { confidence: Confidence::C2, ..finding(1) };
    recorder.finding(&Finding { packets: vec![packet(1)].into(), ..first.clone() });
    recorder.finding(&finding(2));
    let told = Told { verdict: first.verdict, confidence: first.confidence };
    recorder.finding(&Finding { revises: Some(told), ..shown(1, [packet(2)]) });
    recorder.stop();
    let reader = Reader::open(dir.path()).expect("a ledger");
    let rows = findings(&reader);
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].number, rows[0].confidence, rows[0].revisions), (1, Confidence::C3, 1));
    assert_eq!(reader.evidence(rows[0].id).expect("packets"), [packet(2)]);
}

/// After the clock was set back, what comes is earlier than all that is known.
#[test]
fn what_came_first_is_forgotten_first_whatever_its_time() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder = recorder(dir.path());
    for number in 0..super::super::TOLD_MAX as u64 {
        recorder.finding(&finding(number));
    }
    let of = |back: u64| Finding { time: NOON - back * HOUR_NANOS, ..finding(1) };
    recorder.finding(&of(1));
    recorder.finding(&of(2));
    let first = of(1);
    let told = Told { verdict: first.verdict, confidence: first.confidence };
    recorder.finding(&Finding { revises: Some(told), ..first });
    recorder.stop();
    let rows = findings(&Reader::open(dir.path()).expect("a ledger"));
    assert_eq!(rows.len(), super::super::TOLD_MAX + 2);
    assert_eq!(rows[rows.len() - 2].revisions, 1);
}

#[test]
fn packets_of_every_standing_are_kept() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder = recorder(dir.path());
    let standings =
        [Standing::Forged, Standing::Rewritten, Standing::Questioned, Standing::Genuine];
    let packets = standings.map(|standing| Packet { standing, ..packet(1) });
    recorder.finding(&shown(1, packets.clone()));
    recorder.stop();
    assert_eq!(recorder.losses().values().sum::<u64>(), 0);
    let reader = Reader::open(dir.path()).expect("a ledger");
    assert_eq!(reader.evidence(findings(&reader)[0].id).expect("packets"), packets);
}

#[test]
fn clients_are_counted_and_nothing_else_of_them_is_kept() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder = recorder(dir.path());
    for number in 0..600 {
        // Each of 300 clients twice, of two networks.
        recorder.finding(&finding(number % 300));
    }
    recorder.stop();
    let reader = Reader::open(dir.path()).expect("a ledger");
    let crowds = reader.crowds(&Window::ALL).expect("crowds");
    assert_eq!(crowds.iter().map(|crowd| crowd.seconds).collect::<Vec<_>>(), [86_400, 3_600]);
    for crowd in crowds {
        assert!((crowd.clients.least..=crowd.clients.most).contains(&300), "{crowd:?}");
        assert_eq!(crowd.networks, Range { least: 2, most: 2 });
    }
}

#[test]
fn of_others_than_targets_no_destination_is_kept() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder = recorder(dir.path());
    recorder.finding(&Finding {
        name: Some("private.example".into()),
        service: None,
        server: "198.51.100.7:8443".parse().expect("an address"),
        ..finding(1)
    });
    recorder.finding(&Finding { name: Some("in-jane.linkedin.com".into()), ..finding(2) });
    let mut tattling = finding(3);
    tattling.signatures[0].words = "a page that blocks 10.71.0.4".into();
    let mut carrying = packet(3);
    carrying.bytes = [&[0x45; 20][..], &[10, 71, 0, 4]].concat();
    tattling.packets = vec![carrying, packet(3)].into();
    recorder.finding(&tattling);
    recorder.stop();
    assert_eq!(recorder.counters()["ledger_evidence_refused"], 1);

    let reader = Reader::open(dir.path()).expect("a ledger");
    let rows = findings(&reader);
    assert_eq!((&rows[0].name, rows[0].server, rows[0].port), (&None, None, None));
    assert_eq!(rows[0].network.to_string(), "198.51.100.0/24");
    assert_eq!(rows[0].signatures[0].words, "");
    assert!(rows[0].signatures[0].measured.is_empty());
    assert_eq!(rows[1].name.as_deref(), Some("*.linkedin.com"));
    assert_eq!(rows[2].signatures[0].words, "");
    assert_eq!(reader.evidence(rows[2].id).expect("packets"), [packet(3)]);
}

fn totals(packets: u64) -> Totals {
    let mut totals = Totals { packets, tcp_flows: packets / 10, ..Totals::default() };
    totals.stages.silent.post_syn = packets / 100;
    totals
}

#[test]
fn an_hour_that_comes_again_is_added_to() {
    let dir = TempDir::new().expect("a directory");
    let mut recorder = recorder(dir.path());
    // The clock goes back after the second; or a second capture is of the hours of the first.
    for (hour, so_far) in [(0, 1_000), (1, 1_500), (0, 1_700), (1, 2_700)] {
        recorder.traffic(NOON + hour * HOUR_NANOS, totals(so_far));
    }
    recorder.stop();
    let reader = Reader::open(dir.path()).expect("a ledger");
    let hours = reader.hours(&Window::ALL).expect("hours");
    let told: Vec<_> =
        hours.iter().map(|hour| (hour.packets, hour.tcp_flows, hour.silent.post_syn)).collect();
    assert_eq!(told, [(1_200, 120, 12), (1_500, 150, 15)]);
}
