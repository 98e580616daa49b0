//! Innocent worlds: everything that looks like blocking, and is nobody's decision.

use probe_user::{
    attribute::outcome::{Ending, FalseAnswer, Goodput, Icmp, Outcome, Protocol, Trace},
    report::finding::{Confidence, Position, Stage, Verdict},
};

use super::{
    ordinary::{fail, lossy},
    world::{
        BLOCKED, CDN_NET, FILTERING, FRONT, FRONT_NET, HOME, Intent, NEW_NET, NEW_SERVER, OWN_NET,
        Person, SERVERS, World, network, place, unit,
    },
};
use crate::corpus::rng::Rng;

/// An innocent world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Innocent {
    /// Nothing at all.
    Quiet,
    /// The target's servers in its own network do not answer.
    ServerDown,
    /// All servers of the target refuse, reset or hang: the service is down everywhere.
    ServiceDown,
    /// All servers of the target say that they cannot.
    ServiceErrors,
    /// The target's servers reset connections of their own, after the name.
    ServerResets,
    /// The path to one network is down for everybody.
    PathDown,
    /// The path to one network loses a fifth of the packets.
    PathLoss,
    /// The observer's uplink is down.
    UplinkDown,
    /// The observer's uplink loses a fifth of the packets.
    UplinkLoss,
    /// The provider's resolver fails for all names.
    ResolverBroken,
    /// The target's name servers fail: SERVFAIL or silence for its names, at all resolvers.
    AuthorityDown,
    /// A public resolver that filters advertisements filters the target.
    FilteringResolver,
    /// Resolvers at home filter the target.
    FilterAtHome,
    /// The target moves to another network.
    Moved,
    /// A crowd comes to the target, whose servers are too few.
    FlashCrowd,
    /// One client's line is broken, and it tries without end.
    RetryStorm,
    /// Some clients' own software resets or forges.
    ClientSoftware,
    /// For an hour in the night the target's servers are worked on.
    Maintenance,
    /// The target's own firewall prohibits by ICMP.
    ServerFirewall,
    /// The target turns QUIC off at its own address.
    QuicOff,
    /// A link to the content network is congested.
    Congestion,
    /// The target paces its downloads.
    Pacing,
    /// Large packets do not reach the target's own network.
    PacketSize,
    /// Most flows are seen in one direction.
    OneWay,
    /// A control's server is down.
    ControlDown,
}

impl Innocent {
    /// All.
    pub const ALL: [Self; 25] = [
        Self::Quiet,
        Self::ServerDown,
        Self::ServiceDown,
        Self::ServiceErrors,
        Self::ServerResets,
        Self::PathDown,
        Self::PathLoss,
        Self::UplinkDown,
        Self::UplinkLoss,
        Self::ResolverBroken,
        Self::AuthorityDown,
        Self::FilteringResolver,
        Self::FilterAtHome,
        Self::Moved,
        Self::FlashCrowd,
        Self::RetryStorm,
        Self::ClientSoftware,
        Self::Maintenance,
        Self::ServerFirewall,
        Self::QuicOff,
        Self::Congestion,
        Self::Pacing,
        Self::PacketSize,
        Self::OneWay,
        Self::ControlDown,
    ];
}

/// An innocent world, with what was drawn for it.
#[derive(Clone, Debug)]
pub struct Innocence {
    /// Which.
    pub world: Innocent,
    /// How hard it hits.
    share: f64,
    /// The network it hits.
    network: u8,
    variant: u64,
}

impl Innocence {
    /// Draws one.
    pub fn draw(world: Innocent, rng: &mut Rng) -> Self {
        Self {
            world,
            share: if rng.chance(0.6) { 1.0 } else { 0.1 + 0.9 * unit(rng) },
            network: *rng.pick(&[FRONT_NET, OWN_NET, CDN_NET]),
            variant: rng.below(4),
        }
    }

    /// Prepares the world: in some, a few clients are special.
    pub fn prepare(&self, world: &mut World) {
        let marked = match self.world {
            Innocent::RetryStorm => 1,
            Innocent::ClientSoftware => 4,
            _ => 0,
        };
        for person in world.people.iter_mut().take(marked) {
            person.is_marked = true;
            person.active = 0.8;
        }
    }

    /// Whether another observer sees it, too.
    pub fn is_everywhere(&self) -> bool {
        !matches!(
            self.world,
            Innocent::PathDown
                | Innocent::PathLoss
                | Innocent::UplinkDown
                | Innocent::UplinkLoss
                | Innocent::ResolverBroken
                | Innocent::Congestion
                | Innocent::OneWay
                | Innocent::PacketSize
        )
    }

