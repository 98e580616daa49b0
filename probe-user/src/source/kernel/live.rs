//! The programs on interfaces, and their events as they come.

use std::time::{Duration, Instant};

use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
    programs::Program,
};
use caps::CapsHashSet;
use probe_common::{
    config::{Config, FLAG_SKIP_FORWARDED, INTERFACES},
    counter::COUNTERS,
    flow::FlowRecord,
    names::Names,
    resolver::ResolverRecord,
    wire::Address,
};
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    attach::{AttachError, Attached, attach, interface_index},
    away::{self, Turn},
    gauge::RingGauge,
    handover::Baton,
    maps::{Counters, FlowTable, Questions, Quics, Resolvers, Watched, WatchedNames, take_ring},
    object::{self, ObjectError},
};
use crate::{
    again::Backoff,
    privilege::{PrivilegeError, capability},
    source::event::{Event, EventError},
};

/// Events taken from the ring in one go before the clock and the signals get their turn.
const BATCH: usize = 4_096;

/// The programs at work.
pub struct Live {
    /// Holds programs and links: dropping it detaches everything.
    bpf: Ebpf,
    ring: AsyncFd<RingBuf<MapData>>,
    gauge: RingGauge,
    counters: Counters,
    table: FlowTable,
    watched: Watched,
    names: WatchedNames,
    resolvers: Resolvers,
    questions: Questions,
    quics: Quics,
    baton: Baton,
    attached: Vec<Attached>,
    /// Which of them were removed, and when to look whether they are there again.
    away: Vec<Option<Backoff>>,
}

/// How large the ring buffer is, in octets, if not as the object has it.
pub type RingOctets = Option<u32>;

