//! Ledgers of other versions, of others, damaged, or none.

use super::*;

/// Rows of a ledger of version 1, as that version wrote them.
const VERSION_1: &str = "
    INSERT INTO meta VALUES ('ledger', '0123456789abcdef'), ('created', '1795514400000000000');
    INSERT INTO runs VALUES (1, 'live', 1795514400000000000, 1795514400000000001, 1795514400000000001,
        '0.0.9', '6.1.0', 'hash', '[\"eth0\"]', 'synchronised', NULL);
    INSERT INTO findings VALUES (7, 1, 3, 1795514400000000000, 'tcp', 'injected', 'C3', 'linkedin',
        'target', 'linkedin.com', '108.174.10.0/24', '108.174.10.10:443', 443, 'upstream', 5, 4, 6, 11,
        'post_psh', '[]', '[]', '[]', 0);";

/// The same of a later one.
const VERSION_2: &str =
    "INSERT INTO evidence VALUES (7, 0, -5, 'to-client', 'forged', x'4501', 'a reset');";

#[test]
fn an_older_ledger_is_read_as_it_is_and_brought_up_to_date_by_a_run() {
    for version in 1..schema::MIGRATIONS.len() {
        let dir = TempDir::new().expect("a directory");
        let old = Connection::open(dir.path().join(FILE)).expect("a file");
        schema::make(&old, version).expect("an older ledger");
        old.execute_batch(VERSION_1).expect("rows");
        if version >= 2 {
            old.execute_batch(VERSION_2).expect("rows");
        }
        drop(old);

        let before = fs::read(dir.path().join(FILE)).expect("the file");
        let reader = Reader::open(dir.path()).expect("a ledger");
        assert_eq!(findings(&reader)[0].id, 7);
        let packets = if version >= 2 { vec![packet(1)] } else { vec![] };
        assert_eq!(reader.evidence(7).expect("packets"), packets);
        drop(reader);
        assert_eq!(
            fs::read(dir.path().join(FILE)).expect("the file"),
            before,
            "reading changes nothing"
        );

        let mut recorder = recorder(dir.path());
        recorder.finding(&shown(1, [packet(1)]));
        recorder.stop();
        let reader = Reader::open(dir.path()).expect("a ledger");
        let rows = findings(&reader);
        assert_eq!(rows.iter().map(|row| (row.id, row.run)).collect::<Vec<_>>(), [(7, 1), (8, 2)]);
        assert_eq!(reader.evidence(8).expect("packets").len(), 1);
        assert_eq!(notices(&reader), [NoticeKind::Migrated]);
        assert_eq!(reader.name().expect("a name"), "0123456789abcdef");
    }
}

#[test]
fn a_migration_that_fails_leaves_the_older_ledger() {
    let dir = TempDir::new().expect("a directory");
    let old = Connection::open(dir.path().join(FILE)).expect("a file");
    schema::make(&old, 1).expect("an older ledger");
    old.execute_batch("CREATE TABLE evidence (in_the_way INTEGER)").expect("a table");
    drop(old);
    assert!(Ledger::open(dir.path()).is_err());
    let old = Connection::open(dir.path().join(FILE)).expect("a file");
    let version: i64 =
        old.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a version");
    assert_eq!(version, 1);
}

fn words<T: std::fmt::Debug>(result: Result<T, LedgerError>) -> String {
    let words = result.expect_err("a refusal").to_string();
    assert!(!words.contains('\n') && !words.contains("  "), "{words:?}");
    words
}

#[test]
fn what_is_newer_foreign_or_damaged_is_left_alone() {
    let dir = TempDir::new().expect("a directory");
    let path = dir.path().join(FILE);
    drop(Ledger::open(dir.path()).expect("a ledger"));
    let newer = Connection::open(&path).expect("a file");
    newer.pragma_update(None, "user_version", 99).expect("a version");
    drop(newer);
    for words in [words(Ledger::open(dir.path())), words(Reader::open(dir.path()))] {
        assert!(words.contains("schema version 99"), "{words}");
    }

    fs::write(
        &path,
        "not a database, but longer than its header, which SQLite looks at before it says so: \
        it has a hundred octets",
    )
    .expect("a file");
    let words_of = words(Ledger::open(dir.path()));
    assert!(words_of.contains("no ledger of Forgewatch"), "{words_of}");

    fs::remove_file(&path).expect("no file");
    let mut recorder = recorder(dir.path());
    for number in 0..2_000 {
        recorder.finding(&finding(number));
    }
    recorder.stop();
    let mut octets = fs::read(&path).expect("the file");
    let end = octets.len();
    octets[8_192..end.min(200_000)].fill(0xa5);
    fs::write(&path, &octets).expect("a damaged file");
    let refused = match Ledger::open(dir.path()) {
        Err(error) => error.to_string(),
        Ok(mut ledger) => {
            words(ledger.begin(&start()).and_then(|_| ledger.write(&[], NOON)).and_then(|_| {
                ledger.expire(
                    &Keep { age: 1, octets: 1 },
                    Now { wall: NOON * 2, lasted: 1, synchronised: true },
                )
            }))
        }
    };
    assert!(refused.contains("is damaged") && refused.contains(".recover"), "{refused}");
    let there = fs::read(&path).expect("the file");
    assert_eq!(there[8_192..9_000], octets[8_192..9_000], "what is damaged is left");
}