    /// By what factor more clients come to a service.
    pub fn more(&self, service: u16) -> f64 {
        match self.world {
            Innocent::FlashCrowd if service == BLOCKED => 1.6,
            _ => 1.0,
        }
    }

    /// Does to an outcome what happens in this world.
    pub fn act(&self, outcome: &mut Outcome, intent: &Intent, who: &Person, rng: &mut Rng) {
        let dns = outcome.protocol == Protocol::Dns;
        let blocked = outcome.service == BLOCKED;
        let at = |net: u8| outcome.place.network == network(net);
        let (own, here) = (at(OWN_NET), at(self.network));
        let hit = rng.chance(self.share);
        match self.world {
            Innocent::Quiet => {}
            Innocent::ServerDown if blocked && own && !dns && hit => self.down(outcome, rng),
            Innocent::ServiceDown if blocked && !dns && hit => self.service_down(outcome, own, rng),
            Innocent::ServiceErrors if blocked && !dns && hit => end(outcome, Ending::Error),
            Innocent::ServerResets
                if blocked && !dns && hit && outcome.protocol != Protocol::Quic =>
            {
                end(outcome, Ending::Reset { stage: Stage::PostPsh });
                if rng.chance(0.3) {
                    outcome.finding = Some(suspect());
                }
            }
            Innocent::PathDown if here && !dns && hit => {
                end(outcome, silent(outcome.protocol, Stage::PostSyn, false));
            }
            Innocent::PathLoss if here && !dns => lose(outcome, rng),
            Innocent::UplinkDown if hit => {
                end(outcome, silent(outcome.protocol, Stage::PostSyn, false));
            }
            Innocent::UplinkLoss => lose(outcome, rng),
            Innocent::ResolverBroken if dns && intent.server == 0 && hit => self.no_answer(outcome),
            Innocent::AuthorityDown if dns && blocked && hit => self.no_answer(outcome),
            Innocent::FilteringResolver if dns && blocked && intent.server == FILTERING && hit => {
                self.filter(outcome);
            }
            Innocent::FilterAtHome if dns && blocked && intent.server == HOME => {
                self.filter(outcome);
            }
            Innocent::Moved if blocked => moved(outcome, dns),
            Innocent::FlashCrowd if blocked && own && !dns && rng.chance(0.5) => {
                crowd(outcome, rng);
            }
            Innocent::RetryStorm if who.is_marked => lose_all(outcome, rng),
            Innocent::ClientSoftware if who.is_marked && blocked && !dns => {
                end(outcome, Ending::Reset { stage: Stage::PostPsh });
                outcome.finding = Some(forged());
            }
            Innocent::Maintenance if blocked && own && !dns => self.maintenance(outcome, rng),
            Innocent::ServerFirewall if blocked && !dns && hit => {
                let hops = outcome.server_hops.map(|hops| hops - rng.below(2) as u8);
                end(outcome, Ending::Icmp(Icmp::Prohibited { hops }));
            }
            Innocent::QuicOff if blocked && own && outcome.protocol == Protocol::Quic => {
                end(outcome, silent(Protocol::Quic, Stage::PostPsh, false));
            }
            Innocent::Congestion if at(CDN_NET) => slow(outcome, 0.02 + 0.1 * unit(rng), rng),
            Innocent::Pacing if blocked && !dns => pace(outcome, rng),
            Innocent::PacketSize if own && outcome.large_hello => {
                end(outcome, silent(outcome.protocol, Stage::PostPsh, false));
            }
            Innocent::OneWay if rng.chance(0.7) => {
                outcome.both_ways = false;
                if blocked && rng.chance(0.5) {
                    end(outcome, lossy(outcome.protocol, rng));
                }
            }
            Innocent::ControlDown if outcome.service == FRONT && !dns && hit => {
                self.service_down(outcome, false, rng);
            }
            _ => {}
        }
    }

    fn down(&self, outcome: &mut Outcome, rng: &mut Rng) {
        let ending = match self.variant {
            0 => silent(outcome.protocol, Stage::PostSyn, false),
            1 if outcome.protocol != Protocol::Quic => Ending::Reset { stage: Stage::PostSyn },
            2 if rng.chance(0.7) => silent(outcome.protocol, Stage::PostPsh, true),
            2 => silent(outcome.protocol, Stage::PostPsh, false),
            _ => Ending::Icmp(Icmp::Unreachable),
        };
        end(outcome, ending);
    }

