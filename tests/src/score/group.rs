//! Sums over cases: by model or behaviour, by place, by signature, in total.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    judged::{Case, Mistake, Outcome},
    truth::Kind,
};

/// Sums over connections.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Group {
    /// Connections.
    pub flows: u64,
    /// Those with a packet that was made or altered in the capture.
    pub injected: u64,
    /// Of these, those with any finding.
    pub found: u64,
    /// Of these, those in which somebody was accused.
    pub accused: u64,
    /// Those from which packets were taken out, with traces in the capture.
    pub dropped: u64,
    /// Of these, those with any finding.
    pub dropped_found: u64,
    /// Of these, those in which somebody was accused.
    pub dropped_accused: u64,
    /// Those that were answered falsely by the resolver or in its place.
    pub lied: u64,
    /// Of these, those with any finding.
    pub lied_found: u64,
    /// Of these, those in which somebody was accused.
    pub lied_accused: u64,
    /// Those that were interfered with out of sight.
    pub unseen: u64,
    /// Of these, those with any finding all the same.
    pub unseen_found: u64,
    /// Innocent ones.
    pub innocent: u64,
    /// Of these, those of which something was said that is no accusation.
    pub suspected: u64,
    /// Of these, those in which somebody was accused.
    pub falsely_accused: u64,
    /// Those in which somebody was accused of injecting.
    pub called_injected: u64,
    /// Packets made or altered that accusations name.
    pub named: u64,
    /// Genuine packets that accusations name.
    pub misnamed: u64,
}

impl Group {
    fn add(&mut self, one: &Outcome) {
        let (found, accused) = (u64::from(one.found), u64::from(one.accused.is_some()));
        self.flows += 1;
        self.named += one.named.0;
        self.misnamed += one.named.1;
        self.called_injected += u64::from(one.verdicts.1);
        match one.kind {
            Kind::Innocent => {
                self.innocent += 1;
                self.falsely_accused += accused;
                self.suspected += found - accused;
            }
            _ if !one.evidence => {
                self.unseen += 1;
                self.unseen_found += found;
            }
            Kind::Injected => {
                self.injected += 1;
                self.found += found;
                self.accused += accused;
            }
            Kind::Lied => {
                self.lied += 1;
                self.lied_found += found;
                self.lied_accused += accused;
            }
            Kind::Dropped => {
                self.dropped += 1;
                self.dropped_found += found;
                self.dropped_accused += accused;
            }
        }
    }

    /// Whether all that there is to find was found, and nothing else.
    pub const fn is_perfect(&self) -> bool {
        self.accused == self.injected
            && self.dropped_accused == self.dropped
            && self.lied_accused == self.lied
            && self.falsely_accused == 0
            && self.suspected == 0
    }
}

/// Sums over exchanges over DNS.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Answers {
    /// Exchanges.
    pub exchanges: u64,
    /// Forged answers in them.
    pub forged: u64,
    /// Of these, those that an accusation names: found at their frame.
    pub at_frame: u64,
    /// Exchanges with a forged answer beside which the genuine one comes, or may come.
    pub injected: u64,
    /// Of these, those with the verdict `injected`.
    pub told_injected: u64,
    /// Exchanges that were answered falsely, and nothing else came.
    pub lied: u64,
    /// Of these, those with the verdict `lied`.
    pub told_lied: u64,
    /// Of these, those with the verdict `injected`.
    pub lied_told_injected: u64,
    /// Innocent exchanges.
    pub innocent: u64,
    /// Of these, those in which somebody was accused of injecting.
    pub false_injected: u64,
    /// Of these, those in which a resolver was accused of lying.
    pub false_lied: u64,
}

impl Answers {
    fn add(&mut self, one: &Outcome) {
        let (lied, injected) = (u64::from(one.verdicts.0), u64::from(one.verdicts.1));
        self.exchanges += 1;
        self.forged += one.answers.0;
        self.at_frame += one.answers.1;
        match one.kind {
            Kind::Injected if one.evidence => {
                self.injected += 1;
                self.told_injected += injected;
            }
            Kind::Lied if one.evidence => {
                self.lied += 1;
                self.told_lied += lied;
                self.lied_told_injected += injected;
            }
            Kind::Innocent => {
                self.innocent += 1;
                self.false_injected += injected;
                self.false_lied += lied;
            }
            _ => {}
        }
    }
}

/// How often a signature fired.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Fired {
    /// On connections that were interfered with.
    pub right: u64,
    /// On these, and no other one did.
    pub alone: u64,
    /// On innocent connections.
    pub wrong: u64,
}

/// All sums.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// Over everything.
    pub total: Group,
    /// Over exchanges over DNS.
    pub answers: Answers,
    /// By model or behaviour.
    pub models: BTreeMap<String, Group>,
    /// By stage and position.
    pub places: BTreeMap<String, Group>,
    /// By signature.
    pub signatures: BTreeMap<&'static str, Fired>,
    /// By case.
    pub cases: Vec<(String, Group)>,
    /// Packets; packets made or altered; of these in accusations; others in accusations.
    pub packets: (u64, u64, u64, u64),
    /// Innocent connections that were accused.
    pub wrong: Vec<Mistake>,
    /// Connections that were missed.
    pub missed: Vec<Mistake>,
    /// Captures that could not be read to their end, and why.
    pub damaged: Vec<(String, String)>,
}

impl Sheet {
    /// Adds a case.
    pub fn add(&mut self, case: Case) {
        let mut own = Group::default();
        for one in &case.outcomes {
            own.add(one);
            self.total.add(one);
            if one.dns {
                self.answers.add(one);
            }
            self.models.entry(one.model.clone()).or_default().add(one);
            if one.kind != Kind::Innocent && !one.place.is_empty() {
                self.places.entry(one.place.clone()).or_default().add(one);
            }
            for &id in &one.signatures {
                let fired = self.signatures.entry(id).or_default();
                if one.kind == Kind::Innocent {
                    fired.wrong += 1;
                } else {
                    fired.right += 1;
                    fired.alone += u64::from(one.signatures.len() == 1);
                }
            }
        }
        self.cases.push((case.name.clone(), own));
        self.packets.0 += case.packets;
        self.packets.1 += case.forged.0;
        self.packets.2 += case.forged.1;
        self.packets.3 += case.forged.2;
        self.wrong.extend(case.wrong);
        self.missed.extend(case.missed);
        self.damaged.extend(case.damage.map(|why| (case.name, why)));
    }
}
