//! The fingerprint file: TOML, strict, with errors that say where and what is allowed.

use std::{collections::HashSet, path::Path};

use serde::Deserialize;
use toml::Spanned;

use super::{
    catalogue::Entry,
    conditions::{Conditions, RawConditions},
    vector::Kind,
};
use crate::data::{DataError, Fault, Form, Period, check_country, check_id, check_text};

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
    let id = check_id(&raw.id)?;
    if !taken.insert(id.clone()) {
        let reason = format!("there is a fingerprint {id:?} already; an id is given once");
        return Err((raw.id.span(), reason));
    }
    if matches!(raw.kind.as_ref(), Kind::Other) {
        let reason = "kind \"other\": allowed are reset, http, segment, dns";
        return Err((raw.kind.span(), reason.into()));
    }
    Ok(Entry {
        id,
        title: check_text("title", raw.title)?,
        kind: raw.kind.into_inner(),
        country: raw.country.map(check_country).transpose()?,
        source: check_text("source", raw.source)?,
        valid: Period::check(raw.valid_from.as_ref(), raw.valid_to.as_ref())?,
        ambiguous: raw.ambiguous.map(|text| check_text("ambiguous", text)).transpose()?,
        when: Conditions::check(raw.when)?,
    })
}
