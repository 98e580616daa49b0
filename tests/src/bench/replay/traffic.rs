//! A capture to be read: what a router of a small provider sees, with a few injectors in it.
//!
//! Out of a hundred scenes 40 are look-ups, 59 connections over HTTPS or HTTP, and one a connection
//! that a device interferes with. Sizes of responses are those of the web: most are small, most octets
//! are in the large ones. The same seed makes the same octets.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::Path,
};

use crate::{
    corpus::{
        case::EPOCH,
        device::Censor,
        dns::{innocents as askers, resolver::Resolver, scene::Scene as Lookup},
        injectors::{self, Model, Web},
        path::node,
        rng::Rng,
        scene::{Guest, SITES, Scene, Site, Talk, then},
        script::{MS, Step},
        tape::Tape,
    },
    soak::{Cast, Stream},
};

/// Scenes that begin in a second: about 100,000 packets a second.
const RATE: u64 = 2_000;

/// Names that are asked for; the first few are watched.
const NAMES: [&str; 5] =
    ["www.linkedin.com", "www.example.org", "www.example.net", "www.example.com", "example.org"];

/// Resolvers that are asked.
const RESOLVERS: u64 = 12;

/// Length of the beginning of a frame that the capture keeps: all of it.
const SNAPLEN: u32 = 262_144;

/// What a capture holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Packets.
    pub packets: u64,
    /// Octets of them, without the capture's own headers.
    pub octets: u64,
}

/// Who acts.
#[derive(Clone, Copy)]
struct Town<'a> {
    seed: u64,
    devices: &'a [&'static Model],
}

/// Kinds of scenes.
const KINDS: [&str; 3] = ["look-ups", "connections", "interfered with"];

impl Town<'_> {
    fn cast(&self, number: u64) -> (Rng, usize) {
        let mut rng = Rng::part(self.seed, number);
        let which = match rng.below(100) {
            0..40 => 0,
            40..99 => 1,
            _ => 2,
        };
        (rng, which)
    }

    fn connection<'a>(
        &self,
        number: u64,
        start: u64,
        mut rng: Rng,
        tape: &'a mut Tape,
    ) -> Scene<'a> {
        Scene {
            guest: Guest::of(number, &mut rng),
            site: Site::of(self.seed, rng.below(SITES.into()) as u32),
            port: 443,
            v6: rng.chance(0.4),
            start,
            tape,
            rough: (0.001, 0.0, 0.001),
            brief: 1,
            rng,
        }
    }
}

/// Octets of a response: half of them fit into a few packets, one in fifty is of megabytes.
fn length(rng: &mut Rng) -> usize {
    let (least, most) = match rng.below(100) {
        0..50 => (300, 8_000),
        50..85 => (8_000, 60_000),
        85..98 => (60_000, 400_000),
        _ => (400_000, 3_000_000),
    };
    rng.range(least, most) as usize
}

fn ordinary(mut scene: Scene<'_>) {
    let (name, length) = (*scene.rng.pick(&NAMES), length(&mut scene.rng));
    let talk = if scene.rng.chance(0.9) {
        let post_quantum = scene.rng.chance(0.5);
        Talk::tls(name, post_quantum, length, &mut scene.rng)
    } else {
        scene.port = 80;
        Talk::http(name, length, &mut scene.rng)
    };
    let thought = scene.thought();
    let server = then(talk.server(thought), [Step::AwaitFin, Step::Close]);
    let mut world = scene.world(then(talk.client(), [Step::Close]), server);
    scene.run(&mut world);
}

fn interfered(mut scene: Scene<'_>, devices: &[&'static Model]) {
    let model = *scene.rng.pick(devices);
    let stage = *scene.rng.pick(model.stages);
    let talk = match model.web {
        Web::Tls => Talk::tls(NAMES[0], false, 8_000, &mut scene.rng),
        Web::Http => {
            scene.port = 80;
            Talk::http(NAMES[0], 8_000, &mut scene.rng)
        }
        Web::Dns => {
            scene.port = 53;
            Talk::dns(NAMES[0], &mut scene.rng)
        }
    };
    let thought = scene.thought();
    let client = then(talk.client(), [Step::Pause(500 * MS), Step::Close]);
    let server = then(talk.server(thought), [Step::AwaitFin, Step::Close]);
    let mut world = scene.world(client, server);
    let device = Censor::new(model.fire, model.then, stage, Rng::new(scene.rng.bits()));
    world.put(node::UPSTREAM, Box::new(device));
    scene.run(&mut world);
}

impl Cast for Town<'_> {
    fn behaviours(&self) -> usize {
        KINDS.len()
    }

    fn name(&self, which: usize) -> &'static str {
        KINDS[which]
    }

    fn which(&self, number: u64) -> usize {
        self.cast(number).1
    }

    fn act(&self, number: u64, start: u64, tape: &mut Tape) -> usize {
        let (mut rng, which) = self.cast(number);
        match which {
            0 => {
                let resolver = Resolver::of(self.seed, rng.below(RESOLVERS) as u32);
                let v6 = rng.chance(0.4);
                let mut scene = Lookup::new(self.seed, number, resolver, (v6, start), tape, rng);
                (askers::all()[0].act)(&mut scene);
            }
            1 => ordinary(self.connection(number, start, rng, tape)),
            _ => interfered(self.connection(number, start, rng, tape), self.devices),
        }
        which
    }

    /// Packets: the stream goes on until there are as many as are wanted.
    fn weight(&self, tape: &Tape) -> u64 {
        tape.records.len() as u64
    }

    fn before(&self, _: u64) -> Vec<u64> {
        Vec::new()
    }

    fn tolerates(&self, _: u64, _: u64, _: u64) -> bool {
        true
    }
}

/// Writes a capture of at least so many packets to `file`, with nanoseconds, in the order of their
/// time.
///
/// # Errors
///
/// If it cannot be written.
pub fn write(file: &Path, seed: u64, packets: u64) -> io::Result<Held> {
    let devices = injectors::all();
    let mut stream = Stream::new(Town { seed, devices: &devices }, packets, RATE);
    // A capture that was cut off must not be taken for a whole one.
    let unfinished = file.with_extension("part");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&unfinished)?);
    // Magic number of nanoseconds, version 2.4, no time zone, snap length, Ethernet.
    for word in [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, SNAPLEN, 1] {
        out.write_all(&word.to_le_bytes())?;
    }
    let mut held = Held::default();
    stream.play(|time, octets, wire, _| {
        let time = EPOCH + time;
        let (seconds, nanos) = (time / 1_000_000_000, time % 1_000_000_000);
        for word in [seconds as u32, nanos as u32, octets.len() as u32, wire as u32] {
            out.write_all(&word.to_le_bytes())?;
        }
        held.packets += 1;
        held.octets += octets.len() as u64;
        out.write_all(octets)
    })?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?;
    fs::rename(&unfinished, file)?;
    Ok(held)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Held, write};

    #[test]
    fn a_seed_makes_the_same_capture_with_a_bit_of_everything() {
        let dir = tempfile::tempdir().unwrap();
        let made = |name: &str, seed| {
            let file = dir.path().join(name);
            let held = write(&file, seed, 20_000).unwrap();
            (held, fs::read(file).unwrap())
        };
        let (held, octets) = made("one", 1);
        assert_eq!(made("again", 1), (held, octets.clone()));
        assert!(made("other", 2).1 != octets);
        let Held { packets, octets: inside } = held;
        assert!(packets >= 20_000);
        assert_eq!(octets.len() as u64, 24 + packets * 16 + inside);
    }
}
