//! The file: opened by one writer, made, brought up to date, looked through after a crash.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::{
    error::LedgerError,
    row::{NoticeKind, RunClock, RunKind},
    schema::{self, Found},
};

/// Name of the ledger in its state directory. SQLite puts files ending in `-wal` and `-shm` beside it.
pub const FILE: &str = "ledger.sqlite";

/// Name of the file that whoever writes holds a lock on.
pub const LOCK: &str = "lock";

/// How long to wait for a reader that stands in the way of a checkpoint.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Octets that the log of changes is cut back to when it has been written into the ledger.
pub const WAL_OCTETS: i64 = 16 << 20;

/// Pages of 4 KiB that the writer keeps: it appends, and looks up little; what it reads again the system has.
const CACHE_PAGES: i32 = 128;

/// A ledger, open for writing.
#[derive(Debug)]
pub struct Ledger {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// Held until the ledger is closed; the kernel lets go of it however the process ends.
    _lock: File,
    /// The run that is written.
    pub(super) run: Option<i64>,
    /// The run before, if it was cut short: it is not known yet whether the file is whole.
    cut_short: Option<CutShort>,
    /// Octets from which on room is made, where what stands takes more than there may be: see
    /// [`expire`](Self::expire).
    pub(super) room_from: u64,
}

/// A run that has no end.
#[derive(Debug, Clone, Copy)]
struct CutShort {
    run: i64,
    seen: u64,
}

/// What is known of a run when it begins.
#[derive(Debug, Clone)]
pub struct RunStart {
    /// Where its packets come from.
    pub kind: RunKind,
    /// When it began, nanoseconds since 1970-01-01 UTC by the system's clock.
    pub started: u64,
    /// Version of Forgewatch.
    pub version: String,
    /// Release of the kernel, if anything of it is used.
    pub kernel: Option<String>,
    /// Interfaces; none of a replay, since a file's name may tell whose capture it is.
    pub interfaces: Vec<String>,
    /// What is known of its clock.
    pub clock: RunClock,
    /// What is watched.
    pub targets: std::sync::Arc<crate::targets::TargetSet>,
}

impl Ledger {
    /// Opens the ledger in `dir`, making directory and ledger if there are none, and brings it to
    /// [`schema::VERSION`]. After a run that was cut short all of it is looked through.
    ///
    /// # Errors
    /// When the directory cannot be made or written, another process writes there, the disk is full,
    /// or the file is damaged, foreign or of a later version. Nothing is changed then.
    pub fn open(dir: &Path) -> Result<Self, LedgerError> {
        let mut ledger = Self::take(dir)?;
        ledger.look_through()?;
        Ok(ledger)
    }

