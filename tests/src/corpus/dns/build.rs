//! The cases about look-ups: what is asked in each, and when.

use super::{
    datagram::Look,
    injectors::{Model, Place, Trigger},
    innocents::Behaviour,
    message::{self, kind},
    names::Name,
    resolver::{Resolver, Sort},
    scene::Scene,
};
use crate::corpus::{
    build::{Position, Scale},
    case::{Case, Flow},
    rng::Rng,
    script::{MS, SECOND},
    segment::Truth,
    tape::View,
};

/// Whether the false answer comes before the genuine one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Before.
    First,
    /// After.
    Late,
}

/// What an observer knows of the resolver by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// How it answers, from two minutes.
    Well,
    /// Nothing: the capture begins with the question.
    Not,
}

/// A case of false answers.
#[derive(Clone, Copy)]
pub struct Attack {
    /// What makes them.
    pub model: &'static Model,
    /// IPv6.
    pub v6: bool,
    /// When they come.
    pub timing: Timing,
    /// What is known of the resolver.
    pub known: Known,
    /// Where the device stands.
    pub position: Position,
}

/// Look-ups of others before, where the resolver is known.
const BEFORE: u64 = 60;

/// As many where a case is made small.
const BEFORE_SMALL: u64 = 24;

/// Clients whose look-ups come before have numbers from here on.
const NEIGHBOURS: u64 = 100;

/// All cases of false answers.
pub fn attacks() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for model in super::injectors::all() {
        for v6 in [false, true] {
            for known in [Known::Well, Known::Not] {
                for timing in [Timing::First, Timing::Late] {
                    let races = model.place == Place::Beside;
                    if timing == Timing::First || races {
                        let position = Position::Upstream;
                        attacks.push(Attack { model, v6, timing, known, position });
                    }
                }
            }
        }
        if model.name == "gfw-all" {
            attacks.extend([false, true].map(|v6| Attack {
                model,
                v6,
                timing: Timing::First,
                known: Known::Well,
                position: Position::Downstream,
            }));
        }
    }
    attacks
}

impl Attack {
    /// The case's name.
    pub fn name(&self) -> String {
        let family = if self.v6 { "v6" } else { "v4" };
        let known = if self.known == Known::Well { "known" } else { "new" };
        let mut name = format!("dns-{}-{family}-{}-{known}", self.model.name, self.timing.word());
        if self.position == Position::Downstream {
            name.push_str("-downstream");
        }
        name
    }

    /// Adds the case's packets and truth to `case`.
    pub fn make(&self, case: &mut Case, rng: &mut Rng, scale: Scale) {
        let small = scale.flows < Scale::FULL.flows;
        let world = case.world;
        let mut resolver = Resolver::sort(world, 0, self.model.sort);
        let mut time = 0;
        if self.known == Known::Well {
            let count = if small { BEFORE_SMALL } else { BEFORE };
            for number in 0..count {
                time += rng.below(2 * 120 * SECOND / BEFORE);
                self.before(case, rng, (&resolver, time), number);
            }
            time += SECOND;
            if self.model.place == Place::Resolver {
                time = self.elsewhere(case, rng, time, count / 4);
            }
        }
        if self.model.place == Place::Resolver {
            // Whoever lies does not have to ask others.
            resolver.cold = 0;
        }
        let mut made = 0;
        for number in 0..scale.flows {
            time += rng.range(200 * MS, 1_500 * MS);
            self.interfere(case, rng, (&resolver, time), (number, &mut made));
            time += rng.range(200 * MS, 1_500 * MS);
            self.control(case, rng, (&resolver, time), scale.flows + number);
        }
    }

