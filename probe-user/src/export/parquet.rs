//! Parquet: one file with a row for each finding, one with a row for each cell.
//!
//! The columns are the tables below, in this order; `docs/report-formats.md` describes them, and a test
//! compares. Written column by column, without Arrow: rows are few and flat.

use std::{io::Write, path::Path, sync::Arc};

use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::parser::parse_message_type,
};

use super::{
    ExportError, json as fields,
    publish::{Publication, Published},
    whole_file,
};
use crate::ledger::row::CellRow;

/// Version of the columns, in each file's metadata as `forgewatch.schema`: `findings/1`. Columns are
/// added at the end; one that is changed or removed makes a new version.
pub const VERSION: u32 = 1;

/// Rows that are gathered before they are written.
pub const GROUP_ROWS: usize = 65_536;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Int,
    /// A moment: nanoseconds since 1970-01-01 UTC.
    Time,
    /// Text.
    Text,
    /// Text that may be missing.
    OptionalText,
    /// A whole number that may be missing.
    OptionalInt,
    /// A list of texts.
    Texts,
    /// A list of whole numbers.
    Ints,
    /// A list of numbers.
    Doubles,
}

/// Name of a column, and what it holds.
pub type Column = (&'static str, Kind);

/// Columns of `findings.parquet`.
pub const FINDINGS: &[Column] = &[
    ("run", Kind::Int),
    ("number", Kind::Int),
    ("time", Kind::Time),
    ("time_within_s", Kind::Int),
    ("protocol", Kind::Text),
    ("verdict", Kind::Text),
    ("confidence", Kind::Text),
    ("service", Kind::Text),
    ("role", Kind::OptionalText),
    ("name", Kind::OptionalText),
    ("network", Kind::OptionalText),
    ("server", Kind::OptionalText),
    ("port", Kind::OptionalInt),
    ("position", Kind::Text),
    ("injector_hops", Kind::OptionalInt),
    ("injector_hops_least", Kind::OptionalInt),
    ("injector_hops_most", Kind::OptionalInt),
    ("server_hops", Kind::OptionalInt),
    ("stage", Kind::OptionalText),
    ("frames", Kind::Ints),
    ("signatures", Kind::Texts),
    ("signature_classes", Kind::Texts),
    ("signature_confidences", Kind::Texts),
    ("evidence", Kind::Text),
    ("fingerprints", Kind::Texts),
    ("revisions", Kind::Int),
];

/// Columns of `cells.parquet`.
pub const CELLS: &[Column] = &[
    ("run", Kind::Int),
    ("window_from", Kind::Time),
    ("window_to", Kind::Time),
    ("service", Kind::Text),
    ("role", Kind::Text),
    ("network", Kind::Text),
    ("asn", Kind::OptionalInt),
    ("protocol", Kind::Text),
    ("vantage", Kind::Int),
    ("flows", Kind::Int),
    ("failed", Kind::Int),
    ("n", Kind::Int),
    ("clients_least", Kind::Int),
    ("clients_most", Kind::Int),
    ("client_networks_least", Kind::Int),
    ("client_networks_most", Kind::Int),
    ("methods", Kind::Texts),
    ("method_flows", Kind::Ints),
    ("method_proven", Kind::Ints),
    ("method_shares", Kind::Doubles),
    ("method_clients", Kind::Ints),
];

/// Writes `findings.parquet` and `cells.parquet` into `dir`.
///
/// # Errors
/// When the ledger cannot be read or a file not written.
pub fn write(publication: &Publication<'_>, dir: &Path) -> Result<(), ExportError> {
    publication.begin();
    whole_file(&dir.join("findings.parquet"), |output| {
        let mut table = Table::new("findings", FINDINGS, publication, output)?;
        publication.findings(|row| table.put(finding(&row)))?;
        table.close()
    })?;
    whole_file(&dir.join("cells.parquet"), |output| {
        let mut table = Table::new("cells", CELLS, publication, output)?;
        publication.cells(|row| table.put(cell(&row)))?;
        table.close()
    })
}

/// What stands in a column of a row.
#[derive(Debug, Clone)]
enum Item {
    Int(i64),
    Text(String),
    Missing,
    Texts(Vec<String>),
    Ints(Vec<i64>),
    Doubles(Vec<f64>),
}

impl From<u64> for Item {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl<T: Into<Self>> From<Option<T>> for Item {
    fn from(item: Option<T>) -> Self {
        item.map_or(Self::Missing, Into::into)
    }
}

impl From<String> for Item {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u8> for Item {
    fn from(number: u8) -> Self {
        Self::Int(number.into())
    }
}

impl From<u16> for Item {
    fn from(number: u16) -> Self {
        Self::Int(number.into())
    }
}

impl From<u32> for Item {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

fn finding(finding: &Published) -> Vec<Item> {
    let row = &finding.row;
    let texts = |text: fn(&crate::ledger::row::SignatureRow) -> String| {
        Item::Texts(row.signatures.iter().map(text).collect())
    };
    vec![
        Item::Int(row.run),
        row.number.into(),
        finding.time.0.into(),
        finding.time.1.into(),
        row.protocol.as_str().to_owned().into(),
        row.verdict.as_str().to_owned().into(),
        row.confidence.as_str().to_owned().into(),
        finding.service.clone().into(),
        row.role.map(|role| fields::word(&role)).into(),
        row.name.clone().into(),
        finding.network.map(|network| network.to_string()).into(),
        finding.server.map(|server| server.to_string()).into(),
        row.port.into(),
        fields::word(&row.position).into(),
        row.injector_hops.into(),
        row.injector_hops_range.map(|[least, _]| least).into(),
        row.injector_hops_range.map(|[_, most]| most).into(),
        row.server_hops.into(),
        row.stage.map(|stage| stage.as_str().to_owned()).into(),
        Item::Ints(row.frames.iter().map(|frame| frame.cast_signed()).collect()),
        texts(|signature| signature.id.clone()),
        texts(|signature| fields::word(&signature.class)),
        texts(|signature| signature.confidence.as_str().to_owned()),
        serde_json::to_string(&row.signatures).unwrap_or_default().into(),
        Item::Texts(row.fingerprint_ids().map(str::to_owned).collect()),
        row.revisions.into(),
    ]
}

fn cell(row: &CellRow) -> Vec<Item> {
    let cell = &row.cell;
    let numbers = |number: fn(&crate::attribute::cell::Affected) -> u64| {
        Item::Ints(cell.methods.values().map(|affected| number(affected).cast_signed()).collect())
    };
    vec![
        Item::Int(row.run),
        cell.window.from.into(),
        cell.window.to.into(),
        cell.unit.service.clone().into(),
        fields::word(&cell.unit.role).into(),
        cell.unit.network.to_string().into(),
        cell.unit.asn.into(),
        fields::word(&cell.unit.protocol).into(),
        cell.unit.vantage.into(),
        cell.flows.into(),
        cell.failed.into(),
        cell.n.into(),
        cell.clients.least.into(),
        cell.clients.most.into(),
        cell.client_networks.least.into(),
        cell.client_networks.most.into(),
        Item::Texts(cell.methods.keys().map(ToString::to_string).collect()),
        numbers(|affected| affected.flows),
        numbers(|affected| affected.proven),
        Item::Doubles(cell.methods.values().map(|affected| affected.share).collect()),
        numbers(|affected| affected.clients),
    ]
}

/// A file that is being written.
struct Table<'a, W: Write + Send> {
    columns: &'static [Column],
    writer: SerializedFileWriter<&'a mut W>,
    rows: Vec<Vec<Item>>,
}

impl<'a, W: Write + Send> Table<'a, W> {
    fn new(
        name: &str,
        columns: &'static [Column],
        publication: &Publication<'_>,
        output: &'a mut W,
    ) -> Result<Self, ExportError> {
        let schema = parse_message_type(&message(name, columns)).map_err(|error| failed(&error))?;
        let mut about =
            vec![KeyValue::new("forgewatch.schema".into(), format!("{name}/{VERSION}"))];
        for (key, value) in fields::heading(publication)? {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            about.push(KeyValue::new(format!("forgewatch.{key}"), value));
        }
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(about))
            .build();
        let writer = SerializedFileWriter::new(output, Arc::new(schema), Arc::new(properties))
            .map_err(|error| failed(&error))?;
        Ok(Self { columns, writer, rows: Vec::new() })
    }

    fn put(&mut self, row: Vec<Item>) -> Result<(), ExportError> {
        self.rows.push(row);
        if self.rows.len() >= GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    fn close(mut self) -> Result<(), ExportError> {
        if !self.rows.is_empty() {
            self.flush()?;
        }
        self.writer.close().map(drop).map_err(|error| failed(&error))
    }

    /// Writes the rows that were gathered.
    fn flush(&mut self) -> Result<(), ExportError> {
        let rows = std::mem::take(&mut self.rows);
        let mut group = || -> Result<(), ParquetError> {
            let mut group = self.writer.next_row_group()?;
            for (index, (_, kind)) in self.columns.iter().enumerate() {
                let Some(mut column) = group.next_column()? else { break };
                write_column(&mut column, *kind, rows.iter().map(|row| &row[index]))?;
                column.close()?;
            }
            group.close().map(drop)
        };
        group().map_err(|error| failed(&error))
    }
}

fn write_column<'a>(
    column: &mut SerializedColumnWriter<'_>,
    kind: Kind,
    items: impl Iterator<Item = &'a Item>,
) -> Result<(), ParquetError> {
    let bytes = |text: &String| ByteArray::from(text.as_str());
    match kind {
        Kind::Int | Kind::Time | Kind::OptionalInt | Kind::Ints => levels::<Int64Type>(
            column,
            kind,
            items.map(|item| match item {
                Item::Int(number) => vec![*number],
                Item::Ints(numbers) => numbers.clone(),
                _ => vec![],
            }),
        ),
        Kind::Text | Kind::OptionalText | Kind::Texts => levels::<ByteArrayType>(
            column,
            kind,
            items.map(|item| match item {
                Item::Text(text) => vec![bytes(text)],
                Item::Texts(texts) => texts.iter().map(bytes).collect(),
                _ => vec![],
            }),
        ),
        Kind::Doubles => levels::<DoubleType>(
            column,
            kind,
            items.map(|item| match item {
                Item::Doubles(numbers) => numbers.clone(),
                _ => vec![],
            }),
        ),
    }
}

/// Writes values with what says which are there: definition levels, and for lists repetition levels
/// (the format's documentation, "Nested Encoding").
fn levels<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    kind: Kind,
    rows: impl Iterator<Item = Vec<T::T>>,
) -> Result<(), ParquetError> {
    let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        if row.is_empty() {
            defined.push(0);
            repeated.push(0);
        }
        for (index, value) in row.into_iter().enumerate() {
            values.push(value);
            defined.push(1);
            repeated.push(i16::from(index > 0));
        }
    }
    let defined = kind.may_be_missing().then_some(&defined[..]);
    let repeated = kind.is_list().then_some(&repeated[..]);
    column.typed::<T>().write_batch(&values, defined, repeated).map(drop)
}