    /// The same without looking through all of it, which can take minutes: what is wrong with its lock, its
    /// version or its beginning is known at once.
    pub(super) fn take(dir: &Path) -> Result<Self, LedgerError> {
        fs::create_dir_all(dir).map_err(|error| LedgerError::of_io(dir, &error))?;
        let lock = lock(dir)?;
        let path = dir.join(FILE);
        let sql = |error: rusqlite::Error| LedgerError::of_sqlite(&path, &error);
        let mut connection =
            connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        // Before there is a table, and before the journal mode is set: later it has no effect.
        if schema::find(&path, &connection)? == Found::Nothing {
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(sql)?;
        }
        // The log makes a batch one write and lets reports read meanwhile. FULL, not NORMAL: with
        // NORMAL, what was recorded since the last checkpoint is lost when power fails; FULL costs one
        // fsync a batch, and there is one batch a second.
        connection.pragma_update(None, "journal_mode", "WAL").map_err(sql)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(sql)?;
        connection.pragma_update(None, "cache_size", CACHE_PAGES).map_err(sql)?;
        connection.pragma_update(None, "journal_size_limit", WAL_OCTETS).map_err(sql)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(sql)?;
        let found = schema::bring_up(&path, &mut connection)?;
        let mut ledger =
            Self { connection, path, _lock: lock, run: None, cut_short: None, room_from: 0 };
        match found {
            Found::Nothing => ledger.christen()?,
            Found::Version(version) if version < schema::VERSION => ledger.notice(
                NoticeKind::Migrated,
                &format!("brought from schema version {version} to {}", schema::VERSION),
            )?,
            Found::Version(_) => {}
        }
        ledger.cut_short = ledger.find_cut_short()?;
        Ok(ledger)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn failed(&self, error: &rusqlite::Error) -> LedgerError {
        LedgerError::of_sqlite(&self.path, error)
    }

    /// Gives a new ledger a name of its own, by which reports from it can be told from others.
    fn christen(&self) -> Result<(), LedgerError> {
        let name = getrandom::u64().map_err(|error| LedgerError::Failed {
            path: self.path.clone(),
            reason: format!("no random numbers to name it by: {error}"),
        })?;
        let rows = [("ledger", format!("{name:016x}")), ("created", super::wall().to_string())];
        for (name, value) in rows {
            self.connection
                .execute("INSERT INTO meta (name, value) VALUES (?1, ?2)", (name, value))
                .map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    /// The last run, if it was cut short.
    fn find_cut_short(&self) -> Result<Option<CutShort>, LedgerError> {
        let last = self.connection.query_row(
            "SELECT id, seen, ended IS NULL FROM runs ORDER BY id DESC LIMIT 1",
            [],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, u64>(1)?, row.get::<_, bool>(2)?)),
        );
        match last {
            Ok((run, seen, true)) => Ok(Some(CutShort { run, seen })),
            Ok(_) | Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Whether all of it has to be [looked through](Self::look_through) before it is written.
    pub(super) const fn is_unseen(&self) -> bool {
        self.cut_short.is_some()
    }

    /// After a run that was cut short: says so, and looks whether the file is whole. A crash of the
    /// process cannot hurt it; a failing disk can. Half a gigabyte on a slow card takes minutes.
    pub(super) fn look_through(&mut self) -> Result<(), LedgerError> {
        let Some(CutShort { run, seen }) = self.cut_short else { return Ok(()) };
        let sql = |error: rusqlite::Error| LedgerError::of_sqlite(&self.path, &error);
        let found: String = self
            .connection
            .pragma_query_value(None, "quick_check", |row| row.get(0))
            .map_err(sql)?;
        if found != "ok" {
            // It says so in several lines.
            let reason = found.split_whitespace().collect::<Vec<_>>().join(" ");
            return Err(LedgerError::Damaged { path: self.path.clone(), reason });
        }
        self.notice(
            NoticeKind::CutShort,
            &format!(
                "run {run} was cut short: it last wrote at {}, and what it saw up to a second before its \
                 end may be missing",
                crate::report::rfc3339(seen)
            ),
        )?;
        self.cut_short = None;
        Ok(())
    }

    /// Writes a notice, and says the same in the log.
    pub(super) fn notice(&self, kind: NoticeKind, words: &str) -> Result<(), LedgerError> {
        tracing::info!("{}: {words}", self.path.display());
        self.connection
            .execute(
                "INSERT INTO notices (run, time, kind, words) VALUES (?1, ?2, ?3, ?4)",
                (self.run, super::wall(), kind.as_str(), words),
            )
            .map(drop)
            .map_err(|error| self.failed(&error))
    }
}

/// Opens a file with SQLite.
pub(super) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, LedgerError> {
    let sql = |error: rusqlite::Error| LedgerError::of_sqlite(path, &error);
    let connection =
        Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(sql)?;
    connection.busy_timeout(PATIENCE).map_err(sql)?;
    // What is sorted on the way is small, and a confined process has no directory for temporary files.
    connection.pragma_update(None, "temp_store", "MEMORY").map_err(sql)?;
    Ok(connection)
}

/// Takes the lock of a state directory, and writes down who holds it.
fn lock(dir: &Path) -> Result<File, LedgerError> {
    let path = dir.join(LOCK);
    let io = |error: std::io::Error| LedgerError::of_io(&path, &error);
    // Who may write in the directory must not have this empty a file elsewhere.
    let refused = |reason: &str| LedgerError::Denied { path: path.clone(), reason: reason.into() };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&path)
        .map_err(|error| match error.raw_os_error() {
            Some(libc::ELOOP) => refused("it is a link, and is not followed: remove it"),
            _ => io(error),
        })?;
    if !file.metadata().map_err(io)?.is_file() {
        return Err(refused("it is no file: remove it"));
    }
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let by = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(LedgerError::Locked { dir: dir.to_owned(), by });
        }
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    // For people only: that it cannot be written (a full disk) keeps nobody from anything.
    let _ = file
        .set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| writeln!(file, "{}", std::process::id()));
    Ok(file)
}
