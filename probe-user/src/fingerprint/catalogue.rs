//! The known devices, and which of them a vector could be of.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use super::{
    conditions::Conditions,
    file,
    vector::{Kind, Vector},
};
use crate::{
    data::{DataError, Fact},
    sinkholes::Sinkholes,
};

/// The files that are part of the program.
pub(super) const BUILTIN: [(&str, &str); 8] = [
    ("fingerprints/china.toml", include_str!("../../../fingerprints/china.toml")),
    ("fingerprints/russia.toml", include_str!("../../../fingerprints/russia.toml")),
    ("fingerprints/iran.toml", include_str!("../../../fingerprints/iran.toml")),
    ("fingerprints/india.toml", include_str!("../../../fingerprints/india.toml")),
    ("fingerprints/asia.toml", include_str!("../../../fingerprints/asia.toml")),
    ("fingerprints/dns.toml", include_str!("../../../fingerprints/dns.toml")),
    ("fingerprints/vendors.toml", include_str!("../../../fingerprints/vendors.toml")),
    ("fingerprints/tools.toml", include_str!("../../../fingerprints/tools.toml")),
];

/// A device that somebody described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which device, and who described it.
    pub fact: Fact,
    /// What kind of packets it is about.
    pub kind: Kind,
    /// What its packets look like.
    pub when: Conditions,
}

/// An entry that a vector meets, or a sinkhole that its answers lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    /// What is known.
    pub fact: &'a Fact,
    /// What it was known by.
    pub by: By,
    /// The packets came outside of the entry's dates: the device was updated or is somebody else's.
    pub dated: bool,
    /// How special the conditions are, in bits of chance, about.
    pub specificity: u32,
}

/// What a device was known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// How its packets are made.
    Headers,
    /// Where its answers lead.
    Answer,
}

/// How special it is to answer with an address that is on a list, in bits of chance.
const ADDRESS: u32 = 20;

impl Serialize for Label<'_> {
    /// What a report needs of it, without the conditions.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut label = serializer.serialize_struct("Label", 7)?;
        label.serialize_field("id", &self.fact.id)?;
        label.serialize_field("title", &self.fact.title)?;
        label.serialize_field("country", &self.fact.country)?;
        label.serialize_field("source", &self.fact.source)?;
        label.serialize_field("valid", &self.fact.valid.to_string())?;
        label.serialize_field("dated", &self.dated)?;
        label.serialize_field("ambiguous", &self.fact.ambiguous)?;
        label.end()
    }
}

impl Label<'_> {
    /// One line in words.
    #[must_use]
    pub fn describe(&self) -> String {
        let Fact { title, source, valid, ambiguous, .. } = self.fact;
        let what = match self.by {
            By::Headers => "headers",
            By::Answer => "answer",
        };
        let mut line = format!("{what} as of {title} ({source})");
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

    /// What is built in, read once for all who look things up in it.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Catalogue> = LazyLock::new(Catalogue::builtin);
        &SHARED
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
                let fact = &entry.fact;
                let dated = !fact.valid.holds_at(time);
                Some(Label { fact, by: By::Headers, dated, specificity })
            })
            .collect();
        sort(&mut labels);
        labels
    }

    /// The same with the sinkholes that the vector's answers lead to.
    #[must_use]
    pub fn labels_of<'a>(
        &'a self,
        vector: &Vector,
        time: u64,
        sinkholes: &'a Sinkholes,
    ) -> Vec<Label<'a>> {
        let mut labels = self.labels(vector, time);
        let known = vector.dns.iter().flat_map(|message| &message.sinkholes);
        labels.extend(known.filter_map(|id| sinkholes.of_id(id)).map(|sinkhole| {
            let fact = &sinkhole.fact;
            let dated = !fact.valid.holds_at(time);
            Label { fact, by: By::Answer, dated, specificity: ADDRESS }
        }));
        sort(&mut labels);
        labels
    }
}

/// Those within their dates first, then the most special, then by id.
fn sort(labels: &mut [Label<'_>]) {
    labels.sort_by(|one, two| {
        let rank = |label: &Label<'_>| (label.dated, std::cmp::Reverse(label.specificity));
        rank(one).cmp(&rank(two)).then_with(|| one.fact.id.cmp(&two.fact.id))
    });
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::builtin()
    }
}
