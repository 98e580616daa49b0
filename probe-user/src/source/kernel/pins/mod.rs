//! Maps and links that outlive their agent, so that the next one goes on where this one ended.
//!
//! Pinned in a BPF file system, programs go on looking and tables keep what they know, whatever becomes of the agent.
//! The next agent checks that the maps are laid out as it would lay them out, adopts them, and puts its own programs
//! in the place of the others, link by link, each at one stroke: no packet passes unlooked at.
//!
//! * `names` is what they are called.
//! * `place` is where pins are, and who has them.
//! * `adopt` is how programs take the place of others.
//! * `sys` is what aya does not do.

mod adopt;
mod names;
mod place;
mod sys;

use std::{
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use aya::{
    Ebpf, EbpfLoader, Pod,
    maps::{Array, Map, MapData, RingBuf},
};
use probe_common::{
    config::Config,
    handover::{Handover, SIZES},
    hash::HashKey,
};
use thiserror::Error;

pub(super) use self::adopt::attach;
pub use self::place::Cleared;
use self::{
    names::{HANDOVER, MAPS, generation_of, of_generation},
    place::Set,
};
use super::{
    attach::{AttachError, chain},
    gauge::RingGauge,
    object::EGRESS,
};
use crate::{privilege::Account, source::clock};

/// Where agents pin unless told otherwise.
pub const USUAL: &str = "/sys/fs/bpf/forgewatch";

/// What the sizes are called in the configuration, in the order of [`Handover::sizes`].
const SIZE_NAMES: [&str; SIZES] =
    ["flow_sets", "question_sets", "quic_sets", "resolver_sets", "ring_octets"];

/// A number for the layout of all that is shared: a hash of the sources that say it, made when this was built.
const LAYOUT: &str = env!("FORGEWATCH_LAYOUT");

/// Why pins cannot be used.
#[derive(Debug, Error)]
pub enum PinError {
    /// Somebody else has them.
    #[error(
        "another agent watches {interfaces}: it has the pins in {path}; end it first, or watch something else"
    )]
    Busy {
        /// Of whose pins.
        interfaces: String,
        /// Where they are.
        path: PathBuf,
    },
    /// There is nothing to pin in.
    #[error(
        "cannot pin in {path}: it is not on a BPF file system, and {reason}; make one with `mount -t bpf bpf DIR`, \
         and give a directory in it as --pin DIR"
    )]
    NoFileSystem {
        /// Where they were to be.
        path: PathBuf,
        /// What there is instead.
        reason: String,
    },
    /// There can be none.
    #[error(
        "no agent has pinned in {path}: it is not on a BPF file system; give the directory that agents were given as \
         --pin DIR"
    )]
    NoPins {
        /// Where they were looked for.
        path: PathBuf,
    },
    /// Interfaces of that name, but others.
    #[error(
        "the pins in {path} are of interfaces of another network namespace; give another directory as --pin DIR, or \
         remove them with `forgewatch detach`"
    )]
    Elsewhere {
        /// Where they are.
        path: PathBuf,
    },
    /// The file system says no.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl PinError {
    fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.into(), source }
    }

    /// Whether it was for want of privileges.
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// The pins of one set of interfaces, held for as long as this lives.
pub struct Pins {
    set: Set,
    /// What a handover has to say to be taken, but for the key.
    wanted: Handover,
    found: Found,
    /// Number of this agent's programs: above those of all that left something.
    generation: u64,
}

/// What was there.
enum Found {
    /// Nothing that could be taken over.
    Nothing,
    /// Maps of another layout, or of other sizes.
    Foreign(String),
    /// What another agent has left.
    Left(Box<Handover>),
}

/// [`Handover`] as a map's value.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Value(Handover);

// SAFETY: integers without a gap between them.
unsafe impl Pod for Value {}

