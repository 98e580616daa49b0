//! Frames, and the events that are made of them.

use std::sync::{Arc, LazyLock};

use probe_common::{ABI_VERSION, config::Config, counter::Counter, event::Header};
use probe_user::{
    attribute::{Attributor, token::Tokens},
    judge::{Judge, Settings, Telling},
    source::{capture::Frame, event::Event, local::Local},
    targets::TargetSet,
};

use super::pieces;
use crate::{
    craft::{DAY, MS},
    oracle,
};

static TARGETS: LazyLock<Arc<TargetSet>> = LazyLock::new(|| Arc::new(TargetSet::builtin()));

/// A judge whose outcomes are kept, as in each run.
fn judge() -> Judge {
    let targets = Arc::clone(&TARGETS);
    let mut judge = Judge::new(Settings { telling: Telling::AtOnce, epoch: 0, targets });
    judge.keep_outcomes(Tokens::with_key(Config::replay().hash_key));
    judge
}

/// Ends a run at time `now`: what is left is judged, and how all ended is attributed.
fn finish(mut judge: Judge, now: u64) {
    judge.finish(drop);
    let mut attributor = Attributor::new(Arc::clone(&TARGETS));
    judge.outcomes().iter().for_each(|outcome| attributor.take(outcome));
    attributor.finish();
    drop(attributor.verdicts(now));
}

/// Small tables: each input begins with empty ones.
fn engine(flags: u32) -> Local {
    let mut engine = Local::new(Config {
        flags,
        flow_mask: 15,
        dns_mask: 7,
        resolver_mask: 7,
        quic_mask: 7,
        ..Config::replay()
    });
    engine.watch_names(&TARGETS.names(Config::replay().hash_key));
    engine
}

/// Frames, a millisecond apart, each with its length in front; the first octet of each says how much
/// longer it was on the wire, and how much later it came.
///
/// Two engines hear of them: one follows all, the other, as live, what is watched, and tells the rest at a
/// glance.
///
/// # Panics
///
/// If engine and etherparse read one differently, a packet is not counted once, or both engines do not find
/// it equally long.
pub fn frames(data: &[u8]) {
    let mut judge = judge();
    let (mut engine, mut live) = (engine(Config::replay().flags), engine(0));
    let mut now = DAY;
    let mut packets = 0;
    for piece in pieces(data) {
        let Some((&dial, octets)) = piece.split_first() else { continue };
        let wire_len = octets.len() + usize::from(dial & 0x0f) * 100;
        now += MS << (dial >> 4);
        packets += 1;
        if let Err(faults) = oracle::compare(octets, wire_len) {
            panic!("{faults}\n{octets:02x?}");
        }
        let frame = Frame {
            number: packets,
            time: now,
            interface: 0,
            wire_len: wire_len as u32,
            data: octets,
        };
        engine.packet(&frame, |event| judge.event(&event, drop));
        live.packet(&frame, |_| {});
        judge.advance(now, drop);
        let [all, live] = [&engine, &live].map(|engine| engine.counts()[Counter::Octets as usize]);
        assert_eq!(all, live, "octets so far, at packet {packets}: {octets:02x?}");
    }
    for engine in [&engine, &live] {
        let counted = engine.counts()[Counter::Packets as usize];
        assert_eq!(counted, packets, "each packet is counted once");
    }
    engine.scan(now, |place, record| judge.look(place, record, now, drop));
    finish(judge, now);
}

/// Events as they lie in the ring, each with its length in front, whose version is that of this build.
///
/// # Panics
///
/// If an event claims more payload than it has.
pub fn events(data: &[u8]) {
    const VERSION: usize = std::mem::offset_of!(Header, version);
    let (mut judge, mut now) = (judge(), 0);
    for piece in pieces(data) {
        // Aligned, as in the ring.
        let mut aligned = vec![0_u64; piece.len().div_ceil(8)];
        let octets = zerocopy::IntoBytes::as_mut_bytes(&mut aligned[..]);
        octets[..piece.len()].copy_from_slice(piece);
        if let Some(version) = octets.get_mut(VERSION..VERSION + 2) {
            version.copy_from_slice(&ABI_VERSION.to_ne_bytes());
        }
        let Ok(event) = Event::decode(&octets[..piece.len()]) else { continue };
        let (Event::Tcp(_, payload) | Event::Dns(_, payload) | Event::Quic(_, payload)) = event;
        assert_eq!(payload.len(), usize::from(event.header().captured));
        now = event.time();
        judge.event(&event, drop);
    }
    finish(judge, now);
}
