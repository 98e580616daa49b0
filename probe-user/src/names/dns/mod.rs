//! DNS messages as evidence: what was asked, what was answered, and whether two answers agree.
//!
//! [`Dns::parse`] keeps what a detector needs (flags, the question in the spelling it was sent in,
//! answers, the OPT record) and never refuses a message for being odd: an injector's answer often
//! *is* odd, and that is evidence. [`same_substance`] compares two answers to one question.
//!
//! Sources: RFC 1035 section 4 (format), RFC 6891 (OPT), RFC 4343 (case).

mod compare;
mod https;
pub mod tcp;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, Ipv6Addr};

use domain::base::iana::{Class, Rtype};
use domain::base::name::ToLabelIter as _;
use domain::base::rdata::ComposeRecordData as _;
use domain::base::wire::ParseError;
use domain::base::{ParsedName, ParsedRecord};
use domain::dep::octseq::Parser;
use domain::rdata::{A, Aaaa, AllRecordData, Cname};

pub use compare::{Difference, SAME_NETWORK_V4, SAME_NETWORK_V6, same_substance};
pub use https::ech_configs;

use super::host::push_label;

/// Most answer records kept of one message. A large answer has a dozen; what is beyond is counted
/// in [`Counts::answer`] only.
pub const ANSWERS_MAX: usize = 64;

/// Most records walked in one message, of all sections. The format allows 3 x 65,535.
pub const RECORDS_MAX: usize = 512;

/// Query type A.
pub const TYPE_A: u16 = 1;
/// Query type AAAA.
pub const TYPE_AAAA: u16 = 28;
/// Query type SVCB.
pub const TYPE_SVCB: u16 = 64;
/// Query type HTTPS.
pub const TYPE_HTTPS: u16 = 65;
/// Response code NOERROR.
pub const RCODE_NOERROR: u16 = 0;
/// Response code SERVFAIL.
pub const RCODE_SERVFAIL: u16 = 2;
/// Response code NXDOMAIN.
pub const RCODE_NXDOMAIN: u16 = 3;
/// Response code REFUSED.
pub const RCODE_REFUSED: u16 = 5;

const HEADER: usize = 12;
/// Octets of the shortest record: the root, type, class, time to live, no data.
const RECORD_MIN: usize = 11;
const CLASS_IN: Class = Class::IN;

/// Why bytes are no DNS message at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DnsError {
    /// Shorter than a header.
    #[error("a DNS message has at least {HEADER} bytes of header, this one has {length}")]
    Short {
        /// Bytes there were.
        length: usize,
    },
}

/// The second 16 bits of the header, taken apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// The 16 bits as sent, response code included: 0x8180 is the usual answer of a resolver.
    pub raw: u16,
    /// Reply rather than query.
    pub qr: bool,
    /// Operation, 0 for a standard query.
    pub opcode: u8,
    /// Authoritative answer. A recursive resolver does not set it.
    pub aa: bool,
    /// Truncated by the sender.
    pub tc: bool,
    /// Recursion desired.
    pub rd: bool,
    /// Recursion available.
    pub ra: bool,
    /// Reserved, always clear in honest messages.
    pub z: bool,
    /// Authentic data (DNSSEC).
    pub ad: bool,
    /// Checking disabled (DNSSEC).
    pub cd: bool,
}

/// The first question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// The name, normalised as by [`normalise`](super::host::normalise).
    pub name: String,
    /// The name with the letters in the case they were sent in. Resolvers mix the case at random
    /// ("0x20") and a genuine reply repeats it.
    pub sent: String,
    /// Type asked for: 1 A, 28 AAAA, 65 HTTPS.
    pub qtype: u16,
    /// Class, 1 for the Internet.
    pub qclass: u16,
}

/// Records that the header announces, by section.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Questions, normally 1.
    pub question: u16,
    /// Answers.
    pub answer: u16,
    /// Authority records.
    pub authority: u16,
    /// Additional records; OPT is one of them.
    pub additional: u16,
}

/// One record of the answer section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Owner name, normalised.
    pub name: String,
    /// Record type.
    pub rtype: u16,
    /// Time to live in seconds.
    pub ttl: u32,
    /// The content.
    pub data: AnswerData,
}

/// Content of an answer record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnswerData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// Another name, normalised.
    Cname(String),
    /// Anything else, and records of class other than IN.
    Other {
        /// Length of the data in canonical form (names uncompressed), in bytes.
        length: u16,
        /// FNV-1a of the data in canonical form (names also lowercased), so that two messages that
        /// compress differently agree. For comparison only: an adversary can collide it.
        digest: u64,
    },
}

