//! The known devices, and which of them a vector could be of.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use super::{
    conditions::Conditions,
    file,
    vector::{Kind, Vector},
};
use crate::data::{DataError, Period};

/// The files that are part of the program.
pub(super) const BUILTIN: [(&str, &str); 7] = [
    ("fingerprints/china.toml", include_str!("../../../fingerprints/china.toml")),
    ("fingerprints/russia.toml", include_str!("../../../fingerprints/russia.toml")),
    ("fingerprints/iran.toml", include_str!("../../../fingerprints/iran.toml")),
    ("fingerprints/india.toml", include_str!("../../../fingerprints/india.toml")),
    ("fingerprints/asia.toml", include_str!("../../../fingerprints/asia.toml")),
    ("fingerprints/vendors.toml", include_str!("../../../fingerprints/vendors.toml")),
    ("fingerprints/tools.toml", include_str!("../../../fingerprints/tools.toml")),
];

/// A device that somebody described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Short name for reports.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// What kind of packets it is about.
    pub kind: Kind,
    /// Where it stood, by ISO 3166-1 code; None for what stands anywhere.
    pub country: Option<String>,
    /// Who described it, where.
    pub source: String,
    /// When it was seen to be so.
    pub valid: Period,
    /// What else looks the same; a label with it says little.
    pub ambiguous: Option<String>,
    /// What its packets look like.
    pub when: Conditions,
}

/// An entry that a vector meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// The packets came outside of the entry's dates: the device was updated or is somebody else's.
    pub dated: bool,
    /// How special the conditions are, in bits of chance, about.
    pub specificity: u32,
}

impl Serialize for Label<'_> {
    /// What a report needs of it, without the conditions.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut label = serializer.serialize_struct("Label", 7)?;
        label.serialize_field("id", &self.entry.id)?;
        label.serialize_field("title", &self.entry.title)?;
        label.serialize_field("country", &self.entry.country)?;
        label.serialize_field("source", &self.entry.source)?;
        label.serialize_field("valid", &self.entry.valid.to_string())?;
        label.serialize_field("dated", &self.dated)?;
        label.serialize_field("ambiguous", &self.entry.ambiguous)?;
        label.end()
    }
}

impl Label<'_> {
    /// One line in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let Entry { title, source, valid, ambiguous, .. } = self.entry;
        let mut line = format!("headers as of {title} ({source})");
        if self.dated {
            line += &format!(", which was described {valid}");
        }
        if let Some(other) = ambiguous {
            line += &format!("; ambiguous: {other}");
        }
        line
    }
}

/// All entries that a run knows.
#[derive(Clone, Debug)]
pub struct Catalogue {
    entries: Vec<Entry>,
}

impl Catalogue {
    /// The devices that are built in.
    ///
    /// # Panics
    /// Never: the embedded files are part of the program, and a test loads them.
    #[must_use]
    pub fn builtin() -> Self {
        Self::read_builtin(&mut HashSet::new())
    }

    /// The built-in devices and those of `files`.
    ///
    /// # Errors
    /// When a file cannot be read or is not as `docs/fingerprints.md` says, or gives an id again.
    /// The message is one line, with the place.
    pub fn load(files: &[PathBuf]) -> Result<Self, DataError> {
        let mut taken = HashSet::new();
        let mut catalogue = Self::read_builtin(&mut taken);
        for path in files {
            let text = file::FORM.read(path)?;
            catalogue.entries.extend(file::parse_after(path, &text, &mut taken)?);
        }
        Ok(catalogue)
    }

    fn read_builtin(taken: &mut HashSet<String>) -> Self {
        let entries = BUILTIN.iter().flat_map(|(name, text)| {
            file::parse_after(Path::new(name), text, taken).expect("the embedded file is valid")
        });
        Self { entries: entries.collect() }
    }

    /// All entries, in the order of the files.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries that `vector` meets; those within their dates first, then the most specific, then
    /// by id. `time` is when the packets came, in nanoseconds since 1970-01-01 UTC.
    ///
    /// More than one label is normal: a general entry (a byte order, a tool's defaults) and a special
    /// one may both hold. None is normal too, and what [`clusters`](super::clusters) is for.
    #[must_use]
    pub fn labels(&self, vector: &Vector, time: u64) -> Vec<Label<'_>> {
        let mut labels: Vec<Label<'_>> = self
            .entries
            .iter()
            .filter(|entry| entry.kind == vector.kind)
            .filter_map(|entry| {
                let specificity = entry.when.met_by(vector)?;
                Some(Label { entry, dated: !entry.valid.holds_at(time), specificity })
            })
            .collect();
        labels.sort_by(|one, two| {
            let rank = |label: &Label<'_>| (label.dated, std::cmp::Reverse(label.specificity));
            rank(one).cmp(&rank(two)).then_with(|| one.entry.id.cmp(&two.entry.id))
        });
        labels
    }
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::builtin()
    }
}
