//! The beginning of a run: targets, signals, programs, ledger, judge.

use std::{io, sync::Arc};

use hdrhistogram::Histogram;
use probe_common::{
    config::{Config, FLAG_WATCH_ALL},
    hash::HashKey,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    confine, measure::Measures, notify::Manager, record, session::Session, sleep::Sleep,
    status::Said, told::Told,
};
use crate::{
    cli::{
        Failure,
        attribute::{self, Attribution},
        state, summary,
    },
    config::{layers::Layers, settings::Settings},
    judge::{self, Judge, Telling},
    log,
    pen::Pen,
    report::{Clients, Form, Writer, pseudonym::Pseudonyms},
    source::{
        clock,
        kernel::{attach::AttachError, live::Live, pins::Pins},
    },
};

/// Signals that a run listens to.
pub(super) struct Signals {
    pub(super) interrupt: Signal,
    pub(super) terminate: Signal,
    pub(super) hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let of = |kind| {
            signal(kind)
                .map_err(|error| Failure::Other(format!("cannot wait for signals: {error}")))
        };
        Ok(Self {
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
            hangup: of(SignalKind::hangup())?,
        })
    }
}

/// What the programs are told.
fn config(settings: &Settings) -> Result<Config, Failure> {
    let random =
        |_| getrandom::u64().map_err(|error| Failure::Other(format!("no random numbers: {error}")));
    let flags = if settings.all { FLAG_WATCH_ALL } else { 0 };
    Ok(Config {
        hash_key: HashKey { k0: random(0)?, k1: random(1)? },
        flags,
        event_rate: settings.event_rate,
        dns_ports: settings.ports(),
        flow_mask: settings.flow_sets - 1,
        dns_mask: settings.question_sets - 1,
        quic_mask: settings.quic_sets - 1,
        resolver_mask: settings.resolver_sets - 1,
    })
}

/// Gets everything ready and attaches the programs. Needs the context of a tokio runtime.
pub(super) fn start(layers: Layers) -> Result<(Session, Signals), Failure> {
    let Layers { settings, file, .. } = layers;
    let mut config = config(&settings)?;
    let targets = Arc::new(settings.load_targets()?);
    let pseudonyms = Pseudonyms::new().map_err(|error| Failure::Other(error.to_string()))?;
    let form = Form::of(settings.json, &io::stdout());
    let place = state::place(&settings);
    let account = settings.user.account()?;
    // Before anything is attached: who is told to end from then on ends with a summary.
    let signals = Signals::new()?;
    let pins = claim(&settings, &mut config)?;
    let names = targets.names(config.hash_key);
    let live = Live::start(config, &names, &settings.interfaces, Some(settings.ring_octets), pins)?;
    tell_attached(&live, settings.all);
    let mut measures = Measures::start(&settings);
    let files = file.iter().chain(&settings.targets).cloned();
    confine::confine(&settings, account.as_ref(), place.as_ref(), files, measures.port(), &live)?;
    // From here on nobody is waited for who reads what is said: threads, with the rights that are left.
    let pen = Pen::new("output", io::stdout()).map_err(|error| no_thread(&error))?;
    log::hand_over().map_err(|error| no_thread(&error))?;
    measures.serve();
    let recorder = record::start(&settings, place.as_ref(), &targets)?;
    let clock = state::live_clock();
    let mut judge = Judge::new(judge::Settings {
        telling: Telling::AtOnce,
        epoch: clock::epoch_of_boot(),
        targets: Arc::clone(&targets),
    });
    judge.set_dns_ports(settings.ports());
    Attribution::prepare(&mut judge)?;
    // What was slept under the agent before is to be noticed as well.
    let slept = live.taken_over().map_or_else(clock::slept, |left| left.slept);
    if let Some(left) = live.taken_over() {
        // How these ended was another agent's to tell.
        live.scan(|place, record| judge.skip(place, record, left.looked));
    }
    measures.turn(clock::awake());
    measures.pulse.set_ready(true);
    let mut attribution = Attribution::new(&targets, attribute::LATE);
    if settings.destinations.is_some() {
        attribution.count_destinations();
    }
    let session = Session {
        settings,
        live,
        judge,
        attribution,
        told: Told {
            out: Writer::new(pen, form, Clients::Pseudonyms(pseudonyms)),
            total: summary::begin(&targets, clock, summary::kernel()),
            latency: Histogram::new(2).map_err(|error| Failure::Other(error.to_string()))?,
            epoch: 0,
            recorder,
            error: None,
        },
        measures,
        manager: Manager::new(),
        said: Said::default(),
        received: 0,
        targets,
        hash_key: config.hash_key,
        started: clock::now(),
        sleep: Sleep::new(slept),
    };
    Ok((session, signals))
}

fn no_thread(error: &io::Error) -> Failure {
    Failure::Other(format!("cannot start the threads that write what is said: {error}"))
}

/// Holds the pins, if there are to be any. What was found with them is found by its own key only.
fn claim(settings: &Settings, config: &mut Config) -> Result<Option<Pins>, AttachError> {
    let Some(base) = &settings.pin else { return Ok(None) };
    let pins = Pins::claim(base, &settings.interfaces, config, settings.ring_octets)?;
    if let Some(key) = pins.hash_key() {
        config.hash_key = key;
    }
    Ok(Some(pins))
}

fn tell_attached(live: &Live, all: bool) {
    if let Some(left) = live.taken_over() {
        let since = clock::now().saturating_sub(left.accounted) / 1_000_000_000;
        tracing::info!(
            "took over what an agent has left: {} packets have passed in the {since} s since its last account, and {} \
             events wait",
            left.packets,
            left.events
        );
    }
    for at in live.attached() {
        tracing::info!(
            "watching {} ({}; {}){}",
            at.interface,
            if at.native { "XDP in the driver" } else { "XDP in the network stack" },
            if at.tcx { "tcx at egress" } else { "clsact at egress" },
            if all { ", every connection" } else { "" },
        );
    }
}
