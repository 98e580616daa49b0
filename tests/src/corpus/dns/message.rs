//! DNS messages, composed as servers and injectors do (RFC 1035, section 4; RFC 6891).
//!
//! Written straight into the buffer of a frame: a soak makes tens of millions of them.

use std::{fmt::Write as _, net::IpAddr};

/// Flags, as in the second word of a message.
pub mod flag {
    /// Reply.
    pub const QR: u16 = 0x8000;
    /// Authoritative answer.
    pub const AA: u16 = 0x0400;
    /// Truncated.
    pub const TC: u16 = 0x0200;
    /// Recursion desired.
    pub const RD: u16 = 0x0100;
    /// Recursion available.
    pub const RA: u16 = 0x0080;
    /// Authentic data.
    pub const AD: u16 = 0x0020;
}

/// Response codes.
pub mod rcode {
    /// The query was not understood.
    pub const FORMERR: u16 = 1;
    /// The server failed.
    pub const SERVFAIL: u16 = 2;
    /// There is no such name.
    pub const NXDOMAIN: u16 = 3;
    /// Nothing for this client.
    pub const REFUSED: u16 = 5;
}

/// Types.
pub mod kind {
    /// IPv4 address.
    pub const A: u16 = 1;
    /// Another name.
    pub const CNAME: u16 = 5;
    /// Start of a zone.
    pub const SOA: u16 = 6;
    /// Text.
    pub const TXT: u16 = 16;
    /// IPv6 address.
    pub const AAAA: u16 = 28;
    /// Signature.
    pub const RRSIG: u16 = 46;
    /// How to reach a service (RFC 9460).
    pub const HTTPS: u16 = 65;
}

/// Flags of a recursive resolver's answer.
pub const ANSWER: u16 = flag::QR | flag::RD | flag::RA;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The name, in the letters that it is asked with.
    pub name: String,
    /// The type.
    pub kind: u16,
}

/// Content of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Of type A or AAAA.
    Address(IpAddr),
    /// Of type CNAME.
    Alias(String),
    /// Of any other type, as it stands.
    Opaque(u16, Vec<u8>),
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose it is; none: the question's, by pointer.
    pub owner: Option<String>,
    /// Seconds that it may be kept.
    pub ttl: u32,
    /// What it says.
    pub data: Data,
}

impl Record {
    /// Of the name asked for.
    pub const fn new(ttl: u32, data: Data) -> Self {
        Self { owner: None, ttl, data }
    }

    /// An address of the name asked for.
    pub fn address(ttl: u32, address: impl Into<IpAddr>) -> Self {
        Self::new(ttl, Data::Address(address.into()))
    }
}

/// The OPT record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opt {
    /// Largest datagram welcome.
    pub size: u16,
    /// Whether signatures are.
    pub dnssec: bool,
    /// Options, as they stand.
    pub options: Vec<u8>,
}

impl Opt {
    /// Without options.
    pub const fn of(size: u16, dnssec: bool) -> Self {
        Self { size, dnssec, options: Vec::new() }
    }
}

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Transaction id.
    pub id: u16,
    /// Flags and response code.
    pub flags: u16,
    /// Some servers leave it out of an error.
    pub question: Option<Question>,
    /// Answers.
    pub answers: Vec<Record>,
    /// Records about the zone.
    pub authority: Vec<Record>,
    /// OPT.
    pub opt: Option<Opt>,
}

impl Message {
    /// A query for recursion.
    pub const fn query(id: u16, question: Question, opt: Option<Opt>) -> Self {
        Self {
            id,
            flags: flag::RD,
            question: Some(question),
            answers: Vec::new(),
            authority: Vec::new(),
            opt,
        }
    }

    /// A reply to it with the same id and question, and no OPT record.
    pub fn reply(&self, flags: u16, answers: Vec<Record>) -> Self {
        Self {
            id: self.id,
            flags,
            question: self.question.clone(),
            answers,
            authority: Vec::new(),
            opt: None,
        }
    }

    /// The type asked for.
    pub fn kind(&self) -> u16 {
        self.question.as_ref().map_or(0, |question| question.kind)
    }

    /// Appends it to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let counts = [
            usize::from(self.question.is_some()),
            self.answers.len(),
            self.authority.len(),
            usize::from(self.opt.is_some()),
        ];
        out.extend_from_slice(&self.id.to_be_bytes());
        out.extend_from_slice(&self.flags.to_be_bytes());
        for count in counts {
            out.extend_from_slice(&(count as u16).to_be_bytes());
        }
        if let Some(question) = &self.question {
            put_name(&question.name, out);
            out.extend_from_slice(&question.kind.to_be_bytes());
            out.extend_from_slice(&[0, 1]);
        }
        for record in self.answers.iter().chain(&self.authority) {
            put_record(record, out);
        }
        if let Some(opt) = &self.opt {
            out.extend_from_slice(&[0, 0, 41]);
            out.extend_from_slice(&opt.size.to_be_bytes());
            out.extend_from_slice(&[0, 0, if opt.dnssec { 0x80 } else { 0 }, 0]);
            out.extend_from_slice(&(opt.options.len() as u16).to_be_bytes());
            out.extend_from_slice(&opt.options);
        }
    }

    /// Its octets.
    pub fn octets(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        self.write(&mut out);
        out
    }
}