    fn scene<'a>(
        &self,
        case: &'a mut Case,
        rng: &mut Rng,
        (resolver, time): (&Resolver, u64),
        number: u64,
    ) -> Scene<'a> {
        let own = Rng::new(rng.bits());
        let world = case.world;
        Scene::new(world, number, resolver.clone(), (self.v6, time), &mut case.tape, own)
    }

    /// A look-up of somebody else's, of a name that nobody minds.
    fn before(&self, case: &mut Case, rng: &mut Rng, at: (&Resolver, u64), number: u64) {
        let mut scene = self.scene(case, rng, at, NEIGHBOURS + number);
        let name = if scene.rng.chance(0.2) {
            Name::control(number)
        } else {
            Name::of(scene.world, scene.rng.below(40))
        };
        let kind = scene.any_kind();
        if self.model.place == Place::Closed {
            // There has never been a resolver.
            scene.ask(&name, kind, at.1, 0);
        } else {
            scene.exchange(&name, kind, at.1, 0);
        }
        let (client, server) = (scene.client(0), scene.server());
        case.flows.push(innocent(client, server, name.text, "control"));
    }

    /// The names in question, asked of two other resolvers, which tell the truth. Returns when that is
    /// over.
    fn elsewhere(&self, case: &mut Case, rng: &mut Rng, mut time: u64, count: u64) -> u64 {
        for number in 0..count {
            let other = Resolver::sort(case.world, 1 + (number % 2) as u32, Sort::Public);
            let mut scene = self.scene(case, rng, (&other, time), 2 * NEIGHBOURS + number);
            let name = Name::forbidden(number / 2);
            let kind = self.model.kinds[number as usize / 2 % self.model.kinds.len()];
            scene.exchange(&name, kind, time, 0);
            let (client, server) = (scene.client(0), scene.server());
            case.flows.push(innocent(client, server, name.text, "control"));
            time += rng.range(300 * MS, 2 * SECOND);
        }
        time
    }

    fn control(&self, case: &mut Case, rng: &mut Rng, at: (&Resolver, u64), number: u64) {
        let mut scene = self.scene(case, rng, at, number);
        let name = Name::control(number);
        if self.model.place == Place::Closed {
            scene.ask(&name, kind::A, at.1, 0);
        } else {
            scene.exchange(&name, kind::A, at.1, 0);
        }
        let (client, server) = (scene.client(0), scene.server());
        case.flows.push(innocent(client, server, name.text, "control"));
    }

    /// A question that is answered falsely.
    fn interfere(
        &self,
        case: &mut Case,
        rng: &mut Rng,
        at: (&Resolver, u64),
        (number, made): (u64, &mut u64),
    ) {
        let model = self.model;
        let mut scene = self.scene(case, rng, at, number);
        let name = Name::forbidden(number);
        if !model.edns {
            scene.manner.opt = None;
        }
        let asks = model.kinds[number as usize % model.kinds.len()];
        let asked = scene.ask(&name, asks, at.1, 0);
        let node = scene.node();
        let time = asked.time + scene.trip(&node) + scene.work();
        let genuine = scene.truth(&asked, &node, time);
        // Devices stand between a quarter and three quarters of the way to the resolver.
        let share = scene.rng.range(25, 75);
        let hops = (u64::from(node.hops) * share / 100).max(1) as u8;
        let there = node.delay * share / 100;
        let trigger = Trigger { asked: &asked, genuine: &genuine, node, hops, number: *made };
        let forged = (model.fire)(&trigger, &mut scene.rng);
        *made += forged.len() as u64;
        let comes = matches!(model.place, Place::Beside);
        if comes {
            scene.reply(&asked, &node, time, &genuine);
        }
        if self.position == Position::Upstream {
            let wait = scene.rng.range(2 * MS, 40 * MS);
            for one in forged {
                let mut passes = match (model.place, self.timing) {
                    (Place::Resolver, _) => time,
                    (_, Timing::First) => asked.time + 2 * there + one.after,
                    (_, Timing::Late) => time + wait + one.after,
                };
                if comes && self.timing == Timing::First {
                    // It was built to win, and here it does.
                    passes = passes.min(time - (time - asked.time) / 50 - 1_000 * number);
                }
                let look = match one.look {
                    Some(look) => Look { ttl: look.ttl.saturating_sub(hops), ..look },
                    None => scene.look(&node, passes),
                };
                let truth =
                    if model.place == Place::Resolver { Truth::Lied } else { Truth::Forged };
                scene.put_octets(&asked, look, passes, false, truth, &one.message.octets());
            }
        }
        let (client, server) = (scene.client(0), scene.server());
        case.flows.push(Flow {
            client,
            server,
            protocol: "dns",
            name: name.text.into(),
            truth: model.deed.word(),
            model: format!("dns-{}", model.name).into(),
            position: if model.place == Place::Resolver {
                "resolver"
            } else {
                self.position.word()
            },
            stage: self.timing.word(),
            evidence: self.position == Position::Upstream,
        });
    }
}

impl Timing {
    /// In names of cases.
    pub const fn word(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Late => "late",
        }
    }
}

fn innocent(
    client: std::net::SocketAddr,
    server: std::net::SocketAddr,
    name: String,
    model: &str,
) -> Flow {
    Flow {
        client,
        server,
        protocol: "dns",
        name: name.into(),
        truth: "innocent",
        model: format!("dns-{model}").into(),
        position: "none",
        stage: "none",
        evidence: false,
    }
}

/// Adds scenes of an innocent behaviour to `case`: two minutes of look-ups at the same resolver come
/// first.
pub fn innocents(
    behaviour: &'static Behaviour,
    v6: bool,
    case: &mut Case,
    rng: &mut Rng,
    scale: Scale,
) {
    let world = case.world;
    let sort = *rng.pick(&[Sort::Provider, Sort::Public, Sort::Public, Sort::Far]);
    let resolver = Resolver::sort(world, 0, sort);
    let small = scale.flows < Scale::FULL.flows;
    let count = if small { BEFORE_SMALL } else { BEFORE };
    let mut time = 0;
    for number in 0..count {
        time += rng.below(2 * 120 * SECOND / BEFORE);
        let own = Rng::new(rng.bits());
        let at = (v6, time);
        let mut scene =
            Scene::new(world, NEIGHBOURS + number, resolver.clone(), at, &mut case.tape, own);
        let kind = scene.any_kind();
        let name = scene.name.clone();
        scene.exchange(&name, kind, time, 0);
        let (client, server) = (scene.client(0), scene.server());
        case.flows.push(innocent(client, server, name.text, "control"));
    }
    time += SECOND;
    for number in 0..scale.flows {
        let first = case.tape.records.len();
        let own = Rng::new(rng.bits());
        let at = (v6, time);
        let mut scene = Scene::new(world, number, resolver.clone(), at, &mut case.tape, own);
        (behaviour.act)(&mut scene);
        time = scene.tape.records.iter().map(|record| record.time).max().unwrap_or(time) + SECOND;
        // Each pair of ends that left a trace is listed, with the first name asked for.
        let mut pairs: Vec<(std::net::SocketAddr, std::net::SocketAddr)> = Vec::new();
        for record in &case.tape.records[first..] {
            let view = View(case.tape.frame(record));
            let (from, to) = view.ends();
            let pair = if record.from_client { (from, to) } else { (to, from) };
            if view.has_ports() && !pairs.contains(&pair) {
                pairs.push(pair);
                let name = view.message().map(message::name_asked).unwrap_or_default();
                let mut flow = innocent(pair.0, pair.1, name, behaviour.name);
                if view.is_tcp() {
                    flow.protocol = "tcp";
                }
                case.flows.push(flow);
            }
        }
    }
}
