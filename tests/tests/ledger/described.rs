//! Every column and field is described, and nothing else is.

use std::{collections::BTreeSet, path::Path};

use probe_tests::docs::{Page, root};
use probe_user::{export::parquet, ledger::schema};
use serde_json::Value;

use super::{captures, forgewatch, succeed};

/// Names in the first cells of the table under `heading`: `a`, `b`.
fn described(page: &Page, heading: &str) -> BTreeSet<String> {
    let lines: Vec<&str> = page.text.lines().collect();
    let start = lines
        .iter()
        .position(|line| {
            line.trim_start_matches('#').trim().trim_matches('`') == heading
                && line.starts_with('#')
        })
        .unwrap_or_else(|| panic!("{}: no heading {heading}", page.path.display()));
    lines[start + 1..]
        .iter()
        .take_while(|line| !line.starts_with('#'))
        .filter(|line| line.starts_with("| `"))
        .flat_map(|line| {
            let first = line.split('|').nth(1).unwrap_or_default();
            first
                .split(',')
                .map(|name| name.trim().trim_matches('`').to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn page(path: &str) -> Page {
    Page::read(Path::new(path)).expect(path)
}

#[test]
fn columns_of_the_ledger() {
    let page = page("docs/ledger.md");
    let ledger = rusqlite::Connection::open_in_memory().expect("a ledger");
    schema::make(&ledger, schema::MIGRATIONS.len()).expect("a ledger");
    let mut tables = ledger
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .expect("tables");
    let tables: Vec<String> =
        tables.query_map([], |row| row.get(0)).and_then(Iterator::collect).expect("names");
    assert!(tables.len() > 10, "{tables:?}");
    for table in tables {
        let mut columns =
            ledger.prepare("SELECT name FROM pragma_table_info(?1)").expect("columns");
        let columns: BTreeSet<String> = columns
            .query_map([&table], |row| row.get(0))
            .and_then(Iterator::collect)
            .expect("names");
        assert_eq!(described(&page, &table), columns, "{table}");
    }
    let words = format!("| {} |", schema::VERSION);
    assert!(page.text.contains(&words), "the newest version is not in the table of versions");
}

#[test]
fn columns_of_parquet() {
    let page = page("docs/report-formats.md");
    let tables = [("findings.parquet", parquet::FINDINGS), ("cells.parquet", parquet::CELLS)];
    for (file, columns) in tables {
        let columns: BTreeSet<String> =
            columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(described(&page, file), columns, "{file}");
    }
}

fn keys(value: &Value) -> BTreeSet<String> {
    value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn fields_of_ndjson_and_keys_of_ooni() {
    let page = page("docs/report-formats.md");
    let dir = tempfile::tempdir().expect("a directory");
    super::formats::ledger(dir.path());
    succeed(forgewatch().arg("replay").arg("--state").arg(dir.path()).args(captures()));
    let report = |form: &str| {
        let mut command = forgewatch();
        command.args(["report", "--k", "1", "--format", form, "--state"]).arg(dir.path());
        String::from_utf8(succeed(&mut command)).expect("text")
    };
    let mut seen = BTreeSet::new();
    for line in report("ndjson").lines() {
        let record: Value = serde_json::from_str(line).expect("JSON");
        let kind = record["record"].as_str().expect("a kind").to_owned();
        assert_eq!(described(&page, &kind), keys(&record), "{kind}");
        seen.insert(kind);
    }
    let all = ["cell", "end", "finding", "hour", "report", "run", "service", "verdict"];
    assert!(all.iter().all(|kind| seen.contains(*kind)), "{seen:?}");

    let measurement: Value =
        serde_json::from_str(report("ooni").lines().next().expect("a measurement")).expect("JSON");
    let told = described(&page, "OONI");
    for key in keys(&measurement).union(&keys(&measurement["test_keys"])) {
        assert!(told.contains(key), "{key} is not described");
    }
    let radar: Value = serde_json::from_str(&report("radar")).expect("JSON");
    let told = described(&page, "Radar");
    for key in keys(&radar["result"]) {
        assert!(told.contains(&format!("result.{key}")), "{key} is not described");
    }
}

#[test]
fn the_schema_of_ooni_is_there() {
    let path = root().join("tests/schemas/ooni-measurement.schema.json");
    let schema: Value =
        serde_json::from_slice(&std::fs::read(path).expect("the schema")).expect("JSON");
    assert!(schema["$comment"].as_str().is_some_and(|words| words.contains("df-000-base.md")));
}
