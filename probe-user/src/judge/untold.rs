//! First replies that were never told of, as far as the record of their question knows them: names
//! that nobody watches are only told of when they are answered again.

use std::net::IpAddr;

use bytes::Bytes;

use probe_common::{
    dns::{DnsRecord, mark},
    event::DnsEvent,
    wire::dns::flag,
};

use super::{QUIET, exchange::Reply};
use crate::names::dns::{Answer, AnswerData, Counts, Dns, Flags, Opt};

/// The first reply to the question that `second` answers, if it came before, not too long ago, and
/// was not told of.
///
/// Its only answer is known if it is an address. Of more answers, or others, nothing is known: what
/// is put together here is then marked as truncated, so that nothing is held against what is missing.
pub(super) fn first(second: &Reply) -> Option<Reply> {
    let query = second.asked().filter(|query| query.replies != 0)?;
    let repeats = query.reply_marks & mark::SAME_QUESTION != 0;
    if !repeats || second.time().saturating_sub(query.answered) > QUIET {
        return None;
    }
    let mut event = DnsEvent { query: *query, ..second.event };
    event.header.frame = 0;
    event.packet.time = query.answered;
    event.packet.hops = query.reply_hops;
    event.packet.ip_id = query.reply_ip_id;
    event.packet.quirks = query.reply_quirks;
    event.packet.checksum = query.reply_checksum;
    event.packet.payload = query.reply_len.into();
    event.query.replies = 0;
    event.flags = query.reply_flags;
    event.marks = query.reply_marks;
    event.opt = query.reply_opt;
    let [answer, authority, additional] = query.reply_counts;
    event.counts = [second.event.counts[0], answer, authority, additional];
    let dns = message(query, second);
    Some(Reply { event, untold: true, place: 0, dns, payload: Bytes::new(), carried: Vec::new() })
}

fn message(query: &DnsRecord, second: &Reply) -> Dns {
    let [answer, authority, additional] = query.reply_counts;
    let address = query.reply_address.ip();
    let known = answer == 1 && query.reply_kind != 0;
    let data = match address {
        IpAddr::V4(address) => AnswerData::A(address),
        IpAddr::V6(address) => AnswerData::Aaaa(address),
    };
    let only = Answer {
        name: second.dns.qname().unwrap_or_default().to_owned(),
        rtype: query.reply_kind,
        ttl: query.reply_ttl,
        data,
    };
    Dns {
        id: query.id,
        flags: Flags::from_bits(query.reply_flags),
        rcode: query.reply_flags & flag::RCODE,
        question: second.dns.question.clone(),
        counts: Counts { question: second.dns.counts.question, answer, authority, additional },
        answers: if known { vec![only] } else { Vec::new() },
        opt: (query.reply_opt != 0).then(|| Opt { udp_size: query.reply_opt, ..Opt::default() }),
        truncated: answer != 0 && !known,
        ..Dns::default()
    }
}
