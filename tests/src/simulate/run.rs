//! One run: a world, what happens in it, and what the attributor says.

use std::{collections::BTreeMap, sync::Arc};

use probe_user::{
    attribute::{
        Attributor, Method, Outcome, Verdict,
        outcome::Ending,
        verdict::{Interval, Onset},
    },
    targets::TargetSet,
};

use super::{
    censor::{Censor, METHODS, serves},
    innocent::{Innocence, Innocent},
    ordinary,
    world::{BLOCKED, Intent, SECOND, SERVERS, Server, Size, WINDOW, World, network, unit},
};
use crate::corpus::rng::Rng;

/// What happens in a run.
#[derive(Clone, Debug)]
pub enum Scenario {
    /// A censor blocks the target.
    Censored(Censor),
    /// Somebody blocks a control by name, and nothing else.
    ControlBlocked(Censor),
    /// Nobody blocks anything.
    Innocent(Innocence),
}

/// What a run was, and what was said.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number.
    pub number: u64,
    /// What happened.
    pub scenario: Scenario,
    /// Clients of the world.
    pub clients: usize,
    /// Window in which it began, and in which it ended: counted from the first.
    pub onset: u64,
    /// Likewise.
    pub end: Option<u64>,
    /// All that was said at the end.
    pub verdicts: Vec<Verdict>,
    /// Flows of the target since the onset when the first accusation was made.
    pub needed: Option<u64>,
    /// The moment in which it began, and in which it ended, in nanoseconds.
    pub began: u64,
    /// Likewise.
    pub over: Option<u64>,
    /// Start of the first window, likewise.
    pub start: u64,
    /// Outcomes in all.
    pub outcomes: u64,
}

/// Of twenty runs, how many are censored; of these each method has the same number.
const CENSORED: u64 = 12;

/// Windows after the first accusation that are still watched, unless the end is to come.
const AFTER: u64 = 12;

/// Most tries of a flow: of the target's application, and of others.
const TRIES: [u8; 2] = [6, 2];

/// What sort of run a number stands for, whatever the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Censored(Method),
    ControlBlocked,
    Innocent(Innocent),
}

impl Sort {
    fn of(number: u64) -> Self {
        let (round, place) = (number / 20, number % 20);
        if place < CENSORED {
            let place = (round * CENSORED + place) % METHODS.len() as u64;
            return Self::Censored(METHODS[place as usize]);
        }
        let place = round * (20 - CENSORED) + place - CENSORED;
        let all = Innocent::ALL.len() as u64 + 1;
        Innocent::ALL
            .get((place % all) as usize)
            .map_or(Self::ControlBlocked, |&world| Self::Innocent(world))
    }

    fn draw(self, rng: &mut Rng) -> Scenario {
        match self {
            Self::Censored(method) => Scenario::Censored(Censor::draw(method, rng)),
            Self::ControlBlocked => Scenario::ControlBlocked(Censor::draw(Method::SniDrop, rng)),
            Self::Innocent(world) => Scenario::Innocent(Innocence::draw(world, rng)),
        }
    }
}

/// The first numbers that there are `censored` runs of each method among, and `innocent` ones of each
/// other sort.
pub fn of_each(censored: usize, innocent: usize) -> impl Iterator<Item = u64> {
    let sorts = METHODS.len() * censored + (Innocent::ALL.len() + 1) * innocent;
    let mut counts: BTreeMap<Sort, usize> = BTreeMap::new();
    let wanted = move |number: &u64| {
        let sort = Sort::of(*number);
        let most = if matches!(sort, Sort::Censored(_)) { censored } else { innocent };
        let count = counts.entry(sort).or_default();
        *count += 1;
        *count <= most
    };
    (0..).filter(wanted).take(sorts)
}

