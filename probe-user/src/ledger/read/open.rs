//! Opening the file.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};

use super::{
    super::{error::LedgerError, schema, store::connect},
    Read,
};

/// Pages copied at a time of a ledger of an older version.
const COPY_PAGES: i32 = 1_024;

/// Opens a file for reading. Where no writer has left its log, and the directory may not be written,
/// SQLite cannot make one: the file is then all there is, and is read as it lies.
pub(super) fn read_only(path: &Path) -> Read<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let usual = connect(path, flags).and_then(|connection| {
        schema::find(path, &connection)?;
        Ok(connection)
    });
    match usual {
        Err(LedgerError::Denied { .. }) if !beside(path, "-wal").exists() => {
            let mut uri = String::from("file:");
            for octet in path.as_os_str().as_bytes() {
                match octet {
                    b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*octet)),
                    octet if octet.is_ascii_alphanumeric() => uri.push(char::from(*octet)),
                    octet => {
                        // Writing to a string cannot fail.
                        let _ = write!(uri, "%{octet:02X}");
                    }
                }
            }
            uri.push_str("?immutable=1");
            connect(Path::new(&uri), flags | OpenFlags::SQLITE_OPEN_URI)
        }
        usual => usual,
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(OsStr::new(ending));
    name.into()
}

/// A temporary copy of a ledger of an older version, brought up to date.
pub(super) fn copy(path: &Path, from: &Connection) -> Read<Connection> {
    let sql = |error: rusqlite::Error| LedgerError::of_sqlite(path, &error);
    // Without a name: a file that SQLite makes where temporary files go and deletes by itself.
    let mut to = Connection::open("").map_err(sql)?;
    {
        let copying = Backup::new(from, &mut to).map_err(sql)?;
        while matches!(copying.step(COPY_PAGES).map_err(sql)?, StepResult::More) {}
    }
    schema::bring_up(path, &mut to)?;
    Ok(to)
}