impl Live {
    /// Loads the programs under `config`, has them watch `names`, and attaches them to `interfaces`.
    /// Needs the context of a tokio runtime.
    ///
    /// # Errors
    ///
    /// See [`AttachError`].
    pub fn start(
        mut config: Config,
        names: &Names,
        interfaces: &[String],
        ring: RingOctets,
    ) -> Result<Self, AttachError> {
        if interfaces.len() > INTERFACES {
            return Err(AttachError::TooMany { asked: interfaces.len(), most: INTERFACES });
        }
        if interfaces.len() > 1 {
            config.flags |= FLAG_SKIP_FORWARDED;
        }
        let mut bpf = object::load_with_ring(&config, ring)?;
        object::load_xdp(&mut bpf)?;
        object::load_tc(&mut bpf)?;
        let ring = take_ring(&mut bpf)?;
        let gauge = RingGauge::of(&ring).map_err(|error| ObjectError::Map {
            name: "EVENTS",
            action: "map into memory",
            reason: error.to_string(),
        })?;
        // SAFETY: the ring keeps its descriptor until it is dropped, and with it the registration.
        let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }.map_err(
            |error| ObjectError::Map {
                name: "EVENTS",
                action: "wait for",
                reason: error.to_string(),
            },
        )?;
        let counters = Counters::take(&mut bpf)?;
        let table = FlowTable::take(&mut bpf, config.flow_mask + 1)?;
        let watched = Watched::take(&mut bpf)?;
        let resolvers = Resolvers::take(&mut bpf, config.resolver_mask + 1)?;
        let questions = Questions::take(&mut bpf, config.dns_mask + 1)?;
        let quics = Quics::take(&mut bpf, config.quic_mask + 1)?;
        let list = WatchedNames::take(&mut bpf)?;
        list.replace(names);
        let baton = Baton::take(&mut bpf)?;
        for (slot, name) in interfaces.iter().enumerate() {
            baton.watch_interface(slot, interface_index(name)?);
        }
        let attached = interfaces
            .iter()
            .map(|interface| attach(&mut bpf, interface))
            .collect::<Result<_, _>>()?;
        let away = interfaces.iter().map(|_| None).collect();
        Ok(Self {
            bpf,
            ring,
            gauge,
            counters,
            table,
            watched,
            names: list,
            resolvers,
            questions,
            quics,
            baton,
            attached,
            away,
        })
    }

    /// Looks after the interfaces: tells of one that was renamed or removed, and has the programs on it again
    /// when it is there again.
    pub fn look(&mut self) {
        let now = Instant::now();
        for (slot, (at, away)) in self.attached.iter_mut().zip(&mut self.away).enumerate() {
            if away::look(at, away, now) == Turn::None {
                continue;
            }
            let again = interface_index(&at.interface).and_then(|index| {
                // Before anything is seen there: what passes in between is missed rather than seen twice.
                self.baton.watch_interface(slot, index);
                attach(&mut self.bpf, &at.interface)
            });
            match again {
                Ok(again) => {
                    tracing::warn!("{} is there again, and is watched again", at.interface);
                    (*at, *away) = (again, None);
                }
                Err(error) => {
                    tracing::warn!("{} is there again, and is not watched: {error}", at.interface);
                    if let Some(away) = away {
                        away.put_off(now);
                    }
                }
            }
        }
    }

    /// Waits until there are events, and hands out those there are, up to a batch. Returns how many
    /// there were.
    ///
    /// # Errors
    ///
    /// If the ring cannot be waited for, or holds something that is no event.
    pub async fn events(&mut self, sink: impl FnMut(Event<'_>)) -> Result<u64, ObjectError> {
        let mut guard = self.ring.readable_mut().await.map_err(|error| ObjectError::Map {
            name: "EVENTS",
            action: "wait for",
            reason: error.to_string(),
        })?;
        let (count, more) =
            drain(guard.get_inner_mut(), BATCH, sink).map_err(super::replay::event_error)?;
        if !more {
            guard.clear_ready();
        }
        Ok(count)
    }

    /// Hands out all events that there are, without waiting.
    ///
    /// # Errors
    ///
    /// If the ring holds something that is no event.
    pub fn rest(&mut self, sink: impl FnMut(Event<'_>)) -> Result<u64, ObjectError> {
        drain(self.ring.get_mut(), usize::MAX, sink)
            .map(|(count, _)| count)
            .map_err(super::replay::event_error)
    }

    /// Takes the programs off the interfaces; maps and what is left in the ring stay.
    pub fn detach(&mut self) {
        object::unload(&mut self.bpf);
    }

    /// Watches `address` from now on.
    pub fn watch(&self, address: Address) {
        self.watched.watch(address);
    }

    /// Watches these names from now on, and no others.
    pub fn watch_names(&self, names: &Names) {
        self.names.replace(names);
    }

    /// Shows each resolver on record.
    pub fn resolvers(&self, mut look: impl FnMut(&ResolverRecord)) {
        self.resolvers.scan(|_, record| look(record));
    }

    /// Shows each connection on record, with the number of its place in the table.
    pub fn scan(&self, look: impl FnMut(usize, &FlowRecord)) {
        self.table.scan(look);
    }

    /// The counters.
    ///
    /// # Errors
    ///
    /// If the kernel refuses to read them.
    pub fn counts(&self) -> Result<[u64; COUNTERS as usize], ObjectError> {
        self.counters.read()
    }

    /// Octets of the ring that wait to be read.
    pub fn pending(&self) -> u64 {
        self.gauge.pending()
    }

    /// The tables: name, places taken, places.
    pub fn tables(&self) -> [(&'static str, (u64, u64)); 4] {
        [
            ("flows", self.table.occupied()),
            ("questions", self.questions.occupied()),
            ("quics", self.quics.occupied()),
            ("resolvers", self.resolvers.occupied()),
        ]
    }

    /// How long each program has run in all, and how often, while the kernel measured that.
    pub fn costs(&self) -> Vec<(&'static str, Duration, u64)> {
        let names = [object::ingress(), object::EGRESS];
        let info = |name| match self.bpf.program(name)? {
            Program::Xdp(program) => program.info().ok(),
            Program::SchedClassifier(program) => program.info().ok(),
            _ => None,
        };
        let costs = names.into_iter().filter_map(|name| Some((name, info(name)?)));
        costs.map(|(name, info)| (name, info.run_time(), info.run_count())).collect()
    }

    /// Which capabilities the programs need from now on to be read and taken off; it is tried.
    ///
    /// # Errors
    ///
    /// If capabilities cannot be put out of force for the moment.
    pub fn needed_capabilities(&self) -> Result<CapsHashSet, PrivilegeError> {
        let filters = self.attached.iter().any(|at| !at.tcx);
        capability::needed(filters, || self.counts().is_ok())
    }

    /// How the programs are attached.
    pub fn attached(&self) -> &[Attached] {
        &self.attached
    }
}

/// Hands out up to `limit` events; says how many, and whether there may be more.
///
/// # Errors
///
/// If the ring holds something that is no event.
pub fn drain(
    ring: &mut RingBuf<MapData>,
    limit: usize,
    mut sink: impl FnMut(Event<'_>),
) -> Result<(u64, bool), EventError> {
    let mut count = 0;
    for _ in 0..limit {
        let Some(item) = ring.next() else { return Ok((count, false)) };
        sink(Event::decode(&item)?);
        count += 1;
    }
    Ok((count, true))
}