/// Runs number `number` of what `seed` stands for, in a world of size `size`.
pub fn run(seed: u64, number: u64, size: Size, targets: &Arc<TargetSet>) -> Record {
    let mut rng = Rng::part(seed, number);
    let scenario = Sort::of(number).draw(&mut rng);
    let mut world = World::draw(size, &mut rng);
    if let Scenario::Innocent(innocence) = &scenario {
        innocence.prepare(&mut world);
    }
    let early = rng.chance(0.1);
    let onset = if early { 0 } else { world.windows / 8 + rng.below(world.windows / 4) };
    let end = rng.chance(0.35).then(|| world.windows * 3 / 4 + rng.below(world.windows / 8));
    let offset = if early { 0 } else { rng.below(WINDOW) };
    let other = rng.chance(0.5);
    let began = world.start + onset * WINDOW + offset;
    let over = end.map(|end| world.start + end * WINDOW);
    let record = Record {
        number,
        scenario,
        clients: world.people.len(),
        onset,
        end,
        verdicts: Vec::new(),
        needed: None,
        start: world.start,
        began,
        over,
        outcomes: 0,
    };
    let over = over.unwrap_or(u64::MAX);
    Play {
        world,
        record,
        attributor: Attributor::new(Arc::clone(targets)),
        began,
        over,
        other,
        rng,
    }
    .play()
}

/// A run under way.
struct Play {
    world: World,
    record: Record,
    attributor: Attributor,
    began: u64,
    over: u64,
    /// Another observer reports as well.
    other: bool,
    rng: Rng,
}

impl Play {
    fn play(mut self) -> Record {
        let mut flows = 0;
        let mut accused_at = None;
        for window in 0..self.world.windows {
            flows += self.window(window);
            let now = self.world.start + (window + 1) * WINDOW;
            let verdicts = self.attributor.verdicts(now);
            if accused_at.is_none() && verdicts.iter().any(|verdict| self.is_right(verdict)) {
                accused_at = Some(window);
                self.record.needed = Some(flows);
            }
            let done = accused_at.is_some_and(|at| window > at + AFTER);
            if done && self.record.end.is_none() {
                break;
            }
        }
        self.attributor.finish();
        self.record.verdicts = self.attributor.verdicts(0);
        self.record
    }

    fn is_right(&self, verdict: &Verdict) -> bool {
        matches!(&self.record.scenario, Scenario::Censored(censor)
            if verdict.method == censor.method && verdict.unit.service == "blocked")
    }

    /// Plays one window; returns the target's flows since the onset.
    fn window(&mut self, window: u64) -> u64 {
        let at = self.world.start + window * WINDOW;
        let now = at + WINDOW / 2;
        let more = |service| match &self.record.scenario {
            Scenario::Innocent(innocence) if (self.began..self.over).contains(&now) => {
                innocence.more(service)
            }
            _ => 1.0,
        };
        let intents = self.world.intents(window, &mut self.rng, more);
        let mut due: BTreeMap<(u64, usize), Intent> = intents
            .into_iter()
            .enumerate()
            .map(|(place, intent)| ((intent.time, place), intent))
            .collect();
        let mut next = due.len();
        let mut flows = 0;
        while let Some(((_, _), intent)) = due.pop_first() {
            let outcome = self.outcome(&intent);
            if intent.service == BLOCKED && intent.time >= self.began {
                flows += 1;
            }
            self.record.outcomes += 1;
            self.attributor.take(&outcome);
            if self.other && intent.person.is_multiple_of(3) && intent.tries == 0 {
                let outcome = self.elsewhere(&intent);
                self.attributor.take(&outcome);
            }
            if let Some(again) = self.again(&intent, &outcome)
                && again.time < at + WINDOW
            {
                due.insert((again.time, next), again);
                next += 1;
            }
        }
        flows
    }

    fn outcome(&mut self, intent: &Intent) -> Outcome {
        let mut outcome = ordinary::outcome(&self.world, intent, &mut self.rng);
        if (self.began..self.over).contains(&intent.time) {
            let who = &self.world.people[intent.person];
            match &mut self.record.scenario {
                Scenario::Censored(censor) => censor.act(&mut outcome, intent, who, &mut self.rng),
                Scenario::ControlBlocked(censor) => {
                    // As if the control were the target.
                    if outcome.service == super::world::FRONT {
                        outcome.service = BLOCKED;
                        censor.act(&mut outcome, intent, who, &mut self.rng);
                        outcome.service = super::world::FRONT;
                    }
                }
                Scenario::Innocent(world) => world.act(&mut outcome, intent, who, &mut self.rng),
            }
        }
        outcome
    }