    /// At its own addresses a service that is down is silent or refuses; at a front the front answers.
    fn service_down(&self, outcome: &mut Outcome, own: bool, rng: &mut Rng) {
        if own {
            self.down(outcome, rng);
        } else if rng.chance(0.8) || outcome.protocol == Protocol::Quic {
            end(outcome, Ending::Error);
        } else {
            end(outcome, silent(outcome.protocol, Stage::PostPsh, true));
        }
    }

    fn no_answer(&self, outcome: &mut Outcome) {
        let silence = silent(Protocol::Dns, Stage::PostPsh, false);
        end(outcome, if self.variant.is_multiple_of(2) { Ending::Error } else { silence });
    }

    fn filter(&self, outcome: &mut Outcome) {
        let bogus = self.variant.is_multiple_of(2);
        let answer = if bogus { FalseAnswer::Bogus } else { FalseAnswer::Denied };
        end(outcome, Ending::FalseAnswer(answer));
        outcome.finding = Some(Trace { verdict: Verdict::Lied, hops: None, ..suspect() });
    }

    fn maintenance(&self, outcome: &mut Outcome, rng: &mut Rng) {
        let hour = outcome.time / 3_600_000_000_000 % 24;
        if hour == 2 + self.variant {
            let ending = match rng.below(3) {
                0 => Ending::Error,
                1 if outcome.protocol != Protocol::Quic => Ending::Reset { stage: Stage::PostSyn },
                _ => silent(outcome.protocol, Stage::PostSyn, false),
            };
            end(outcome, ending);
        }
    }
}

fn end(outcome: &mut Outcome, ending: Ending) {
    outcome.ending = ending;
    outcome.goodput = None;
    outcome.finding = None;
}

const fn silent(protocol: Protocol, stage: Stage, acknowledged: bool) -> Ending {
    match protocol {
        Protocol::Dns | Protocol::Quic => {
            Ending::Silent { stage: Stage::PostPsh, acknowledged: false }
        }
        _ => Ending::Silent { stage, acknowledged },
    }
}

const fn suspect() -> Trace {
    Trace {
        verdict: Verdict::Suspect,
        confidence: Confidence::C2,
        position: Position::Upstream,
        hops: Some(4),
    }
}

const fn forged() -> Trace {
    Trace {
        verdict: Verdict::Injected,
        confidence: Confidence::C3,
        position: Position::Downstream,
        hops: Some(1),
    }
}

/// A fifth of the packets is lost: a tenth of the flows does not survive it, and all are slow.
fn lose(outcome: &mut Outcome, rng: &mut Rng) {
    fail(outcome, 0.2, rng);
    slow(outcome, 0.05, rng);
}

fn lose_all(outcome: &mut Outcome, rng: &mut Rng) {
    let ending = lossy(outcome.protocol, rng);
    end(outcome, ending);
}

fn slow(outcome: &mut Outcome, factor: f64, rng: &mut Rng) {
    if let Some(goodput) = &mut outcome.goodput {
        let factor = factor * (0.5 + unit(rng));
        goodput.bits_per_second = (f64::from(goodput.bits_per_second) * factor) as u32;
        goodput.policed = rng.chance(0.3);
    }
}

fn pace(outcome: &mut Outcome, rng: &mut Rng) {
    if outcome.goodput.is_some() {
        let bits_per_second = (4e5 * (0.97 + 0.06 * unit(rng))) as u32;
        let policed = rng.chance(0.02);
        outcome.goodput = Some(Goodput { bits_per_second, plateau: true, policed });
    }
}

/// A full accept queue: no SYN+ACK, or a handshake whose data nobody acknowledges; or long waiting.
fn crowd(outcome: &mut Outcome, rng: &mut Rng) {
    let ending = match rng.below(4) {
        0 => silent(outcome.protocol, Stage::PostSyn, false),
        1 => silent(outcome.protocol, Stage::PostPsh, false),
        2 => silent(outcome.protocol, Stage::PostPsh, true),
        _ if outcome.protocol != Protocol::Quic => Ending::Reset { stage: Stage::PostPsh },
        _ => Ending::Error,
    };
    end(outcome, ending);
}

fn moved(outcome: &mut Outcome, dns: bool) {
    if dns {
        end(outcome, Ending::FalseAnswer(FalseAnswer::Elsewhere(network(NEW_NET))));
    } else {
        outcome.place = place(NEW_SERVER);
        outcome.server_hops = Some(SERVERS[NEW_SERVER].hops);
    }
}
