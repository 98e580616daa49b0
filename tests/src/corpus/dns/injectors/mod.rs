//! Models of what answers falsely, one file for each kind.
//!
//! A model says what is sent for a question, with which header fields. The figures are those
//! published about the device; what is not published is the plainest thing that fits.

mod gfw;
mod isp;
mod states;
mod tools;

use std::net::IpAddr;

use super::{
    datagram::Look,
    message::{ANSWER, Message, Record, kind},
    resolver::{Node, Sort},
    scene::Asked,
};
use crate::corpus::{injectors::Deed, rng::Rng, script::MS};

/// Where the answer is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Beside the way: the genuine answer comes, too.
    Beside,
    /// In the way: the question goes no further.
    InPath,
    /// At the resolver itself.
    Resolver,
    /// Beside the way to an address at which nobody answers.
    Closed,
}

impl Place {
    /// In tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Beside => "beside the way",
            Self::InPath => "in the way",
            Self::Resolver => "at the resolver",
            Self::Closed => "beside the way to nobody",
        }
    }
}

/// A model.
pub struct Model {
    /// Its name in names of cases, behind `dns-`.
    pub name: &'static str,
    /// What it does, in a line.
    pub what: &'static str,
    /// Where that was described.
    pub source: &'static str,
    /// What is done.
    pub deed: Deed,
    /// Where.
    pub place: Place,
    /// Whom clients ask.
    pub sort: Sort,
    /// What they ask for.
    pub kinds: &'static [u16],
    /// Whether it acts on questions with an OPT record.
    pub edns: bool,
    /// What is sent.
    pub fire: fn(&Trigger<'_>, &mut Rng) -> Vec<Forged>,
}

/// A question that sets a device off.
pub struct Trigger<'a> {
    /// The question.
    pub asked: &'a Asked,
    /// What the resolver says, whether that ever comes or not.
    pub genuine: &'a Message,
    /// The machine that would say it.
    pub node: Node,
    /// Hops between router and device.
    pub hops: u8,
    /// Answers that the device has made before.
    pub number: u64,
}

/// A false answer.
#[derive(Clone, Debug)]
pub struct Forged {
    /// How long after the question passes, in nanoseconds.
    pub after: u64,
    /// Its header where it is sent; none: as the resolver's own.
    pub look: Option<Look>,
    /// The answer.
    pub message: Message,
}

/// All models.
pub fn all() -> Vec<&'static Model> {
    [gfw::MODELS, states::MODELS, isp::MODELS, tools::MODELS].into_iter().flatten().collect()
}

/// Addresses of both families are asked for.
const BOTH: &[u16] = &[kind::A, kind::AAAA];

/// Only IPv4 addresses are.
const V4: &[u16] = &[kind::A];

/// Only IPv6 addresses are.
const V6: &[u16] = &[kind::AAAA];

impl Trigger<'_> {
    /// TTL of the question where the device sees it.
    fn ttl(&self) -> u8 {
        self.asked.look.ttl.saturating_sub(self.hops)
    }

    /// A reply with one address, by pointer to the question's name, and nothing else.
    fn one(&self, flags: u16, ttl: u32, address: impl Into<IpAddr>) -> Message {
        self.asked.query.reply(flags, vec![Record::address(ttl, address)])
    }

    /// The address for the type that is asked for.
    fn choose(&self, v4: &str, v6: &str) -> IpAddr {
        let text = if self.asked.query.kind() == kind::AAAA { v6 } else { v4 };
        text.parse().unwrap_or_else(|_| unreachable!("{text} is an address"))
    }
}

/// Sent so many microseconds after the question, with these header fields.
fn sent(micros: u64, look: Look, message: Message) -> Forged {
    Forged { after: micros * (MS / 1_000), look: Some(look), message }
}

/// Said by the resolver itself.
fn said(message: Message) -> Vec<Forged> {
    vec![Forged { after: 0, look: None, message }]
}

/// Said by the resolver itself, of which it says that it looked it up.
fn found(trigger: &Trigger<'_>, ttl: u32, v4: &str, v6: &str) -> Vec<Forged> {
    let mut message = trigger.one(ANSWER, ttl, trigger.choose(v4, v6));
    message.opt.clone_from(&trigger.genuine.opt);
    said(message)
}