    /// What another observer, whom no censor stands before, sees of such an intent.
    fn elsewhere(&mut self, intent: &Intent) -> Outcome {
        let mut outcome = ordinary::outcome(&self.world, intent, &mut self.rng);
        if let Scenario::Innocent(world) = &self.record.scenario
            && world.is_everywhere()
            && (self.began..self.over).contains(&intent.time)
        {
            world.act(&mut outcome, intent, &self.world.people[intent.person], &mut self.rng);
        }
        outcome.vantage = 1;
        outcome
    }

    /// Tries again what has failed.
    fn again(&mut self, intent: &Intent, outcome: &Outcome) -> Option<Intent> {
        let failed = !matches!(outcome.ending, Ending::Served | Ending::Abandoned);
        let storm = self.world.people[intent.person].is_marked;
        let most = TRIES[usize::from(intent.service != BLOCKED)];
        let most = if storm { 60 } else { most };
        if !failed || intent.tries >= most || !storm && !self.rng.chance(0.7) {
            return None;
        }
        let wait = SECOND / 2 + (unit(&mut self.rng) * 3e9) as u64;
        let path = self.rng.below(16) as u8;
        Some(Intent { time: intent.time + wait, tries: intent.tries + 1, path, ..*intent })
    }
}

impl Record {
    /// The method that is there to be found.
    pub fn method(&self) -> Option<Method> {
        match &self.scenario {
            Scenario::Censored(censor) => Some(censor.method),
            _ => None,
        }
    }

    /// Accusations of the target.
    pub fn accusations(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts
            .iter()
            .filter(|verdict| verdict.method.accuses() && verdict.unit.service == "blocked")
    }

    /// Whether an accusation is true.
    pub fn is_true(&self, verdict: &Verdict) -> bool {
        match &self.scenario {
            Scenario::Censored(censor) if verdict.unit.service == "blocked" => {
                // Who resets and lingers does both.
                let both = censor.method == Method::Residual && verdict.method == Method::SniReset;
                (verdict.method == censor.method || both) && verdict.unit.vantage == 0
            }
            // Whoever shares an address with the target is blocked with it.
            Scenario::Censored(censor) => {
                censor.method.acts_on_addresses()
                    && verdict.method == censor.method
                    && verdict.unit.vantage == 0
                    && SERVERS.iter().any(|server| {
                        network(server.network) == verdict.unit.network
                            && serves(server, BLOCKED)
                            && shares(server, &verdict.unit.service)
                    })
            }
            Scenario::ControlBlocked(_) => {
                verdict.unit.service == "front" && verdict.method == Method::SniDrop
            }
            _ => false,
        }
    }

    /// By how many windows the onset of an accusation is wrong; nothing where the truth is before
    /// the first window and the verdict says so.
    pub fn onset_error(&self, verdict: &Verdict) -> u64 {
        let truth = self.start + self.onset * WINDOW;
        match verdict.onset {
            Some(Onset::Between(interval)) => interval.likely.abs_diff(truth) / WINDOW,
            Some(Onset::Before(before)) => before.saturating_sub(WINDOW).abs_diff(truth) / WINDOW,
            None => u64::MAX,
        }
    }

    /// Whether the interval of an accusation's onset has the truth in it.
    pub fn is_covered(&self, verdict: &Verdict) -> bool {
        match verdict.onset {
            Some(Onset::Between(interval)) => (interval.from..=interval.to).contains(&self.began),
            Some(Onset::Before(before)) => self.began <= before,
            None => false,
        }
    }

    /// By how many windows the end of an accusation is wrong.
    pub fn end_error(&self, end: &Interval) -> u64 {
        self.over.map_or(u64::MAX, |over| end.likely.abs_diff(over) / WINDOW)
    }
}

fn shares(server: &Server, service: &str) -> bool {
    let ids = ["blocked", "bystander", "checks", "front", "neutral", "video"];
    ids.iter().position(|id| *id == service).is_some_and(|place| serves(server, place as u16))
}
