//! Values as the columns have them.

use rusqlite::{
    Row,
    types::{FromSql, FromSqlError, FromSqlResult, ValueRef},
};
use serde::de::DeserializeOwned;

use super::super::row::{NoticeKind, RunClock, RunKind};

/// A value of an enum of ours.
macro_rules! from_word {
    ($($type:ty),*) => { $(
        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                Self::of_word(value.as_str()?).ok_or(FromSqlError::InvalidType)
            }
        }
    )* };
}

from_word!(RunKind, RunClock, NoticeKind);

/// A value that serde has a word for.
pub(super) fn word<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    optional_word(row, column)?
        .ok_or_else(|| rusqlite::Error::InvalidColumnName(format!("{column} is null")))
}

pub(super) fn optional_word<T: DeserializeOwned>(
    row: &Row<'_>,
    column: &str,
) -> rusqlite::Result<Option<T>> {
    let Some(word) = row.get::<_, Option<String>>(column)? else { return Ok(None) };
    serde_json::from_value(serde_json::Value::String(word))
        .map(Some)
        .map_err(|error| unreadable(column, error))
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| unreadable(column, error))
}

fn unreadable(column: &str, error: serde_json::Error) -> rusqlite::Error {
    tracing::debug!("column {column}: {error}");
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
}
