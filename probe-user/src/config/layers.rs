//! The layers, one on the other.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::{self, Write as _},
    ops::Range,
    path::{Path, PathBuf},
};

use toml::{Spanned, de::DeTable, de::DeValue};

use super::{
    keys::{KEYS, Key, allowed},
    settings::Settings,
};
use crate::{
    cli::Failure,
    data::{DataError, Fault, Form},
};

/// The file that is read if nobody names one, and it is there.
pub(crate) const USUAL: &str = "/etc/forgewatch/forgewatch.toml";

/// Variable that names the file; empty: none is read.
const FILE: &str = "FORGEWATCH_CONFIG";

/// Variable that says where to record; empty: nowhere.
const STATE: &str = "FORGEWATCH_STATE";

/// Variable that says how much is said.
pub(crate) const LOG: &str = "FORGEWATCH_LOG";

const FORM: Form = Form { what: "configuration", docs: "docs/configuration.md" };

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The file.
    File,
    /// A variable of the environment.
    Environment,
    /// An argument.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::File => "file",
            Self::Environment => "environment",
            Self::CommandLine => "command line",
        })
    }
}

/// What all layers together say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    /// The outcome.
    pub(crate) settings: Settings,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// Where each key that is not at its default came from.
    origins: BTreeMap<&'static str, Origin>,
}

impl Layers {
    /// Defaults, the file (`named`, else that of the environment, else the usual one if it is there), and
    /// what else the environment says. The command line is put on top by [`Layers::set`].
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, Failure> {
        Self::load_by(named, &|name| std::env::var_os(name), Path::new(USUAL))
    }

    pub(super) fn load_by(
        named: Option<&Path>,
        variable: &dyn Fn(&str) -> Option<OsString>,
        usual: &Path,
    ) -> Result<Self, Failure> {
        let mut layers = Self::default();
        let given = named.map(|path| path.as_os_str().to_owned()).or_else(|| variable(FILE));
        let path = match given {
            Some(path) if path.is_empty() => None,
            Some(path) => Some(PathBuf::from(path)),
            None => usual.exists().then(|| usual.to_owned()),
        };
        if let Some(path) = path {
            layers.read(path).map_err(|error| Failure::Usage(error.to_string()))?;
        }
        if let Some(directory) = variable(STATE) {
            let record = !directory.is_empty();
            layers.set("state.record", Origin::Environment, |to| to.record = record);
            if record {
                let directory = Some(directory.into());
                layers.set("state.directory", Origin::Environment, |to| to.directory = directory);
            }
        }
        if let Some(filter) = variable(LOG).and_then(|filter| filter.into_string().ok()) {
            layers.set("log.level", Origin::Environment, |to| to.log_level = filter);
        }
        Ok(layers)
    }

    /// Puts one value on top.
    pub(crate) fn set(
        &mut self,
        name: &'static str,
        origin: Origin,
        put: impl FnOnce(&mut Settings),
    ) {
        put(&mut self.settings);
        self.origins.insert(name, origin);
    }

    /// How many keys the file has said.
    pub(crate) fn said_by_file(&self) -> usize {
        self.origins.values().filter(|origin| **origin == Origin::File).count()
    }

    fn read(&mut self, path: PathBuf) -> Result<(), DataError> {
        let text = FORM.read(&path)?;
        self.parse(&path, &text)?;
        // A service has no working directory to speak of.
        let base = path.parent().unwrap_or(Path::new(""));
        let Settings { targets, directory, pin, .. } = &mut self.settings;
        targets.iter_mut().chain(directory).chain(pin).for_each(|path| *path = base.join(&*path));
        self.file = Some(path);
        Ok(())
    }

    /// Takes over what `text` says; `path` is for messages.
    pub(super) fn parse(&mut self, path: &Path, text: &str) -> Result<(), DataError> {
        let taken = DeTable::parse(text)
            .map_err(|error| crate::data::fault_of(&error))
            .and_then(|table| self.take(table.get_ref()));
        taken.map_err(|fault| FORM.invalid(path, text, fault))
    }

    fn take(&mut self, table: &DeTable<'_>) -> Result<(), Fault> {
        for ((span, name), value) in in_order(table) {
            let inside =
                |key: &Key| key.name.split_once('.').is_some_and(|(table, _)| table == name);
            if KEYS.iter().any(inside) {
                self.take_table(name, value)?;
            } else {
                self.take_key(name, value, None, span)?;
            }
        }
        Ok(())
    }

    fn take_table(&mut self, table: &str, value: &Spanned<DeValue<'_>>) -> Result<(), Fault> {
        let DeValue::Table(keys) = value.get_ref() else {
            let reason = format!("{table:?} is a table; allowed is [{table}], with its keys below");
            return Err((value.span(), reason));
        };
        for ((span, name), value) in in_order(keys) {
            self.take_key(&format!("{table}.{name}"), value, Some(table), span)?;
        }
        Ok(())
    }

    fn take_key(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        table: Option<&str>,
        span: Range<usize>,
    ) -> Result<(), Fault> {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            let place = table.map_or_else(String::new, |table| format!(" in [{table}]"));
            let name = name.rsplit('.').next().unwrap_or(name);
            let reason = format!("unknown key `{name}`{place}; allowed are {}", allowed(table));
            return Err((span, reason));
        };
        (key.read)(&mut self.settings, value)?;
        self.origins.insert(key.name, Origin::File);
        Ok(())
    }

    /// All keys with their values, as a file would have them, each with where it came from.
    pub(crate) fn shown(&self) -> String {
        let mut shown = String::new();
        let mut table = "";
        for key in KEYS {
            let (inside, name) = key.name.split_once('.').unwrap_or(("", key.name));
            if inside != table {
                let _ = writeln!(shown, "\n[{inside}]");
                table = inside;
            }
            let origin = self.origins.get(key.name);
            let origin = origin.map_or_else(|| "default".to_owned(), ToString::to_string);
            let _ = writeln!(shown, "{name} = {}  # {origin}", (key.shown)(&self.settings));
        }
        shown
    }
}

/// A key with its place, and its value.
type Entry<'a, 'i> = ((Range<usize>, &'a str), &'a Spanned<DeValue<'i>>);

/// Keys and values of a table in the order of the text, so that what is wrong first is told.
fn in_order<'a, 'i>(table: &'a DeTable<'i>) -> Vec<Entry<'a, 'i>> {
    let mut entries: Vec<_> =
        table.iter().map(|(name, value)| ((name.span(), name.get_ref().as_ref()), value)).collect();
    entries.sort_by_key(|((span, _), _)| span.start);
    entries
}