impl Pins {
    /// Takes the pins of `interfaces` below `base`, or makes room for them. `config` and `ring` say which tables are
    /// wanted.
    ///
    /// # Errors
    ///
    /// See [`PinError`].
    pub fn claim(
        base: &Path,
        interfaces: &[String],
        config: &Config,
        ring: u32,
    ) -> Result<Self, PinError> {
        place::prepare(base)?;
        let Some(set) = Set::take(base, interfaces, true)? else {
            let gone = io::ErrorKind::NotFound.into();
            return Err(PinError::io("hold the directory", base, gone));
        };
        let wanted = wanted(config, ring);
        let found = look(&set, &wanted);
        let elsewhere = match &found {
            Found::Nothing => false,
            Found::Left(left) => left.namespace != wanted.namespace,
            // Where it says so is not known of another layout.
            Found::Foreign(_) => adopt::is_elsewhere(&set),
        };
        if elsewhere {
            return Err(PinError::Elsewhere { path: set.path });
        }
        let before = set.names().unwrap_or_default();
        let generation =
            before.iter().filter_map(|name| generation_of(name)).max().unwrap_or(0) + 1;
        Ok(Self { set, wanted, found, generation })
    }

    /// The key behind the tables that were found.
    pub fn hash_key(&self) -> Option<HashKey> {
        match &self.found {
            Found::Left(left) => Some(left.hash_key),
            Found::Nothing | Found::Foreign(_) => None,
        }
    }

    /// Whether there is something of another agent's to go on with.
    pub(super) const fn has_found(&self) -> bool {
        matches!(self.found, Found::Left(_))
    }

    /// Where they are.
    pub fn path(&self) -> &Path {
        &self.set.path
    }

    /// Has a loader take the maps that were found for those of its object.
    pub(super) fn adopt(&self, loader: &mut EbpfLoader<'_>) {
        if self.has_found() {
            for name in MAPS {
                loader.map_pin_path(name, self.set.pin(name));
            }
        }
    }

    /// Pins the maps of an object whose programs the kernel has taken, unless they are those that were found. What
    /// another layout has left is given up by that: returns its events, to which its programs add until they are
    /// replaced.
    pub(super) fn keep(&self, bpf: &Ebpf) -> Result<Option<GivenUp>, AttachError> {
        let mut given_up = None;
        if let Found::Foreign(why) = &self.found {
            tracing::warn!(
                "cannot take over what an agent has left in {}: {why}; what its tables knew{} is given up, its \
                 programs are replaced, and all packets pass",
                self.set.path.display(),
                unread(&self.set),
            );
            given_up = events(&self.set).map(GivenUp);
        }
        let mut maps: Vec<_> = bpf.maps().collect();
        // By what is handed over a set is known for one, should this be as far as it gets.
        maps.sort_by_key(|(name, _)| *name != HANDOVER);
        for (name, map) in maps {
            let pin = match map {
                Map::ProgramArray(_) => of_generation(name, self.generation),
                _ if MAPS.contains(&name) && !self.has_found() => name.to_owned(),
                _ => continue,
            };
            self.set.remove(&pin)?;
            map.pin(self.set.pin(&pin)).map_err(|error| {
                PinError::io("pin", &self.set.path.join(&pin), io::Error::other(chain(&error)))
            })?;
        }
        Ok(given_up)
    }

    /// Whether nothing was given up that is not counted.
    pub(super) const fn gave_up_nothing(&self) -> bool {
        !matches!(self.found, Found::Foreign(_))
    }