impl Kind {
    const fn is_list(self) -> bool {
        matches!(self, Self::Texts | Self::Ints | Self::Doubles)
    }

    const fn may_be_missing(self) -> bool {
        self.is_list() || matches!(self, Self::OptionalText | Self::OptionalInt)
    }

    /// The column's line of the schema.
    fn line(self, name: &str) -> String {
        let list = |element: &str| {
            format!(
                "required group {name} (LIST) {{ repeated group list {{ required {element}; }} }}"
            )
        };
        match self {
            Self::Int => format!("required int64 {name};"),
            Self::OptionalInt => format!("optional int64 {name};"),
            Self::Time => format!("required int64 {name} (TIMESTAMP(NANOS,true));"),
            Self::Text => format!("required binary {name} (STRING);"),
            Self::OptionalText => format!("optional binary {name} (STRING);"),
            Self::Texts => list("binary element (STRING)"),
            Self::Ints => list("int64 element"),
            Self::Doubles => list("double element"),
        }
    }
}

fn message(name: &str, columns: &[Column]) -> String {
    let lines: Vec<String> = columns.iter().map(|(name, kind)| kind.line(name)).collect();
    format!("message {name} {{ {} }}", lines.join(" "))
}

fn failed(error: &ParquetError) -> ExportError {
    if let ParquetError::External(source) = error
        && let Some(source) = source.downcast_ref::<std::io::Error>()
    {
        return ExportError::of_io("Parquet", source);
    }
    ExportError::Output { what: "Parquet".into(), reason: error.to_string() }
}