/// Appends a name in labels.
pub fn put_name(text: &str, out: &mut Vec<u8>) {
    for label in text.split('.').filter(|label| !label.is_empty()) {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
}

fn put_record(record: &Record, out: &mut Vec<u8>) {
    match &record.owner {
        None => out.extend_from_slice(&[0xc0, 12]),
        Some(owner) => put_name(owner, out),
    }
    let kind = match &record.data {
        Data::Address(IpAddr::V4(_)) => kind::A,
        Data::Address(IpAddr::V6(_)) => kind::AAAA,
        Data::Alias(_) => kind::CNAME,
        Data::Opaque(kind, _) => *kind,
    };
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 1]);
    out.extend_from_slice(&record.ttl.to_be_bytes());
    let at = out.len();
    out.extend_from_slice(&[0, 0]);
    match &record.data {
        Data::Address(IpAddr::V4(address)) => out.extend_from_slice(&address.octets()),
        Data::Address(IpAddr::V6(address)) => out.extend_from_slice(&address.octets()),
        Data::Alias(name) => put_name(name, out),
        Data::Opaque(_, octets) => out.extend_from_slice(octets),
    }
    let length = (out.len() - at - 2) as u16;
    out[at..at + 2].copy_from_slice(&length.to_be_bytes());
}

/// A message in the words of the label files: id, first name, flags, and the first octets of each
/// answer. As far as it can be read: what is malformed is no mistake here.
pub fn words(message: &[u8]) -> String {
    let u16_at = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    let (Some(id), Some(flags)) = (u16_at(0), u16_at(2)) else { return "no message".into() };
    let mut text = format!("dns id={id}");
    let (mut at, questions) = (12, u16_at(4).unwrap_or_default());
    if questions > 0 {
        let name = read_name(message, &mut at).unwrap_or_else(|| "?".into());
        at += 4;
        let _ = write!(text, " {}", if name.is_empty() { "." } else { &name });
    }
    let _ = write!(text, " qr={} flags={flags:04x}", flags >> 15);
    let mut answers = Vec::new();
    for _ in 0..u16_at(6).unwrap_or_default().min(8) {
        if read_name(message, &mut at).is_none() {
            break;
        }
        let Some(length) = u16_at(at + 8) else { break };
        let Some(data) = message.get(at + 10..at + 10 + usize::from(length)) else { break };
        answers.push(data.iter().take(16).map(|octet| format!("{octet:02x}")).collect::<String>());
        at += 10 + usize::from(length);
    }
    if !answers.is_empty() {
        let _ = write!(text, " ans={}", answers.join("/"));
    }
    text
}

/// The first name asked for, as it stands; nothing if that cannot be read.
pub fn name_asked(message: &[u8]) -> String {
    let asked = message.get(4..6).is_some_and(|count| count != [0, 0]);
    let name = asked.then(|| read_name(message, &mut 12)).flatten();
    name.unwrap_or_default().to_ascii_lowercase()
}

/// The name at `at`, which moves behind it; a pointer is not followed.
fn read_name(message: &[u8], at: &mut usize) -> Option<String> {
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(*at)?);
        *at += 1;
        match length {
            0 => break,
            1..64 => {
                let label = message.get(*at..*at + length)?;
                let plain = |octet: &u8| {
                    if octet.is_ascii_graphic() && *octet != b',' { *octet as char } else { '?' }
                };
                labels.push(label.iter().map(plain).collect::<String>());
                *at += length;
            }
            _ => {
                *at += 1;
                break;
            }
        }
        if labels.len() > 127 {
            return None;
        }
    }
    Some(labels.join("."))
}

#[cfg(test)]
mod tests {
    use probe_user::names::dns::{AnswerData, Dns};

    use super::{ANSWER, Data, Message, Opt, Question, Record, kind, words};

    #[test]
    fn what_is_composed_is_read_back() {
        let question = Question { name: "wWw.Linkedin.com".into(), kind: kind::A };
        let query = Message::query(7, question, Some(Opt::of(1232, true)));
        let parsed = Dns::parse(&query.octets()).unwrap();
        assert_eq!(parsed.opt.map(|opt| (opt.udp_size, opt.dnssec_ok)), Some((1232, true)));
        let alias = "l-0005.l-msedge.net".to_owned();
        let mut last = Record::address(60, "13.107.42.14".parse::<std::net::Ipv4Addr>().unwrap());
        last.owner = Some(alias.clone());
        let reply = query.reply(ANSWER, vec![Record::new(300, Data::Alias(alias.clone())), last]);
        let parsed = Dns::parse(&reply.octets()).unwrap();
        let question = parsed.question.as_ref().unwrap();
        assert_eq!(
            (question.name.as_str(), question.sent.as_str()),
            ("www.linkedin.com", "wWw.Linkedin.com")
        );
        assert_eq!(parsed.answers[0].data, AnswerData::Cname(alias));
        assert_eq!(parsed.addresses().count(), 1);
        assert!(!parsed.truncated && !parsed.malformed);
        let said = words(&reply.octets());
        assert!(said.starts_with("dns id=7 wWw.Linkedin.com qr=1 flags=8180 ans="), "{said}");
        assert!(said.ends_with("/0d6b2a0e"), "{said}");
    }
}
