//! What else could it be? Innocent explanations, one file each, held against the evidence.
//!
//! That a service fails more often than its controls is a fact; that somebody wants it to is a
//! conclusion, drawn only if every explanation here is excluded by something that was seen. What is not
//! excluded is named in the verdict, which is then `inconclusive`; what fits better than blocking makes
//! it an `outage`.

mod client_side;
mod filtering_resolver;
mod moved;
mod overload;
mod packet_size;
mod path;
mod resolver;
mod server;
mod uplink;
mod vantage_blind;

use super::{
    method::Method,
    sketch::Range,
    verdict::{Explanation, Rival, Standing},
};

/// Clients on whom the failures must rest before a service is called blocked. Trouble of one household's
/// router, of one company's filter or of one antivirus product rests on fewer.
pub const CLIENTS_MIN: f64 = 8.0;

/// Distinct clients whose packets prove another's hand, for the proof to be of the service and not of a
/// client's own environment.
pub const PROVEN_MIN: u64 = 3;

/// Part of the affected clients that these must be: detectors miss most of what some devices do, but what
/// explains one flow in a hundred does not explain the rest.
const PROVEN_PART: f64 = 0.1;

/// All that explanations look at.
#[derive(Debug, Clone, Default)]
pub(super) struct Situation {
    pub(super) method: Option<Method>,
    /// Mean share that failed in the way of the method: of the service, and of all controls.
    pub(super) share: f64,
    pub(super) any_established: bool,
    pub(super) any_share: f64,
    pub(super) near_established: bool,
    pub(super) near_n: f64,
    pub(super) near_share: f64,
    /// Large first messages served at the nearest controls.
    pub(super) near_large: u64,
    pub(super) affected: Range,
    /// On how many clients the failures rest.
    pub(super) carriers: f64,
    pub(super) proven: Range,
    /// Affected flows; of these without acknowledgement, with small first message, prohibited by a device
    /// before the server.
    pub(super) flows: u64,
    pub(super) unacknowledged: u64,
    pub(super) small: u64,
    pub(super) icmp_before_server: u64,
    /// All flows; of these with small first message, seen in one direction.
    pub(super) all: u64,
    pub(super) all_small: u64,
    pub(super) one_way: u64,
    /// False answers by what they were.
    pub(super) listed: u64,
    pub(super) elsewhere: u64,
    /// Clients that were served by the service at the networks that answers led to.
    pub(super) served_there: u64,
    /// Slow flows, policed ones, and those within a narrow band of goodput.
    pub(super) slow: u64,
    pub(super) policed: u64,
    pub(super) equally_slow: u64,
    /// The resolver is on the client's own side.
    pub(super) local: bool,
    /// Networks of resolvers that give false answers, and the part of all clients that ask them.
    pub(super) liars: u64,
    pub(super) liars_part: f64,
    /// Another observer sees the service healthy at the same place.
    pub(super) healthy_elsewhere: bool,
    /// Operators at whose networks the same began at the same time while their other addresses or names
    /// were served; and whether one of them is not the service's own.
    pub(super) operators: u64,
    pub(super) foreign: bool,
    /// By what factor more clients asked, measured by the controls, than before it began.
    pub(super) load: f64,
    /// The other end says itself that it cannot.
    pub(super) says_so: bool,
}

impl Situation {
    /// Packets prove that somebody else than the ends had a hand in it, often enough to explain it.
    fn is_proven(&self) -> bool {
        let part = (self.affected.most as f64 * PROVEN_PART).ceil() as u64;
        self.proven.least >= PROVEN_MIN.max(part)
    }

    /// It began at networks of several operators at once, one of them not the service's own, and it is
    /// about addresses. An operator's edge answers a SYN itself, whatever has become of the service
    /// behind it; what comes after that, all edges may pass on from one origin.
    fn is_at_several_operators(&self) -> bool {
        self.operators >= 2 && self.foreign && self.method_is(&[Method::IpDrop, Method::IpReset])
    }

    /// What part so many slow flows are of those that are slow beyond the share of the nearest controls:
    /// some lines are slow wherever their flows go, and what is asked is what the others have in common.
    fn part_of_slowed(&self, count: u64) -> f64 {
        let beyond = self.slow as f64 * (1.0 - self.near_share / self.share.max(self.near_share));
        if beyond > 0.0 { (count as f64 / beyond).min(1.0) } else { 0.0 }
    }

    fn method_is(&self, methods: &[Method]) -> bool {
        self.method.is_some_and(|method| methods.contains(&method))
    }

    fn is_dns(&self) -> bool {
        self.method_is(&[Method::DnsInjection, Method::DnsLie])
    }
}

/// How an explanation stands, and why.
type Weighed = Option<(Standing, String)>;

/// Weighs an explanation; nothing if it does not apply.
type Weigh = fn(&Situation) -> Weighed;

/// Weighs all explanations that apply.
pub(super) fn weigh(situation: &Situation) -> Vec<Rival> {
    let all: [(Explanation, Weigh); 10] = [
        (Explanation::Uplink, uplink::weigh),
        (Explanation::Path, path::weigh),
        (Explanation::Server, server::weigh),
        (Explanation::Overload, overload::weigh),
        (Explanation::Resolver, resolver::weigh),
        (Explanation::FilteringResolver, filtering_resolver::weigh),
        (Explanation::Moved, moved::weigh),
        (Explanation::ClientSide, client_side::weigh),
        (Explanation::VantageBlind, vantage_blind::weigh),
        (Explanation::PacketSize, packet_size::weigh),
    ];
    all.into_iter()
        .filter_map(|(name, weigh)| {
            let (standing, why) = weigh(situation)?;
            Some(Rival { name, standing, why })
        })
        .collect()
}

fn lost(why: impl Into<String>) -> Weighed {
    Some((Standing::Lost, why.into()))
}

fn stands(why: impl Into<String>) -> Weighed {
    Some((Standing::Stands, why.into()))
}

fn won(why: impl Into<String>) -> Weighed {
    Some((Standing::Won, why.into()))
}

/// A share in percent.
fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
fn blocked_by(method: Method) -> Situation {
    Situation {
        method: Some(method),
        share: 0.9,
        any_established: true,
        affected: Range { least: 40, most: 40 },
        carriers: 30.0,
        flows: 400,
        all: 500,
        load: 1.0,
        ..Situation::default()
    }
}

#[cfg(test)]
fn standing(weighed: Weighed) -> Standing {
    weighed.expect("an explanation that applies").0
}
