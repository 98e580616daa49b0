//! NDJSON: one object a line, everything that may leave.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::{ExportError, json as fields, publish::Publication};
use crate::report::rfc3339;

/// Version of this format. Fields are added; one that is changed or removed makes a new version.
pub const VERSION: u32 = 1;

/// Writes everything. The first line says what the report is of, the last one that it is complete, how
/// much it has, and what was withheld.
///
/// # Errors
/// When the ledger cannot be read or the output not written.
pub fn write(publication: &Publication<'_>, output: &mut impl Write) -> Result<(), ExportError> {
    publication.begin();
    let mut lines = Lines { output, counts: Map::new() };
    let mut heading =
        fields::object(json!({ "format": "forgewatch-ndjson", "format_version": VERSION }));
    heading.extend(fields::heading(publication)?);
    lines.put("report", heading)?;
    let runs = publication.runs()?;
    for run in &runs {
        lines.put("run", fields::run(run))?;
    }
    for service in publication.services(&runs)? {
        lines.put(
            "service",
            fields::object(json!({
                "targets": service.targets,
                "service": service.service,
                "title": service.title,
                "role": service.role,
                "suffixes": service.suffixes,
            })),
        )?;
    }
    for notice in publication.notices()? {
        lines.put(
            "notice",
            fields::object(json!({
                "run": notice.run,
                "time": rfc3339(notice.time),
                "kind": notice.kind.as_str(),
                "words": notice.words,
            })),
        )?;
    }
    for (row, stands) in publication.verdicts()? {
        lines.put("verdict", fields::verdict(&row, stands))?;
    }
    publication.cells(|row| lines.put("cell", fields::cell(&row)))?;
    publication.findings(|row| lines.put("finding", fields::finding(&row)))?;
    for hour in publication.hours()? {
        lines.put(
            "hour",
            fields::object(json!({
                "hour": rfc3339(hour.hour),
                "packets": hour.packets,
                "tcp_flows": hour.tcp_flows,
                "from_server": hour.from_server,
                "from_client": hour.from_client,
                "silent": hour.silent,
            })),
        )?;
    }
    let counts = Value::Object(lines.counts.clone());
    lines.put(
        "end",
        fields::object(json!({ "records": counts, "withheld": publication.withheld() })),
    )
}

struct Lines<'a, W> {
    output: &'a mut W,
    counts: Map<String, Value>,
}

impl<W: Write> Lines<'_, W> {
    fn put(&mut self, record: &str, fields: Map<String, Value>) -> Result<(), ExportError> {
        let mut line = fields::object(json!({ "record": record }));
        line.extend(fields);
        let count = self.counts.get(record).and_then(Value::as_u64).unwrap_or_default();
        self.counts.insert(record.to_owned(), (count + 1).into());
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        self.output.write_all(text.as_bytes()).map_err(|error| ExportError::of_io("NDJSON", &error))
    }
}
