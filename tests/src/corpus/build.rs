//! The cases of the corpus: which connections each has, and when they begin.

use super::{
    case::{Case, Flow},
    device::{Censor, Stage},
    dns::{
        build::{self as lookups, Attack},
        injectors as liars, innocents as askers,
    },
    injectors::{self, Deed, Model, Web},
    innocents::{self, Behaviour},
    path::node,
    rng::Rng,
    scene::{Guest, Scene, Site, Talk, then},
    script::{MS, SECOND, Step},
    segment::{Truth, flag},
    tape::{Record, Tape, View},
};

/// Where a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Between router and server.
    Upstream,
    /// Between client and router.
    Downstream,
}

impl Position {
    /// In files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
        }
    }
}

/// How much there is in a case.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Connections that are interfered with, or of the behaviour; and as many beside them that are
    /// left alone.
    pub flows: u64,
    /// Octets of a response.
    pub response: usize,
    /// What behaviours divide amounts of data by.
    pub brief: usize,
}

impl Scale {
    /// Of the corpus.
    pub const FULL: Self = Self { flows: 4, response: 24_000, brief: 1 };

    /// The least that shows what a case is about.
    pub const SMALL: Self = Self { flows: 1, response: 700, brief: 12 };
}

/// Names that set devices off.
const NAMES: [&str; 4] = ["www.linkedin.com", "static.licdn.com", "lnkd.in", "linkedin.com"];

/// A case to be made.
#[derive(Clone, Copy)]
pub enum Plan {
    /// Interference.
    Attack(&'static Model, bool, Stage, Position),
    /// A behaviour that is none.
    Innocent(&'static Behaviour, bool),
    /// False answers over DNS.
    Lookup(Attack),
    /// Look-ups of a behaviour.
    InnocentLookup(&'static askers::Behaviour, bool),
}

/// All cases.
pub fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for model in injectors::all() {
        for v6 in [false, true] {
            for &stage in model.stages {
                for position in [Position::Upstream, Position::Downstream] {
                    plans.push(Plan::Attack(model, v6, stage, position));
                }
            }
        }
    }
    for behaviour in innocents::all() {
        plans.extend([false, true].map(|v6| Plan::Innocent(behaviour, v6)));
    }
    plans.extend(lookups::attacks().into_iter().map(Plan::Lookup));
    for behaviour in askers::all() {
        plans.extend([false, true].map(|v6| Plan::InnocentLookup(behaviour, v6)));
    }
    plans
}

/// The models and behaviours as the tables of `docs/corpus.md`.
pub fn tables() -> String {
    let mut out =
        "| model | deed | set off | what it does | source |\n|---|---|---|---|---|\n".to_owned();
    for model in injectors::all() {
        let stages: Vec<&str> = model.stages.iter().map(|stage| stage.word()).collect();
        let (deed, stages) = (model.deed.word(), stages.join(", "));
        let line = format!(
            "| `{}` | {deed} | {stages} | {} | {} |\n",
            model.name, model.what, model.source
        );
        out.push_str(&line);
    }
    out.push_str("\n| behaviour | what happens |\n|---|---|\n");
    for behaviour in innocents::all() {
        out.push_str(&format!("| `{}` | {} |\n", behaviour.name, behaviour.what));
    }
    out.push_str("\n| model | deed | where | what it does | source |\n|---|---|---|---|---|\n");
    for model in liars::all() {
        let (deed, place) = (model.deed.word(), model.place.word());
        let line = format!(
            "| `dns-{}` | {deed} | {place} | {} | {} |\n",
            model.name, model.what, model.source
        );
        out.push_str(&line);
    }
    out.push_str("\n| behaviour | what happens |\n|---|---|\n");
    for behaviour in askers::all() {
        out.push_str(&format!("| `dns-{}` | {} |\n", behaviour.name, behaviour.what));
    }
    out
}

impl Plan {
    /// Whether it is about look-ups over DNS.
    pub const fn is_lookup(&self) -> bool {
        matches!(self, Self::Lookup(_) | Self::InnocentLookup(..))
    }

    /// The case's name.
    pub fn name(&self) -> String {
        let family = |v6: bool| if v6 { "v6" } else { "v4" };
        match self {
            Self::Attack(model, v6, stage, position) => {
                format!("{}-{}-{}-{}", model.name, family(*v6), stage.word(), position.word())
            }
            Self::Innocent(behaviour, v6) => format!("innocent-{}-{}", behaviour.name, family(*v6)),
            Self::Lookup(attack) => attack.name(),
            Self::InnocentLookup(behaviour, v6) => {
                format!("innocent-dns-{}-{}", behaviour.name, family(*v6))
            }
        }
    }

    /// Makes the case.
    pub fn make(&self, seed: u64, scale: Scale) -> Case {
        let name = self.name();
        let mut rng = Rng::named(seed, &name);
        let mut case = Case { name, world: rng.bits(), ..Case::default() };
        match *self {
            Self::Attack(model, v6, stage, position) => {
                model.what.clone_into(&mut case.what);
                for number in 0..scale.flows {
                    let what = (model, v6, stage, position);
                    attack(&mut case, &mut rng, what, number, scale);
                }
                // The same servers meanwhile, asked for something else.
                for number in scale.flows..2 * scale.flows {
                    control(&mut case, &mut rng, v6, number, scale);
                }
            }
            Self::Innocent(behaviour, v6) => {
                behaviour.what.clone_into(&mut case.what);
                for number in 0..scale.flows {
                    innocent(&mut case, &mut rng, (behaviour, v6), number, scale);
                }
            }
            Self::Lookup(attack) => {
                attack.model.what.clone_into(&mut case.what);
                attack.make(&mut case, &mut rng, scale);
            }
            Self::InnocentLookup(behaviour, v6) => {
                behaviour.what.clone_into(&mut case.what);
                lookups::innocents(behaviour, v6, &mut case, &mut rng, scale);
            }
        }
        case.tape.sort();
        case
    }
}

/// The scene of connection `number` of a case: three servers, a client each.
fn scene<'a>(case: &'a mut Case, rng: &mut Rng, v6: bool, number: u64) -> Scene<'a> {
    let world = case.world;
    let mut own = Rng::new(rng.bits());
    Scene {
        guest: Guest::of(number, &mut own),
        site: Site::of(world, (number % 3) as u32),
        port: 443,
        v6,
        start: number * 180 * MS + own.below(50 * MS),
        tape: &mut case.tape,
        rough: (0.0, 0.0, 0.0),
        brief: 1,
        rng: own,
    }
}