    /// All programs are in place: what only those before them needed is taken away.
    pub(super) fn settle(&self) -> Result<(), PinError> {
        for name in self.set.names().unwrap_or_default() {
            if generation_of(&name).is_some_and(|generation| generation != self.generation) {
                self.set.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Where they are, for who cannot go there any more.
    pub fn by_descriptor(&self) -> PathBuf {
        self.set.by_descriptor()
    }

    /// What a fresh handover says.
    pub(super) fn fresh(&self, hash_key: HashKey) -> Option<Handover> {
        let fresh = Handover { hash_key, accounted: clock::now(), ..self.wanted };
        (!self.has_found()).then_some(fresh)
    }

    /// Gives the directory to the user that the agent will run as.
    ///
    /// # Errors
    ///
    /// If it cannot be given.
    pub fn hand_over(&self, account: &Account) -> io::Result<()> {
        self.set.hand_over(account)
    }

    /// Takes away what this agent has pinned before it failed to start; what it found stays.
    pub(super) fn give_up(self) {
        if matches!(self.found, Found::Nothing)
            && let Err(error) = self.set.clear()
        {
            tracing::warn!("{error}");
        }
    }
}

/// What a handover has to say to be taken.
fn wanted(config: &Config, ring: u32) -> Handover {
    let sets = [config.flow_mask, config.dns_mask, config.quic_mask, config.resolver_mask];
    let [flows, questions, quics, resolvers] = sets.map(|mask| mask + 1);
    Handover {
        layout: u64::from_str_radix(LAYOUT, 16).unwrap_or(u64::MAX),
        namespace: std::fs::metadata("/proc/thread-self/ns/net").as_ref().map_or(0, Metadata::ino),
        sizes: [flows, questions, quics, resolvers, ring],
        ..super::handover::EMPTY
    }
}

/// Looks at what is pinned.
fn look(set: &Set, wanted: &Handover) -> Found {
    let names = set.names().unwrap_or_default();
    if !names.iter().any(|name| name == HANDOVER) {
        return Found::Nothing;
    }
    if let Some(lacking) = MAPS.iter().find(|name| !names.iter().any(|there| there == *name)) {
        return Found::Foreign(format!("the map {lacking} is not there"));
    }
    let left = match handover(set) {
        Ok(left) => left,
        Err(reason) => return Found::Foreign(reason),
    };
    if left.layout == 0 {
        return Found::Foreign("its agent ended while it began".into());
    }
    if left.layout != wanted.layout {
        return Found::Foreign(format!(
            "it is laid out otherwise ({:016x}, not {:016x}): its agent was of another build",
            left.layout, wanted.layout
        ));
    }
    let sizes = SIZE_NAMES.iter().zip(left.sizes).zip(wanted.sizes);
    let other: Vec<String> = sizes
        .filter(|((_, left), wanted)| left != wanted)
        .map(|((name, left), wanted)| format!("kernel.{name} was {left}, and is {wanted}"))
        .collect();
    if other.is_empty() { Found::Left(Box::new(left)) } else { Found::Foreign(other.join("; ")) }
}

fn handover(set: &Set) -> Result<Handover, String> {
    let map = MapData::from_pin(set.pin(HANDOVER)).map_err(|error| chain(&error))?;
    let map = Map::from_map_data(map).map_err(|error| chain(&error))?;
    let map = Array::<_, Value>::try_from(map).map_err(|error| chain(&error))?;
    map.get(&0, 0).map(|Value(left)| left).map_err(|error| chain(&error))
}

/// Events that were not read, and will not be.
pub(super) struct GivenUp(RingBuf<MapData>);

impl GivenUp {
    /// How many there are, once nobody adds to them: how they are laid out is for nobody to know but that of the ring.
    pub(super) fn count(mut self) -> u64 {
        let mut count = 0;
        while self.0.next().is_some() {
            count += 1;
        }
        count
    }
}

/// The ring of events that is pinned.
fn events(set: &Set) -> Option<RingBuf<MapData>> {
    let map = Map::from_map_data(MapData::from_pin(set.pin("EVENTS")).ok()?).ok()?;
    RingBuf::try_from(map).ok()
}

/// How much nobody has read, in words.
fn unread(set: &Set) -> String {
    let pending = || Some(RingGauge::of(&events(set)?).ok()?.pending());
    match pending() {
        None | Some(0) => String::new(),
        Some(octets) => format!(", and {octets} octets of events that nobody has read,"),
    }
}

/// What stands on interfaces without an agent that holds it, or with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The interfaces.
    pub interfaces: Vec<String>,
    /// Whether an agent has it.
    pub held: bool,
}

/// All that is pinned below `base`.
///
/// # Errors
///
/// If that cannot be read.
pub fn standing(base: &Path) -> Result<Vec<Standing>, PinError> {
    let sets = place::below(base)?.sets;
    let held = |interfaces: &[String]| {
        matches!(Set::take(base, interfaces, false), Err(PinError::Busy { .. }))
    };
    Ok(sets
        .into_iter()
        .map(|interfaces| Standing { held: held(&interfaces), interfaces })
        .collect())
}

/// Names of what is below `base` and no agent has pinned.
///
/// # Errors
///
/// If that cannot be read.
pub fn others(base: &Path) -> Result<Vec<String>, PinError> {
    place::below(base).map(|below| below.others)
}

/// Takes off and unpins what is pinned below `base` of exactly these interfaces; none if nothing is.
///
/// # Errors
///
/// [`PinError::Busy`] if an agent has it.
pub fn detach(base: &Path, interfaces: &[String]) -> Result<Option<Cleared>, PinError> {
    Set::take(base, interfaces, false)?.map(Set::clear).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_a_number() {
        assert!(u64::from_str_radix(LAYOUT, 16).is_ok_and(|layout| layout != 0), "{LAYOUT}");
    }
}
