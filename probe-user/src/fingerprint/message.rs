//! What a DNS message shows of whoever made it.
//!
//! A resolver builds its answers out of the question; who wants to be quicker fills in a form. So flags are
//! the same for every question, the answer's TTL is a number that somebody liked, the owner's name is a
//! pointer to octet 12, and what else the question had (an OPT record) is not answered.

use std::net::IpAddr;

use probe_common::{
    dns::DnsRecord,
    wire::{Packet, dns::flag, quirk},
};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{
    conditions::{Met, check_range, within},
    vector::{Direction, Forged, Trigger, Vector},
};
use crate::{
    data::Fault,
    names::dns::{Dns, Owner},
    sinkholes::{is_bogon, is_nowhere},
};

/// A reply judged forged, or false.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// Its headers.
    pub packet: &'a Packet,
    /// What it says.
    pub dns: &'a Dns,
    /// The question, if it was seen.
    pub asked: Option<&'a DnsRecord>,
    /// Whether it repeats the question's capitals; none if there are none, or it cannot be told.
    pub capitals: Option<bool>,
    /// Id of the sinkhole that it leads to, if that is a known one.
    pub sinkhole: Option<&'a str>,
}

/// Where an answer leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lead {
    /// To the very host that asks: 127.0.0.1, ::1.
    Loopback,
    /// To no host: 0.0.0.0, ::.
    Nowhere,
    /// To an address that no public name has.
    Private,
    /// To any other address.
    Public,
}

/// What became of something that the question had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// The question had none, and the answer has none.
    None,
    /// The answer has it as well.
    Kept,
    /// The answer has none.
    Lost,
    /// The answer has it, and the question did not.
    Added,
}

/// The part of a [vector](Vector) that is about DNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The second 16 bits of the header, in hex: `0x8180` is the usual answer of a resolver.
    pub flags: String,
    /// Questions, answers, authority and additional records.
    pub counts: [u16; 4],
    /// TTLs of the answers in seconds, each once, ascending.
    pub record_ttl: Vec<u32>,
    /// Where the answers lead, each once.
    pub leads_to: Vec<Lead>,
    /// How the first answer names its owner; null without any, or if only its record is known.
    pub owner: Option<Owner>,
    /// What became of the question's OPT record; null if the question was not seen.
    pub opt: Option<Kept>,
    /// Whether it repeats the question's capitals; null if there are none, or it cannot be told.
    pub capitals: Option<bool>,
    /// Octets behind the last record.
    pub trailing: usize,
    /// Ids of the [known sinkholes](crate::sinkholes) that the answers lead to, each once.
    pub sinkholes: Vec<String>,
}

/// Divides replies by what a device does not change from one to the next, in the order of the first of
/// each: China's three devices answer the same question.
#[must_use]
pub fn split<'a>(replies: &[Answered<'a>]) -> Vec<Vec<Answered<'a>>> {
    let hand = |reply: &Answered<'_>| {
        let df = reply.packet.quirks & quirk::DF != 0;
        let counts = reply.dns.counts;
        (reply.dns.flags.raw, counts.answer, counts.additional, df, reply.packet.ip_id == 0)
    };
    let mut groups: Vec<Vec<Answered<'a>>> = Vec::new();
    for reply in replies {
        match groups.iter_mut().find(|group| hand(&group[0]) == hand(reply)) {
            Some(group) => group.push(*reply),
            None => groups.push(vec![*reply]),
        }
    }
    groups
}

