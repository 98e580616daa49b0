//! Every key, once.

use toml::Value;

use super::{
    settings::{DAYS_MAX, RING_MAX, RING_MIN, SETS_MAX, SETS_MIN, Settings},
    value::{self, Found, Shown as _},
};
use crate::{data::Fault, ledger::KEEP_OCTETS_MIN, log::LEVELS};

/// When a changed value begins to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// With the next reload.
    Live,
    /// With the next start: the kernel's part is fixed when it is loaded.
    Start,
}

/// One key of the file.
pub(crate) struct Key {
    /// Its name, with the table that it is in: `state.keep_days`.
    pub(crate) name: &'static str,
    /// When a change counts.
    pub(crate) when: When,
    /// Takes a value from a file.
    pub(super) read: fn(&mut Settings, &Found<'_>) -> Result<(), Fault>,
    /// The value as a file has it.
    pub(crate) shown: fn(&Settings) -> Value,
    /// Takes the value over from other settings.
    pub(crate) copy: fn(&mut Settings, &Settings),
}

macro_rules! key {
    ($name:literal, $when:ident, $field:ident, $read:expr) => {
        Key {
            name: $name,
            when: When::$when,
            read: |settings, found| {
                let read = $read;
                settings.$field = read(found)?;
                Ok(())
            },
            shown: |settings| settings.$field.shown(),
            copy: |to, from| to.$field = from.$field.clone(),
        }
    };
}

macro_rules! sets {
    ($name:literal, $field:ident) => {
        key!($name, Start, $field, |found| value::power(found, SETS_MIN..=SETS_MAX))
    };
}

/// All of them, in the order in which they are shown: those of no table first.
pub(crate) const KEYS: &[Key] = &[
    key!("interfaces", Start, interfaces, value::interfaces),
    key!("all", Start, all, value::flag),
    key!("json", Start, json, value::flag),
    key!("dns_ports", Start, dns_ports, value::ports),
    key!("targets", Live, targets, value::paths),
    key!("kernel.ring_octets", Start, ring_octets, |found| value::power(
        found,
        RING_MIN..=RING_MAX
    )),
    key!("kernel.event_rate", Start, event_rate, |found| value::number(found, 0..=u32::MAX)),
    sets!("kernel.flow_sets", flow_sets),
    sets!("kernel.question_sets", question_sets),
    sets!("kernel.quic_sets", quic_sets),
    sets!("kernel.resolver_sets", resolver_sets),
    key!("kernel.pin", Start, pin, value::path),
    key!("state.record", Start, record, value::flag),
    key!("state.directory", Start, directory, value::path),
    key!("state.keep_days", Live, keep_days, |found| value::number(found, 1..=DAYS_MAX)),
    key!("state.keep_octets", Live, keep_octets, |found| value::number(
        found,
        KEEP_OCTETS_MIN..=i64::MAX.unsigned_abs()
    )),
    key!("state.heartbeat_seconds", Live, heartbeat_seconds, |found| value::number(
        found,
        1..=86_400
    )),
    key!("log.form", Live, log_form, value::form),
    key!("log.level", Live, log_level, |found| value::word(found, &LEVELS)),
    key!("log.status_seconds", Live, status_seconds, |found| value::number(found, 0..=86_400)),
    key!("metrics.listen", Start, metrics_listen, value::address),
    key!("metrics.beyond_loopback", Start, beyond_loopback, value::flag),
    key!("metrics.packet_cost", Start, packet_cost, value::flag),
    key!("privilege.user", Start, user, value::user),
    key!("privilege.sandbox", Start, sandbox, value::sandbox),
];

/// Names of tables, and of keys without one, or of the keys of one table: what is allowed there.
pub(super) fn allowed(table: Option<&str>) -> String {
    let mut names: Vec<&str> = Vec::new();
    for key in KEYS {
        let name = match (table, key.name.split_once('.')) {
            (None, None) => key.name,
            (None, Some((inside, _))) => inside,
            (Some(table), Some((inside, name))) if table == inside => name,
            _ => continue,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}
