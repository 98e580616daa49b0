//! The fingerprint file: TOML, strict, with errors that say where and what is allowed.

use std::{collections::HashSet, path::Path};

use serde::Deserialize;
use toml::Spanned;

use super::{
    catalogue::Entry,
    conditions::{Conditions, RawConditions},
    vector::Kind,
};
use crate::data::{DataError, Fact, Fault, Form, RawFact};

pub(super) const FORM: Form = Form { what: "fingerprint", docs: "docs/fingerprints.md" };

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    fingerprint: Vec<RawEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    id: Spanned<String>,
    title: Spanned<String>,
    kind: Spanned<Kind>,
    country: Option<Spanned<String>>,
    source: Spanned<String>,
    valid_from: Option<Spanned<String>>,
    valid_to: Option<Spanned<String>>,
    ambiguous: Option<Spanned<String>>,
    when: Spanned<RawConditions>,
}

/// Reads the text of one file; `path` is for messages only.
///
/// # Errors
/// [`DataError::Invalid`] at the first thing that is not as `docs/fingerprints.md` says.
pub fn parse(path: &Path, text: &str) -> Result<Vec<Entry>, DataError> {
    parse_after(path, text, &mut HashSet::new())
}

/// The same after other files, whose ids are in `taken`.
pub(super) fn parse_after(
    path: &Path,
    text: &str,
    taken: &mut HashSet<String>,
) -> Result<Vec<Entry>, DataError> {
    FORM.parse(path, text, |file: File| {
        file.fingerprint.into_iter().map(|raw| check(raw, taken)).collect()
    })
}

fn check(raw: RawEntry, taken: &mut HashSet<String>) -> Result<Entry, Fault> {
    if matches!(raw.kind.as_ref(), Kind::Other) {
        let reason = "kind \"other\": allowed are reset, http, segment, dns";
        return Err((raw.kind.span(), reason.into()));
    }
    let fact = RawFact {
        id: raw.id,
        title: raw.title,
        country: raw.country,
        source: raw.source,
        valid: [raw.valid_from, raw.valid_to],
        ambiguous: raw.ambiguous,
    };
    Ok(Entry {
        fact: Fact::check(fact, taken)?,
        kind: raw.kind.into_inner(),
        when: Conditions::check(raw.when)?,
    })
}