/// Describes replies in the order they came. None without any.
#[must_use]
pub fn vector(replies: &[Answered<'_>]) -> Option<Vector> {
    let first = replies.first()?;
    // A message begins with the client's id and the name: none of its octets are the device's own.
    let forged: Vec<Forged<'_>> =
        replies.iter().map(|reply| Forged { packet: reply.packet, payload: &[] }).collect();
    let trigger = first.asked.map(|asked| Trigger { ip_id: asked.query_ip_id, window: 0 });
    let base = Vector::of(&forged, Direction::ToClient, trigger)?;
    Some(base.with_message(Message::of(replies, first)))
}

impl Message {
    fn of(replies: &[Answered<'_>], first: &Answered<'_>) -> Self {
        let dns = first.dns;
        let answers = || replies.iter().flat_map(|reply| &reply.dns.answers);
        let addresses = replies.iter().flat_map(|reply| reply.dns.addresses());
        let sinkholes = replies.iter().filter_map(|reply| reply.sinkhole.map(str::to_owned));
        let opt = first.asked.map(|asked| match (asked.query_opt != 0, dns.opt.is_some()) {
            (false, false) => Kept::None,
            (false, true) => Kept::Added,
            (true, false) => Kept::Lost,
            (true, true) => Kept::Kept,
        });
        Self {
            flags: format!("{:#06x}", dns.flags.raw),
            counts: [
                dns.counts.question,
                dns.counts.answer,
                dns.counts.authority,
                dns.counts.additional,
            ],
            record_ttl: sorted(answers().map(|answer| answer.ttl)),
            leads_to: sorted(addresses.map(lead)),
            owner: dns.owner,
            opt,
            capitals: first.capitals,
            trailing: replies.iter().map(|reply| reply.dns.trailing).max().unwrap_or_default(),
            sinkholes: sorted(sinkholes),
        }
    }

    /// What goes into the [id](super::FingerprintId): see there.
    pub(super) fn canonical(&self, put: &mut impl FnMut(&str, &str)) {
        let flags = u16::from_str_radix(self.flags.trim_start_matches("0x"), 16);
        put("msg", &format!("{:#06x}", flags.unwrap_or_default() & !flag::CD));
        let has_opt = matches!(self.opt, Some(Kept::Kept | Kept::Added));
        let [questions, answers, authorities, additional] = self.counts;
        let additional = additional.saturating_sub(has_opt.into());
        put("counts", &format!("{questions}/{answers}/{authorities}/{additional}"));
        put(
            "rr",
            &match self.record_ttl[..] {
                [] => "none".to_owned(),
                [ttl] if RECORD_TTLS.contains(&ttl) => ttl.to_string(),
                _ => "other".to_owned(),
            },
        );
        let leads: Vec<String> = self.leads_to.iter().map(super::id::word).collect();
        put("to", &leads.join(","));
        put("owner", &self.owner.as_ref().map_or_else(|| "-".to_owned(), super::id::word));
        put("edns", if has_opt { "1" } else { "0" });
        put("more", if self.trailing > 0 { "1" } else { "0" });
    }
}

/// TTLs of answers that somebody chose: few of those that run down in a cache are such.
const RECORD_TTLS: [u32; 12] = [0, 1, 5, 10, 30, 60, 120, 300, 600, 1_024, 3_600, 86_400];

fn lead(address: IpAddr) -> Lead {
    if address.to_canonical().is_loopback() {
        Lead::Loopback
    } else if is_nowhere(address) {
        Lead::Nowhere
    } else if is_bogon(address) {
        Lead::Private
    } else {
        Lead::Public
    }
}

fn sorted<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let set: std::collections::BTreeSet<T> = items.collect();
    set.into_iter().collect()
}

/// What an entry of the catalogue asks of a message. None and an empty list ask nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageConditions {
    flags: Vec<u16>,
    answers: Option<[u64; 2]>,
    additional: Option<[u64; 2]>,
    record_ttl: Option<[u64; 2]>,
    leads_to: Vec<Lead>,
    owner: Vec<Owner>,
    opt: Vec<Kept>,
    capitals: Option<bool>,
}

/// The table `dns` of `when`, as it stands in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMessageConditions {
    #[serde(default)]
    flags: Vec<u16>,
    answers: Option<Spanned<[u64; 2]>>,
    additional: Option<Spanned<[u64; 2]>>,
    record_ttl: Option<Spanned<[u64; 2]>>,
    #[serde(default)]
    leads_to: Vec<Lead>,
    #[serde(default)]
    owner: Vec<Owner>,
    #[serde(default)]
    opt: Vec<Kept>,
    capitals: Option<bool>,
}

impl MessageConditions {
    pub(super) fn check(raw: &RawMessageConditions) -> Result<Self, Fault> {
        let range = |range: &Option<Spanned<[u64; 2]>>| range.as_ref().map(check_range).transpose();
        Ok(Self {
            flags: raw.flags.clone(),
            answers: range(&raw.answers)?,
            additional: range(&raw.additional)?,
            record_ttl: range(&raw.record_ttl)?,
            leads_to: raw.leads_to.clone(),
            owner: raw.owner.clone(),
            opt: raw.opt.clone(),
            capitals: raw.capitals,
        })
    }

    /// Asks what there is to ask; of a vector that is about no message nothing holds.
    pub(super) fn ask(&self, message: Option<&Message>, met: &mut Met) {
        if *self == Self::default() {
            return;
        }
        met.ask(Some(()), 0, |()| message.is_some());
        let Some(message) = message else { return };
        // What most resolvers set says little.
        let usual = self.flags.contains(&0x8180);
        met.ask_any(&self.flags, if usual { 1 } else { 6 }, |flags| {
            message.flags == format!("{flags:#06x}")
        });
        let [_, answers, _, additional] = message.counts;
        met.ask(self.answers, 1, |range| within(range, answers.into()));
        met.ask(self.additional, 1, |range| within(range, additional.into()));
        let points = self.record_ttl.map_or(0, |[from, to]| if from == to { 6 } else { 2 });
        met.ask(self.record_ttl, points, |range| {
            !message.record_ttl.is_empty()
                && message.record_ttl.iter().all(|&ttl| within(range, ttl.into()))
        });
        let leads = (!self.leads_to.is_empty()).then_some(&self.leads_to);
        met.ask(leads, 4, |leads| {
            !message.leads_to.is_empty() && message.leads_to.iter().all(|lead| leads.contains(lead))
        });
        met.ask_any(&self.owner, 1, |&owner| message.owner == Some(owner));
        met.ask_any(&self.opt, 1, |&kept| message.opt == Some(kept));
        met.ask(self.capitals, 2, |kept| message.capitals == Some(kept));
    }
}
