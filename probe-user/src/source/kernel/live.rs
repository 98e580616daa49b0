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
    counter::Counter,
    flow::FlowRecord,
    handover::Handover,
    names::Names,
    resolver::ResolverRecord,
    wire::Address,
};
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    attach::{AttachError, Attached, Links, attach, interface_index},
    away::{self, Turn},
    gauge::RingGauge,
    handover::{Baton, Counts},
    maps::{Counters, FlowTable, Questions, Quics, Resolvers, WatchedNames, take_ring},
    object::{self, ObjectError},
    pins::{self, GivenUp, Pins},
    watched::Watched,
};
use crate::{
    again::Backoff,
    privilege::{PrivilegeError, capability},
    source::{
        clock,
        event::{Event, EventError},
    },
};

/// Events taken from the ring in one go before the clock and the signals get their turn.
const BATCH: usize = 4_096;

/// The programs at work.
pub struct Live {
    /// What holds the programs on each interface: dropping it takes them off. None of one that was removed, and none
    /// that is pinned.
    links: Vec<Option<Links>>,
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
    taken_over: Option<TakenOver>,
    given_up: Option<u64>,
    /// Holds what is pinned, if it is to outlive this process.
    pins: Option<Pins>,
}

/// What an agent finds that takes over from another one.
#[derive(Clone, Copy, Debug)]
pub struct TakenOver {
    /// Packets that passed since the other one has last told of any.
    pub packets: u64,
    /// Events in the ring.
    pub events: u64,
    /// Until when the other one has told, by the kernel's clock.
    pub accounted: u64,
    /// When it last looked through the flow table, by the same clock.
    pub looked: u64,
    /// For how long the machine had slept by then.
    pub slept: u64,
}

/// How large the ring buffer is, in octets, if not as the object has it.
pub type RingOctets = Option<u32>;

impl Live {
    /// Loads the programs under `config`, has them watch `names`, and attaches them to `interfaces`; with `pins`, so
    /// that they outlive this process, and in the place of what another one has left there.
    /// Needs the context of a tokio runtime.
    ///
    /// # Errors
    ///
    /// See [`AttachError`].
    pub fn start(
        config: Config,
        names: &Names,
        interfaces: &[String],
        ring: RingOctets,
        pins: Option<Pins>,
    ) -> Result<Self, AttachError> {
        match Self::begin(config, names, interfaces, ring, pins.as_ref()) {
            Ok(live) => Ok(Self { pins, ..live }),
            Err(error) => {
                if let Some(pins) = pins {
                    pins.give_up();
                }
                Err(error)
            }
        }
    }

    fn begin(
        mut config: Config,
        names: &Names,
        interfaces: &[String],
        ring: RingOctets,
        pins: Option<&Pins>,
    ) -> Result<Self, AttachError> {
        let indices: Vec<u32> =
            interfaces.iter().map(|name| interface_index(name)).collect::<Result<_, _>>()?;
        if interfaces.len() > INTERFACES {
            return Err(AttachError::TooMany { asked: interfaces.len(), most: INTERFACES });
        }
        if interfaces.len() > 1 {
            config.flags |= FLAG_SKIP_FORWARDED;
        }
        let mut bpf = object::load_with(&config, ring, |loader| {
            if let Some(pins) = pins {
                pins.adopt(loader);
            }
        })?;
        object::load_xdp(&mut bpf)?;
        object::load_tc(&mut bpf)?;
        let given_up = pins.map(|pins| pins.keep(&bpf)).transpose()?.flatten();
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
        let mut baton = Baton::take(&mut bpf)?;
        if let Some(fresh) = pins.and_then(|pins| pins.fresh(config.hash_key)) {
            // Who is killed before his first look leaves this behind.
            let (now, slept) = (clock::now(), clock::slept());
            baton.begin(Handover { looked: now, slept, accounted: now, ..fresh });
        }
        for (slot, index) in indices.into_iter().enumerate() {
            baton.watch_interface(slot, index);
        }
        let taken_over = match pins {
            Some(pins) if pins.has_found() => {
                let own = baton.own(&counters.read()?);
                Some(TakenOver {
                    packets: own[Counter::Packets as usize],
                    events: own[Counter::Events as usize],
                    accounted: baton.found().accounted,
                    looked: baton.found().looked,
                    slept: baton.found().slept,
                })
            }
            _ => None,
        };
        let (mut attached, mut links) = (Vec::new(), Vec::new());
        for interface in interfaces {
            let (at, held) = put_on(&mut bpf, pins, interface, false)?;
            attached.push(at);
            links.push(held);
        }
        if let Some(pins) = pins {
            pins.settle()?;
        }
        // The programs that added to them are replaced by now.
        let none = pins.is_some_and(Pins::gave_up_nothing).then_some(0);
        let given_up = given_up.map(GivenUp::count).or(none);
        let away = interfaces.iter().map(|_| None).collect();
        Ok(Self {
            links,
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
            taken_over,
            given_up,
            pins: None,
        })
    }