/// How a record names its owner, which most messages do in the same way for every answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owner {
    /// By a pointer to the question: RFC 1035, section 4.1.4.
    Pointer,
    /// By a pointer to anything else.
    Elsewhere,
    /// In full, or ending in a pointer.
    Full,
}

/// The OPT pseudo-record (EDNS).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opt {
    /// Largest UDP payload that the sender takes, in bytes.
    pub udp_size: u16,
    /// EDNS version, 0.
    pub version: u8,
    /// DNSSEC records wanted.
    pub dnssec_ok: bool,
    /// Bytes of options.
    pub options_len: u16,
}

/// A DNS message as far as it was captured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// Transaction id.
    pub id: u16,
    /// Header flags.
    pub flags: Flags,
    /// Response code, with the upper bits that OPT adds.
    pub rcode: u16,
    /// The first question, if it could be read.
    pub question: Option<Question>,
    /// Records announced.
    pub counts: Counts,
    /// How the first answer names its owner; none without any.
    pub owner: Option<Owner>,
    /// Answers that could be read, at most [`ANSWERS_MAX`], in the order sent.
    pub answers: Vec<Answer>,
    /// EDNS, if present and readable.
    pub opt: Option<Opt>,
    /// Bytes after the last announced record. 0 when the end was not reached.
    pub trailing: usize,
    /// The bytes end before the message does: a short capture, or a message that announces more
    /// than it has. What came before was kept.
    pub truncated: bool,
    /// Something contradicts the format (a bad name, record data of the wrong length, more than
    /// [`RECORDS_MAX`] records). What came before was kept.
    pub malformed: bool,
}

impl Dns {
    /// Reads a message from a UDP payload, or from TCP after its length field.
    ///
    /// # Errors
    /// Only when there are fewer bytes than a header. Everything else is a flag.
    pub fn parse(bytes: &[u8]) -> Result<Self, DnsError> {
        if bytes.len() < HEADER {
            return Err(DnsError::Short { length: bytes.len() });
        }
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let flags = Flags::from_bits(word(2));
        let mut dns = Self {
            id: word(0),
            flags,
            rcode: flags.raw & 15,
            counts: Counts {
                question: word(4),
                answer: word(6),
                authority: word(8),
                additional: word(10),
            },
            ..Self::default()
        };
        let mut parser = Parser::from_ref(bytes);
        match parser.advance(HEADER).map_err(ParseError::from).and_then(|()| dns.read(&mut parser))
        {
            Ok(()) => dns.trailing = parser.remaining(),
            Err(ParseError::ShortInput) => dns.truncated = true,
            Err(ParseError::Form(_)) => dns.malformed = true,
        }
        Ok(dns)
    }

    /// The name asked for, normalised.
    #[must_use]
    pub fn qname(&self) -> Option<&str> {
        self.question.as_ref().map(|question| question.name.as_str())
    }

    /// The type asked for.
    #[must_use]
    pub fn qtype(&self) -> Option<u16> {
        self.question.as_ref().map(|question| question.qtype)
    }