fn attack(
    case: &mut Case,
    rng: &mut Rng,
    (model, v6, stage, position): (&'static Model, bool, Stage, Position),
    number: u64,
    scale: Scale,
) {
    let first = case.tape.records.len();
    let mut scene = scene(case, rng, v6, number);
    let name = if model.name.starts_with("residual") {
        // Nothing forbidden is asked for; the trigger lies before.
        "www.example.org"
    } else {
        NAMES[number as usize % NAMES.len()]
    };
    let length = if stage == Stage::Mid { 90_000 } else { scale.response };
    let talk = match model.web {
        Web::Tls => Talk::tls(name, number % 4 == 3, length, &mut scene.rng),
        Web::Http => {
            scene.port = 80;
            Talk::http(name, length, &mut scene.rng)
        }
        Web::Dns => {
            scene.port = 53;
            Talk::dns(name, &mut scene.rng)
        }
    };
    let thought = scene.thought();
    let client = then(talk.client(), [Step::Pause(2 * SECOND), Step::Close]);
    let server = then(talk.server(thought), [Step::AwaitFin, Step::Close]);
    let mut world = scene.world(client, server);
    let device = Censor::new(model.fire, model.then, stage, Rng::new(scene.rng.bits()));
    let place = match position {
        Position::Upstream => node::UPSTREAM,
        Position::Downstream => node::DOWNSTREAM,
    };
    world.put(place, Box::new(device));
    let pair = world.pair;
    scene.run(&mut world);
    let truth = if world.deeds == 0 { "innocent" } else { model.deed.word() };
    case.flows.push(Flow {
        client: pair.client,
        server: pair.server,
        protocol: "tcp",
        name: name.into(),
        truth,
        model: model.name.into(),
        position: position.word(),
        stage: stage.word(),
        evidence: evidence(&case.tape, first, model.deed),
    });
}

/// Whether the router saw a forged packet that a closed port cannot have sent, or, of drops, the same
/// octets sent again and again with no answer.
fn evidence(tape: &Tape, first: usize, deed: Deed) -> bool {
    let records = &tape.records[first..];
    if records.iter().any(|record| record.truth == Truth::Forged) {
        return !records.iter().all(|record| record.from_client || is_refusal(tape, record));
    }
    if deed != Deed::Dropped {
        return false;
    }
    let mut seen: Vec<(bool, u32)> = Vec::new();
    let mut repeated = 0;
    for record in records {
        let view = View(tape.frame(record));
        if view.takes_numbers() {
            let key = (record.from_client, view.seq());
            repeated += u32::from(seen.contains(&key));
            seen.push(key);
        }
    }
    repeated >= 2
}

/// Whether a packet is what a closed port answers a SYN with (RFC 9293, section 3.10.7.1): where that is
/// all that ever comes, nothing in the connection tells who sent it.
fn is_refusal(tape: &Tape, record: &Record) -> bool {
    let view = View(tape.frame(record));
    view.flags() == flag::RST | flag::ACK && view.seq() == 0 && view.payload() == 0
}

fn control(case: &mut Case, rng: &mut Rng, v6: bool, number: u64, scale: Scale) {
    let mut scene = scene(case, rng, v6, number);
    let name = "www.example.org";
    let talk = Talk::tls(name, false, scale.response / 4, &mut scene.rng);
    let thought = scene.thought();
    let client = then(talk.client(), [Step::Close]);
    let server = then(talk.server(thought), [Step::AwaitFin, Step::Close]);
    let mut world = scene.world(client, server);
    let pair = world.pair;
    scene.run(&mut world);
    case.flows.push(Flow {
        client: pair.client,
        server: pair.server,
        protocol: "tcp",
        name: name.into(),
        truth: "innocent",
        model: "control".into(),
        position: "none",
        stage: "none",
        evidence: false,
    });
}

fn innocent(
    case: &mut Case,
    rng: &mut Rng,
    (behaviour, v6): (&'static Behaviour, bool),
    number: u64,
    scale: Scale,
) {
    let first = case.tape.records.len();
    let mut scene = scene(case, rng, v6, number);
    scene.brief = scale.brief;
    (behaviour.act)(&mut scene);
    // A behaviour may have several connections; each that left a trace is listed.
    let mut pairs = Vec::new();
    for record in &case.tape.records[first..] {
        let (from, to) = View(case.tape.frame(record)).ends();
        let pair = if record.from_client { (from, to) } else { (to, from) };
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    case.flows.extend(pairs.into_iter().map(|(client, server)| Flow {
        client,
        server,
        protocol: "tcp",
        name: "www.example.org".into(),
        truth: "innocent",
        model: behaviour.name.into(),
        position: "none",
        stage: "none",
        evidence: false,
    }));
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Scale, Truth, plans};

    #[test]
    fn names_are_unique_and_the_same_seed_makes_the_same_octets() {
        let plans = plans();
        let names: HashSet<String> = plans.iter().map(super::Plan::name).collect();
        assert_eq!(names.len(), plans.len());
        for plan in plans.iter().step_by(7) {
            let (one, two) = (plan.make(5, Scale::FULL), plan.make(5, Scale::FULL));
            assert!(one.tape.octets == two.tape.octets, "{}", one.name);
            assert_eq!(one.labels(), two.labels());
            assert_eq!(one.flow_table(), two.flow_table());
            assert!(plan.make(6, Scale::FULL).tape.octets != one.tape.octets, "{}", one.name);
        }
    }

    #[test]
    fn the_documentation_lists_all() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/corpus.md");
        let text = std::fs::read_to_string(path).unwrap();
        for line in super::tables().lines() {
            assert!(text.contains(line), "not in docs/corpus.md (see corpus --list): {line}");
        }
    }

    #[test]
    fn every_model_does_something_and_no_behaviour_forges() {
        for plan in plans() {
            let case = plan.make(1, Scale::FULL);
            let forged = case.count(Truth::Forged);
            match plan {
                super::Plan::Innocent(..) | super::Plan::InnocentLookup(..) => {
                    assert_eq!(forged + case.count(Truth::Lied), 0, "{}", case.name);
                }
                super::Plan::Lookup(attack) => {
                    let seen = attack.position == super::Position::Upstream;
                    assert_eq!(forged + case.count(Truth::Lied) >= 4, seen, "{}", case.name);
                }
                super::Plan::Attack(..) => {
                    let touched = case.flows.iter().filter(|flow| flow.truth != "innocent");
                    assert!(touched.count() >= 3, "{}", case.name);
                }
            }
            assert!(case.name.contains("before") || !case.tape.records.is_empty(), "{}", case.name);
        }
    }
}