    /// Looks after the interfaces: tells of one that was renamed or removed, and has the programs on it again
    /// when it is there again.
    pub fn look(&mut self) {
        let now = Instant::now();
        let all = self.attached.iter_mut().zip(&mut self.away).zip(&mut self.links);
        for (slot, ((at, away), links)) in all.enumerate() {
            let turn = away::look(at, away, now);
            if away.is_some() {
                // They hold descriptors, and no program on anything.
                *links = None;
            }
            if turn == Turn::None {
                continue;
            }
            let again = interface_index(&at.interface).and_then(|index| {
                // Before anything is seen there: what passes in between is missed rather than seen twice.
                self.baton.watch_interface(slot, index);
                put_on(&mut self.bpf, self.pins.as_ref(), &at.interface, true)
            });
            match again {
                Ok((again, held)) => {
                    tracing::warn!("{} is there again, and is watched again", at.interface);
                    (*at, *away, *links) = (again, None, held);
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
    pub async fn events(&mut self, mut sink: impl FnMut(Event<'_>)) -> Result<u64, ObjectError> {
        let mut guard = self.ring.readable_mut().await.map_err(|error| ObjectError::Map {
            name: "EVENTS",
            action: "wait for",
            reason: error.to_string(),
        })?;
        let baton = &self.baton;
        let (count, more) = drain(guard.get_inner_mut(), BATCH, |event| {
            sink(event);
            baton.received();
        })
        .map_err(super::replay::event_error)?;
        if !more {
            guard.clear_ready();
        }
        Ok(count)
    }

    /// Hands out all events that there are, without waiting. Where programs go on, others come meanwhile: those
    /// are left in the ring.
    ///
    /// # Errors
    ///
    /// If the ring holds something that is no event.
    pub fn rest(&mut self, mut sink: impl FnMut(Event<'_>)) -> Result<u64, ObjectError> {
        let most = match &self.pins {
            None => usize::MAX,
            Some(_) => {
                let emitted = self.counters.read()?[Counter::Events as usize];
                usize::try_from(self.baton.unread(emitted)).unwrap_or(usize::MAX)
            }
        };
        let baton = &self.baton;
        drain(self.ring.get_mut(), most, |event| {
            sink(event);
            baton.received();
        })
        .map(|(count, _)| count)
        .map_err(super::replay::event_error)
    }

    /// Takes the programs off the interfaces, unless they are pinned; maps and what is left in the ring stay.
    pub fn detach(&mut self) {
        let Some(pins) = &self.pins else {
            self.links.iter_mut().filter_map(Option::take).for_each(Links::take_off);
            return object::unload(&mut self.bpf);
        };
        tracing::info!(
            "the programs stay, pinned in {}: the next agent with --pin takes them over, and `forgewatch detach` \
             takes them off",
            pins.path().display()
        );
    }

    /// What was counted before this agent began, and nobody has told of; nothing if it is the first.
    pub const fn taken_over(&self) -> Option<&TakenOver> {
        self.taken_over.as_ref()
    }

    /// How many events of another layout or size were given up; nothing without pins, or if they could not be counted.
    pub const fn given_up(&self) -> Option<u64> {
        self.given_up
    }

    /// What holds the pins, if there are any.
    pub const fn pins(&self) -> Option<&Pins> {
        self.pins.as_ref()
    }

    /// The flow table is looked through now, when the machine has slept for so long.
    pub fn looked(&self, now: u64, slept: u64) {
        self.baton.looked(now, slept);
    }

    /// All that was counted so far is told or recorded: the next agent counts from here. Returns what
    /// [`Self::counts`] does.
    ///
    /// # Errors
    ///
    /// If the kernel refuses to read them.
    pub fn account(&self) -> Result<Counts, ObjectError> {
        let counts = self.counters.read()?;
        self.baton.account(&counts, clock::now());
        Ok(self.baton.own(&counts))
    }

    /// Watches `address` from now on.
    pub fn watch(&mut self, address: Address) {
        self.watched.watch(address);
    }

    /// Says that a minute has passed: what is watched, is not so for ever.
    pub fn minute(&mut self) {
        self.watched.minute();
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

    /// The counters, without what another agent has told of: see [`Baton::own`].
    ///
    /// # Errors
    ///
    /// If the kernel refuses to read them.
    pub fn counts(&self) -> Result<Counts, ObjectError> {
        self.counters.read().map(|counts| self.baton.own(&counts))
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

/// Puts both programs on `interface`, and pins them if that is wanted: links are held by their pins then.
fn put_on(
    bpf: &mut Ebpf,
    pins: Option<&Pins>,
    interface: &str,
    again: bool,
) -> Result<(Attached, Option<Links>), AttachError> {
    match pins {
        Some(pins) => Ok((pins::attach(bpf, pins, interface, again)?, None)),
        None => attach(bpf, interface).map(|(at, links)| (at, Some(links))),
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