    /// The addresses among the answers, in the order sent.
    pub fn addresses(&self) -> impl Iterator<Item = std::net::IpAddr> + '_ {
        self.answers.iter().filter_map(|answer| match answer.data {
            AnswerData::A(address) => Some(address.into()),
            AnswerData::Aaaa(address) => Some(address.into()),
            _ => None,
        })
    }

    /// Octets of memory that it takes beside its own: a pointer of two octets may stand for a name of 255.
    pub(crate) fn heap_octets(&self) -> usize {
        let question = self.question.as_ref().map_or(0, |one| one.name.len() + one.sent.len());
        let answer = |one: &Answer| {
            let target = if let AnswerData::Cname(name) = &one.data { name.len() } else { 0 };
            one.name.len() + target
        };
        let answers: usize = self.answers.iter().map(answer).sum();
        question + answers + self.answers.capacity() * size_of::<Answer>()
    }

    fn read(&mut self, parser: &mut Parser<'_, [u8]>) -> Result<(), ParseError> {
        for index in 0..self.counts.question {
            let name = ParsedName::parse_ref(parser)?;
            let (qtype, qclass) = (parser.parse_u16_be()?, parser.parse_u16_be()?);
            if index == 0 {
                let sent = text(&name, false);
                let name = sent.to_ascii_lowercase();
                self.question = Some(Question { name, sent, qtype, qclass });
            } else if usize::from(index) >= RECORDS_MAX {
                return Err(ParseError::form_error("too many questions"));
            }
        }
        let sections = [self.counts.answer, self.counts.authority, self.counts.additional];
        let mut walked = 0;
        // No record is shorter, so what is announced cannot ask for more room than there may be use for.
        let room = parser.remaining() / RECORD_MIN;
        self.answers.reserve_exact(ANSWERS_MAX.min(self.counts.answer.into()).min(room));
        for (section, count) in sections.into_iter().enumerate() {
            for index in 0..count {
                let owner = if section == 0 { parser.peek(2).ok().map(Owner::of) } else { None };
                if section == 0 && index == 0 {
                    self.owner = owner;
                }
                let record = ParsedRecord::parse(parser)?;
                walked += 1;
                if walked > RECORDS_MAX {
                    return Err(ParseError::form_error("too many records"));
                }
                if section == 0 && self.answers.len() < ANSWERS_MAX {
                    let data = parser.pos() - usize::from(record.rdlen())..parser.pos();
                    self.keep_answer(&record, owner, &parser.octets_ref()[data]);
                } else if section == 2 && record.rtype() == Rtype::OPT {
                    self.keep_opt(&record);
                }
            }
        }
        Ok(())
    }

    fn keep_answer(&mut self, record: &ParsedRecord<'_, [u8]>, owner: Option<Owner>, raw: &[u8]) {
        let (data, whole) = match (record.class(), record.rtype()) {
            (CLASS_IN, Rtype::A) => known(record, raw, |data: A| AnswerData::A(data.addr())),
            (CLASS_IN, Rtype::AAAA) => {
                known(record, raw, |data: Aaaa| AnswerData::Aaaa(data.addr()))
            }
            (CLASS_IN, Rtype::CNAME) => known(record, raw, |data: Cname<ParsedName<&[u8]>>| {
                AnswerData::Cname(text(data.cname(), true))
            }),
            _ => other(record, raw),
        };
        self.malformed |= !whole;
        self.answers.push(Answer {
            name: match (&self.question, owner) {
                (Some(question), Some(Owner::Pointer)) => question.name.clone(),
                _ => text(&record.owner(), true),
            },
            rtype: record.rtype().to_int(),
            ttl: record.ttl().as_secs(),
            data,
        });
    }

    /// An OPT record keeps its figures where others have class and TTL (RFC 6891 section 6.1.2).
    fn keep_opt(&mut self, record: &ParsedRecord<'_, [u8]>) {
        if self.opt.is_some() {
            self.malformed = true;
            return;
        }
        let ttl = record.ttl().as_secs();
        self.rcode |= ((ttl >> 24) as u16) << 4;
        self.opt = Some(Opt {
            udp_size: record.class().to_int(),
            version: (ttl >> 16) as u8,
            dnssec_ok: ttl & 0x8000 != 0,
            options_len: record.rdlen(),
        });
    }
}

impl Owner {
    /// Of the first two octets of a record behind the question.
    const fn of(octets: &[u8]) -> Self {
        const QUESTION: u8 = HEADER as u8;
        match octets {
            [0xc0, QUESTION] => Self::Pointer,
            [0xc0..=0xff, _] => Self::Elsewhere,
            _ => Self::Full,
        }
    }
}

impl Flags {
    pub(crate) fn from_bits(raw: u16) -> Self {
        let bit = |shift: u32| raw >> shift & 1 == 1;
        Self {
            raw,
            qr: bit(15),
            opcode: (raw >> 11 & 15) as u8,
            aa: bit(10),
            tc: bit(9),
            rd: bit(8),
            ra: bit(7),
            z: bit(6),
            ad: bit(5),
            cd: bit(4),
        }
    }
}

/// Reads record data of a known type; as opaque data, and false, when its content is not of the type.
fn known<'a, Data>(
    record: &ParsedRecord<'a, [u8]>,
    raw: &[u8],
    keep: impl FnOnce(Data) -> AnswerData,
) -> (AnswerData, bool)
where
    Data: domain::base::rdata::ParseRecordData<'a, [u8]>,
{
    match record.to_record::<Data>() {
        Ok(Some(parsed)) => (keep(parsed.into_data()), true),
        Ok(None) | Err(_) => (other(record, raw).0, false),
    }
}

fn other(record: &ParsedRecord<'_, [u8]>, raw: &[u8]) -> (AnswerData, bool) {
    let mut canonical = Vec::new();
    let parsed = record.to_any_record::<AllRecordData<_, _>>();
    let whole =
        parsed.is_ok_and(|parsed| parsed.data().compose_canonical_rdata(&mut canonical).is_ok());
    let content = if whole { &canonical[..] } else { raw };
    (AnswerData::Other { length: content.len() as u16, digest: fnv1a(content) }, whole)
}

fn text(name: &ParsedName<&[u8]>, lowercase: bool) -> String {
    let mut text = String::new();
    for label in name.iter_labels().filter(|label| !label.is_root()) {
        push_label(&mut text, label.as_slice(), lowercase);
    }
    text
}

/// FNV-1a, 64 bit: stable between versions and machines, unlike the standard hasher.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
