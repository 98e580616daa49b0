//! Do two replies to one question say the same?
//!
//! Two replies that differ are the strongest sign of a forged one there is: of 26.9 million requests
//! at two networks only 2 had differing genuine replies (Duan et al., "Hold-On", 2012). Those two
//! show what has to be exempt: one was two addresses of the same /24, the other a SERVFAIL. So the
//! comparison is between *sets*, blind to order and TTL, and names its reasons to be innocent.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{AnswerData, Dns, RCODE_NOERROR, RCODE_NXDOMAIN};

/// IPv4 addresses whose first 24 bits agree count as one network.
pub const SAME_NETWORK_V4: u32 = 24;
/// IPv6 addresses whose first 48 bits agree count as one network.
pub const SAME_NETWORK_V6: u32 = 48;

/// How two replies to one question differ, from the most innocent to the least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Same response code and same set of answers, whatever the order, the TTLs, the flags and the
    /// other sections.
    Equal,
    /// At least one was truncated, by its sender (TC) or by the capture, so what is missing cannot
    /// be held against it: a truncated reply followed by a full one is ordinary.
    OneIsTruncated,
    /// At least one says that the server failed rather than what the answer is (SERVFAIL, REFUSED,
    /// FORMERR, NOTIMP, ...). Resolvers do that after a good answer, and before one when EDNS was
    /// not understood. An injected failure looks the same, so this is never proof.
    OneFailed {
        /// Response code of the first.
        first: u16,
        /// Response code of the second.
        second: u16,
    },
    /// The addresses differ, but each has a neighbour in the other reply: the same /24 or /48, or the
    /// same origin network. Load balancers do that.
    SameNetwork,
    /// One has addresses, the other is NOERROR without any. Injected empty answers exist; so do
    /// servers that answer half of the time.
    OneIsEmpty,
    /// Same response code and no addresses on either side to compare, but other records differ.
    OtherRecordsDiffer,
    /// One says that the name exists, the other that it does not (NOERROR, NXDOMAIN).
    RcodeDiffers {
        /// Response code of the first.
        first: u16,
        /// Response code of the second.
        second: u16,
    },
    /// Both have addresses, and some have no neighbour in the other reply. With `shared` not empty
    /// this is mostly a server that hands out changing parts of a pool; with `shared` empty, the two
    /// contradict each other.
    DifferentAddresses {
        /// In both.
        shared: Vec<IpAddr>,
        /// Only in the first.
        only_first: Vec<IpAddr>,
        /// Only in the second.
        only_second: Vec<IpAddr>,
    },
    /// They are not replies to the same question.
    NotComparable,
}

impl Difference {
    /// The two replies contradict each other and none of the innocent reasons applies: no shared
    /// address, or one name that exists and does not.
    #[must_use]
    pub fn is_contradiction(&self) -> bool {
        match self {
            Self::RcodeDiffers { .. } => true,
            Self::DifferentAddresses { shared, .. } => shared.is_empty(),
            _ => false,
        }
    }
}

/// Compares two replies to one question, in the order they were seen.
///
/// `same_origin` says of two addresses that lie in different networks whether they belong to one
/// operator all the same (same origin AS); `|_, _| false` when nothing is known. CNAME chains are not
/// compared where there are addresses: two ways to the same servers are the same answer.
///
/// The transaction id is not compared; the caller matched the replies to one query.
#[must_use]
pub fn same_substance(
    first: &Dns,
    second: &Dns,
    same_origin: impl Fn(IpAddr, IpAddr) -> bool,
) -> Difference {
    let question = |dns: &Dns| {
        dns.question
            .as_ref()
            .map(|question| (question.name.clone(), question.qtype, question.qclass))
    };
    let (question_first, question_second) = (question(first), question(second));
    let same_question = match (&question_first, &question_second) {
        (Some(one), Some(two)) => one == two,
        // Some injectors and some failing servers leave the question out.
        _ => true,
    };
    if !(first.flags.qr && second.flags.qr && same_question) {
        return Difference::NotComparable;
    }
    let (set_first, set_second) = (set(first), set(second));
    if first.rcode == second.rcode && set_first == set_second {
        return Difference::Equal;
    }
    if [first, second].iter().any(|dns| dns.flags.tc || dns.truncated) {
        return Difference::OneIsTruncated;
    }
    if first.rcode != second.rcode {
        let (first, second) = (first.rcode, second.rcode);
        let answers = [RCODE_NOERROR, RCODE_NXDOMAIN];
        return if answers.contains(&first) && answers.contains(&second) {
            Difference::RcodeDiffers { first, second }
        } else {
            Difference::OneFailed { first, second }
        };
    }
    let addresses = |dns: &Dns| dns.addresses().collect::<BTreeSet<_>>();
    compare_addresses(&addresses(first), &addresses(second), same_origin)
}

fn compare_addresses(
    first: &BTreeSet<IpAddr>,
    second: &BTreeSet<IpAddr>,
    same_origin: impl Fn(IpAddr, IpAddr) -> bool,
) -> Difference {
    if first == second {
        return Difference::OtherRecordsDiffer;
    }
    if first.is_empty() || second.is_empty() {
        return Difference::OneIsEmpty;
    }
    let near = |one: IpAddr, two: IpAddr| same_network(one, two) || same_origin(one, two);
    let all_near = |these: &BTreeSet<IpAddr>, those: &BTreeSet<IpAddr>| {
        these.iter().all(|&one| those.iter().any(|&two| one == two || near(one, two)))
    };
    if all_near(first, second) && all_near(second, first) {
        return Difference::SameNetwork;
    }
    Difference::DifferentAddresses {
        shared: first.intersection(second).copied().collect(),
        only_first: first.difference(second).copied().collect(),
        only_second: second.difference(first).copied().collect(),
    }
}

/// The answers without owner, order and TTL.
fn set(dns: &Dns) -> BTreeSet<(u16, &AnswerData)> {
    dns.answers.iter().map(|answer| (answer.rtype, &answer.data)).collect()
}

fn same_network(one: IpAddr, two: IpAddr) -> bool {
    match (one, two) {
        (IpAddr::V4(one), IpAddr::V4(two)) => {
            (one.to_bits() ^ two.to_bits()).leading_zeros() >= SAME_NETWORK_V4
        }
        (IpAddr::V6(one), IpAddr::V6(two)) => {
            (one.to_bits() ^ two.to_bits()).leading_zeros() >= SAME_NETWORK_V6
        }
        _ => false,
    }
}