/// A ledger of a run that was cut short, on a disk that lost some of it.
fn damaged(dir: &Path) {
    drop(recorded(dir, 2_000));
    let path = dir.join(FILE);
    let mut octets = fs::read(&path).expect("the file");
    // The schema is in the first page; what is behind is not looked at before it is needed.
    let half = octets.len() / 2;
    octets[half..half + 65_536].fill(0xa5);
    fs::write(&path, &octets).expect("a damaged file");
}

#[test]
fn a_start_does_not_wait_until_a_ledger_is_looked_through_and_a_damage_is_told() {
    let dir = TempDir::new().expect("a directory");
    damaged(dir.path());
    assert!(words(Ledger::open(dir.path())).contains("is damaged"), "the look finds it");
    let start_with = |patient| {
        let options = Options { patient, ..Options::default() };
        Recorder::start(dir.path(), start(), options, Box::new(SystemClocks))
    };
    let refused = start_with(true).err().expect("who can wait does").to_string();
    assert!(refused.contains("is damaged"), "{refused}");
    let mut recorder = start_with(false).expect("a start that knows nothing of it yet");
    recorder.finding(&finding(1));
    while !recorder.is_in_trouble() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    recorder.stop();
    assert_eq!(recorder.losses()["ledger_unrecorded"], 3, "and it is counted");
}

#[test]
fn what_is_handed_over_while_a_ledger_is_looked_through_is_recorded() {
    let dir = TempDir::new().expect("a directory");
    drop(recorded(dir.path(), 10));
    let mut recorder =
        Recorder::start(dir.path(), start(), Options::default(), Box::new(SystemClocks))
            .expect("a ledger");
    recorder.finding(&finding(1));
    recorder.stop();
    let reader = Reader::open(dir.path()).expect("a ledger");
    assert_eq!(findings(&reader).iter().filter(|row| row.run == 2).count(), 1);
    assert_eq!(notices(&reader), [NoticeKind::CutShort]);
    let runs = reader.runs(&Window::ALL).expect("runs");
    assert_eq!([runs[0].state, runs[1].state], [RunState::CutShort, RunState::Ended]);
}

#[test]
fn a_lock_that_leads_elsewhere_is_not_followed() {
    let dir = TempDir::new().expect("a directory");
    let (state, other) = (dir.path().join("state"), dir.path().join("other"));
    fs::create_dir(&state).expect("a directory");
    fs::write(&other, "somebody's").expect("a file");
    let lock = state.join(super::super::LOCK);
    std::os::unix::fs::symlink(&other, &lock).expect("a link");
    let refused = words(Ledger::open(&state));
    assert!(refused.contains("is a link"), "{refused}");
    assert_eq!(fs::read_to_string(&other).expect("text"), "somebody's");
    fs::remove_file(&lock).expect("no link");
    nix::unistd::mkfifo(&lock, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let refused = words(Ledger::open(&state));
    assert!(refused.contains("is no file"), "{refused}");
}

#[test]
fn two_agents_do_not_write_one_ledger() {
    let dir = TempDir::new().expect("a directory");
    let first = Ledger::open(dir.path()).expect("a ledger");
    let refused = words(Ledger::open(dir.path()));
    assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
    Reader::open(dir.path()).expect("reading is always possible");
    drop(first);
    Ledger::open(dir.path()).expect("a ledger");
}

#[test]
fn no_ledger_and_no_directory_are_told_apart() {
    let dir = TempDir::new().expect("a directory");
    assert!(words(Reader::open(dir.path())).starts_with("no ledger in"));
    let file = dir.path().join("file");
    fs::write(&file, "").expect("a file");
    for result in [Ledger::open(&file), Ledger::open(&file.join("below"))] {
        assert!(words(result).contains("state directory"));
    }
}

#[test]
fn why_something_failed_is_told_also_without_where() {
    let dir = TempDir::new().expect("a directory");
    let place = dir.path().display().to_string();
    // SQLite itself names what it cannot open.
    fs::create_dir(dir.path().join(FILE)).expect("something in the way");
    let error = Ledger::open(dir.path()).expect_err("no file");
    assert!(error.to_string().contains(&place), "{error}");
    assert!(!error.reason().contains(&place) && !error.reason().is_empty(), "{}", error.reason());
}
