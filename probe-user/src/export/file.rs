//! The file that a report goes to: it comes into being as a whole, or not at all.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, BufWriter, Write as _},
    os::{
        fd::AsFd as _,
        unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

use super::ExportError;
use crate::privilege::files::directory_of;

/// Links that are followed one after the other: as many as the kernel follows.
const LINKS_MAX: usize = 40;

/// What this process has open goes by these names as well. It is written to and never replaced: the next name of
/// `/dev/stdout` may be somebody's log.
const OPEN: [&str; 4] = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"];

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Something that is there, and stays: a pipe, a device, what is open already.
    Stays(PathBuf),
    /// A file that comes into being, or that takes the place of another one.
    Comes(PathBuf),
}

impl Destination {
    /// Where `path` leads.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            if OPEN.iter().any(|open| path.starts_with(open)) {
                return Self::Stays(path);
            }
            let Ok(next) = fs::read_link(&path) else {
                let stays = fs::metadata(&path).is_ok_and(|what| !what.is_file());
                return if stays { Self::Stays(path) } else { Self::Comes(path) };
            };
            path = directory_of(&path).join(next);
        }
        // Links in a circle; whoever opens it is told so.
        Self::Stays(path)
    }

    /// What has to be writable for it.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        match self {
            Self::Stays(path) => path.clone(),
            Self::Comes(path) => directory_of(path),
        }
    }
}

/// Writes `path` as a whole or not at all: beside it first, then in its place. What a link leads to is
/// replaced, and not the link; what is no file is written to as it is.
///
/// # Errors
/// When it cannot be written, or `write` fails.
pub fn whole_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let what = path.display().to_string();
    let failed = |error: io::Error| ExportError::of_io(&what, &error);
    let path = match Destination::of(path) {
        Destination::Comes(path) => path,
        Destination::Stays(path) => {
            let mut output = BufWriter::new(open(&path).map_err(failed)?);
            write(&mut output)?;
            return output.flush().map_err(failed);
        }
    };
    let (beside, file) = beside(&path).map_err(failed)?;
    let mut output = BufWriter::new(file);
    let written = write(&mut output).and_then(|()| {
        output.flush().map_err(failed)?;
        output.get_ref().sync_all().map_err(failed)?;
        fs::rename(&beside, &path).map_err(failed)
    });
    if written.is_err() {
        // Somebody may have cleared up already.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Opens what stays. Standard output and standard error are open: they are written to where they stand, also if
/// they lead to a file that has no name any more.
fn open(path: &Path) -> io::Result<File> {
    let is = |names: [&str; 3]| names.iter().any(|name| path == Path::new(name));
    let owned = if is(["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"]) {
        io::stdout().as_fd().try_clone_to_owned()?
    } else if is(["/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"]) {
        io::stderr().as_fd().try_clone_to_owned()?
    } else {
        return OpenOptions::new().append(true).open(path);
    };
    Ok(owned.into())
}

/// A new file in the directory of `path`, with the mode of what is there. Nobody can have put anything under its
/// name: it is random, and is made.
fn beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let number = getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?;
    let beside = directory_of(path).join(format!(".forgewatch-{number:016x}.part"));
    let mode = fs::metadata(path).ok().map(|there| there.permissions().mode() & 0o777);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .custom_flags(libc::O_NOFOLLOW)
        .mode(mode.unwrap_or(0o666))
        .open(&beside)?;
    if let Some(mode) = mode {
        // The mask of this process may have taken something from it. A file system without modes keeps none.
        let _ = file.set_permissions(Permissions::from_mode(mode));
    }
    Ok((beside, file))
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read as _,
        os::unix::fs::{FileTypeExt as _, symlink},
    };

    use nix::{sys::stat::Mode, unistd::mkfifo};
    use tempfile::TempDir;

    use super::*;

    fn put(path: &Path, text: &str) -> Result<(), ExportError> {
        whole_file(path, |output| {
            output.write_all(text.as_bytes()).map_err(|error| ExportError::of_io("it", &error))
        })
    }

    fn names(dir: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(dir.path()).expect("a directory");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("an entry").file_name();
        let mut names: Vec<_> =
            entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_nothing_beside_it_is_touched() {
        let dir = TempDir::new().expect("a directory");
        let [path, part] = ["x", "x.part"].map(|name| dir.path().join(name));
        put(&path, "first").expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a mode");
        fs::write(&part, "somebody's").expect("another file");
        put(&path, "second").expect("a file");
        assert_eq!(fs::read_to_string(&path).expect("text"), "second");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&part).expect("text"), "somebody's");
        let failed = whole_file(&path, |_| Err(ExportError::of_io("it", &io::Error::other("no"))));
        assert_eq!(
            failed.expect_err("a failure").to_string(),
            "writing it: no; check where it goes"
        );
        assert_eq!(fs::read_to_string(&path).expect("text"), "second");
        assert_eq!(names(&dir), ["x", "x.part"]);
    }

    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let dir = TempDir::new().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("below")).expect("a directory");
        fs::write(at("below/file"), "before").expect("a file");
        symlink("below/file", at("near")).expect("a link");
        symlink("near", at("far")).expect("a link");
        symlink("below/none", at("nowhere")).expect("a link");
        symlink("circle", at("circle")).expect("a link");
        put(&at("far"), "after").expect("a file");
        put(&at("nowhere"), "new").expect("a file");
        assert!(put(&at("circle"), "never").is_err());
        for (name, target) in [("far", "near"), ("near", "below/file"), ("nowhere", "below/none")] {
            assert_eq!(fs::read_link(at(name)).expect("a link"), Path::new(target));
        }
        let read = |name: &str| fs::read_to_string(at(name)).expect("text");
        assert_eq!((read("below/file"), read("below/none")), ("after".into(), "new".into()));
    }

    #[test]
    fn what_is_no_file_is_written_to_and_stays() {
        let dir = TempDir::new().expect("a directory");
        let pipe = dir.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRWXU).expect("a pipe");
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || {
                let mut text = String::new();
                File::open(pipe).and_then(|mut pipe| pipe.read_to_string(&mut text)).map(|_| text)
            }
        });
        put(&pipe, "through").expect("a reader");
        let kind = fs::metadata(&pipe).expect("it stays").file_type();
        assert!(kind.is_fifo(), "{kind:?}");
        assert_eq!(reader.join().expect("it reads").expect("text"), "through");
        assert_eq!(names(&dir), ["pipe"]);
        let full = dir.path().join("full");
        symlink("/dev/full", &full).expect("a link");
        assert_eq!(Destination::of(&full), Destination::Stays("/dev/full".into()));
        // What is open is not looked behind: it may be a file.
        let open = Path::new("/proc/self/fd/1");
        assert_eq!(Destination::of(open), Destination::Stays(open.into()));
    }

    #[test]
    fn room_is_asked_for_only_where_it_is_wanting() {
        let words = |kind: io::ErrorKind| ExportError::of_io("it", &kind.into()).to_string();
        assert!(words(io::ErrorKind::StorageFull).contains("make room"));
        assert!(!words(io::ErrorKind::PermissionDenied).contains("make room"));
    }
}
