//! Finding captures, and what lies beside them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::truth::Truth;

/// A capture to be scored.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its name, without directory and endings.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The truth about it; none if all of it is said to be clean.
    pub truth: Truth,
}

/// Endings of capture files, the longer ones first.
const ENDINGS: [&str; 6] = [".pcapng.gz", ".pcap.gz", ".pcapng", ".pcap", ".cap", ".pcap.zst"];

fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).map(str::to_owned)
}

/// All files under `directory`, in the order of their names.
fn walk(directory: &Path, out: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            walk(&path, out)?;
        } else {
            out.push(path);
        }
    }
    Ok(())
}

/// Label file and table of connections of the capture at `path`, if there are any.
fn beside(path: &Path, stem: &str) -> (Option<PathBuf>, Option<PathBuf>) {
    let plain = stem.strip_suffix(".router").unwrap_or(stem);
    let there = |end: &str| {
        let file = path.with_file_name(format!("{plain}.{end}"));
        file.is_file().then_some(file)
    };
    (there("labels.csv"), there("flows.csv"))
}

/// The labelled captures under `directory`: `NAME.router.pcap` or `NAME.pcap` with
/// `NAME.labels.csv`.
///
/// # Errors
///
/// If something cannot be read.
pub fn labelled(directory: &Path) -> io::Result<Vec<Found>> {
    let mut files = Vec::new();
    walk(directory, &mut files)?;
    let mut found = Vec::new();
    for path in files {
        let Some(stem) = stem(&path).filter(|stem| !stem.ends_with(".server")) else { continue };
        let (Some(labels), flows) = beside(&path, &stem) else { continue };
        let truth = Truth::read(&labels, flows.as_deref()).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", labels.display()))
        })?;
        let name = stem.strip_suffix(".router").unwrap_or(&stem).to_owned();
        found.push(Found { name, path, truth });
    }
    Ok(found)
}

/// The captures that are said to be clean: those under a directory that have no labels, a capture,
/// or those that a list names, one a line, relative to where the list lies.
///
/// # Errors
///
/// If something cannot be read.
pub fn clean(place: &Path) -> io::Result<Vec<Found>> {
    let mut files = Vec::new();
    if place.is_dir() {
        walk(place, &mut files)?;
    } else if stem(place).is_some() {
        files.push(place.to_owned());
    } else {
        let base = place.parent().unwrap_or(Path::new("."));
        let list = fs::read_to_string(place)?;
        let lines = list.lines().map(str::trim);
        files.extend(
            lines
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .map(|line| base.join(line)),
        );
    }
    let captures = files.into_iter().filter_map(|path| Some((stem(&path)?, path)));
    Ok(captures
        .filter(|(stem, path)| !place.is_dir() || beside(path, stem).0.is_none())
        .filter(|(stem, _)| !place.is_dir() || !stem.ends_with(".server"))
        .map(|(name, path)| Found { name, path, truth: Truth::default() })
        .collect())
}
