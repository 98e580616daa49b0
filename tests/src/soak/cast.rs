//! Who acts in a soak: connections, or look-ups.

use crate::{
    corpus::{
        dns::{innocents as askers, resolver::Resolver, scene::Scene as Lookup},
        innocents::Behaviour,
        rng::Rng,
        scene::{Guest, SITES, Scene, Site},
        script::SECOND,
        tape::Tape,
    },
    limits,
};

/// What a soak is made of: scenes by number, each the same whenever it is acted out.
pub trait Cast: Copy {
    /// How many behaviours there are.
    fn behaviours(&self) -> usize;

    /// The name of one.
    fn name(&self, which: usize) -> &'static str;

    /// Which behaviour scene `number` is of.
    fn which(&self, number: u64) -> usize;

    /// Acts out scene `number`, beginning at `start`, on `tape`; returns its behaviour.
    fn act(&self, number: u64, start: u64, tape: &mut Tape) -> usize;

    /// What a scene counts for.
    fn weight(&self, tape: &Tape) -> u64;

    /// Scenes before `number` without which an observer would not know what it knew.
    fn before(&self, number: u64) -> Vec<u64>;

    /// Whether so many accusations of C3 and of C2 are tolerated in so many connections or pairs.
    fn tolerates(&self, certain: u64, strong: u64, begun: u64) -> bool;
}

/// What amounts of data are divided by.
const BRIEF: usize = 4;

/// Scenes that are ordinary, in percent; the others are of all behaviours alike.
const ORDINARY: u64 = 70;

/// Which behaviour scene `number` is, and what else is random about it.
fn cast(seed: u64, number: u64, behaviours: usize) -> (Rng, usize) {
    let mut rng = Rng::part(seed, number);
    let ordinary = rng.below(100) < ORDINARY;
    let which = rng.below(behaviours as u64) as usize;
    (rng, if ordinary { 0 } else { which })
}

/// TCP connections.
#[derive(Clone, Copy)]
pub struct Connections<'a> {
    /// Seed of everything.
    pub seed: u64,
    /// What they do.
    pub behaviours: &'a [&'static Behaviour],
}

impl Cast for Connections<'_> {
    fn behaviours(&self) -> usize {
        self.behaviours.len()
    }

    fn name(&self, which: usize) -> &'static str {
        self.behaviours[which].name
    }

    fn which(&self, number: u64) -> usize {
        cast(self.seed, number, self.behaviours.len()).1
    }

    fn act(&self, number: u64, start: u64, tape: &mut Tape) -> usize {
        let (mut rng, which) = cast(self.seed, number, self.behaviours.len());
        let rough = if rng.chance(0.5) {
            let mut share = |most: u64| rng.below(most) as f64 / 1e5;
            (share(1_500), share(300), share(1_500))
        } else {
            (0.0, 0.0, 0.0)
        };
        let mut scene = Scene {
            guest: Guest::of(number, &mut rng),
            site: Site::of(self.seed, rng.below(SITES.into()) as u32),
            port: 443,
            v6: rng.chance(0.4),
            start,
            tape,
            rough,
            brief: BRIEF,
            rng,
        };
        (self.behaviours[which].act)(&mut scene);
        which
    }

    fn weight(&self, _: &Tape) -> u64 {
        1
    }

    fn before(&self, _: u64) -> Vec<u64> {
        Vec::new()
    }

    fn tolerates(&self, certain: u64, strong: u64, begun: u64) -> bool {
        limits::tolerates(certain, strong, begun)
    }
}

/// Look-ups over DNS.
#[derive(Clone, Copy)]
pub struct Lookups<'a> {
    /// Seed of everything.
    pub seed: u64,
    /// What they do.
    pub behaviours: &'a [&'static askers::Behaviour],
}

/// Resolvers that are asked.
const RESOLVERS: u64 = 400;

/// Of these, those that most clients ask.
const POPULAR: u64 = 12;

/// How long a resolver on anycast is at one place, in nanoseconds; every tenth one moves.
const STAYS: u64 = 120 * SECOND;

/// Scenes that an example has before it: as many as make a resolver known.
const BEFORE: usize = 300;

/// How far back they are looked for.
const BACK: u64 = 100_000;

impl Lookups<'_> {
    /// What is random about scene `number`, its behaviour, and whom it asks.
    fn cast(&self, number: u64) -> (Rng, usize, u32) {
        let (mut rng, which) = cast(self.seed, number, self.behaviours.len());
        let most = if rng.chance(0.6) { POPULAR } else { RESOLVERS };
        let resolver = rng.below(most) as u32;
        (rng, which, resolver)
    }

    /// Resolver `number` as it is at `time`.
    fn resolver(&self, number: u32, time: u64) -> Resolver {
        let mut resolver = Resolver::of(self.seed, number);
        if number % 10 == 3 && (time / STAYS) % 2 == 1 {
            for node in &mut resolver.nodes {
                node.delay = node.delay * 3 / 10;
                node.hops = if node.hops > 4 { node.hops - 3 } else { node.hops + 2 };
                node.number ^= 0x40;
            }
        }
        resolver
    }
}

impl Cast for Lookups<'_> {
    fn behaviours(&self) -> usize {
        self.behaviours.len()
    }

    fn name(&self, which: usize) -> &'static str {
        self.behaviours[which].name
    }

    fn which(&self, number: u64) -> usize {
        self.cast(number).1
    }

    fn act(&self, number: u64, start: u64, tape: &mut Tape) -> usize {
        let (mut rng, which, resolver) = self.cast(number);
        let v6 = rng.chance(0.4);
        let resolver = self.resolver(resolver, start);
        let mut scene = Lookup::new(self.seed, number, resolver, (v6, start), tape, rng);
        (self.behaviours[which].act)(&mut scene);
        which
    }

    /// Replies: pairs of a question and its answer, and what answers there are beside.
    fn weight(&self, tape: &Tape) -> u64 {
        tape.records.iter().filter(|record| !record.from_client).count().max(1) as u64
    }

    fn before(&self, number: u64) -> Vec<u64> {
        let resolver = self.cast(number).2;
        let earlier = (number.saturating_sub(BACK)..number).rev();
        let mut before: Vec<u64> =
            earlier.filter(|&one| self.cast(one).2 == resolver).take(BEFORE).collect();
        before.reverse();
        before
    }

    fn tolerates(&self, certain: u64, strong: u64, _: u64) -> bool {
        limits::tolerates_of_lookups(certain, strong)
    }
}
