//! The ClientHello: which server a TLS client asked for, as far as the bytes seen tell.
//!
//! A passive reader gets what it gets: a hello of a post-quantum client takes two or three segments,
//! circumvention tools split it over tiny records on purpose, and a censor may cut the connection in
//! its middle. So this parser takes the contiguous beginning of the stream (see
//! [`Prefix`](super::stream::Prefix)), joins the records itself, and reports every field that lay
//! whole in the part seen. Sources: RFC 8446 section 4.1.2 and 5.1, RFC 6066 section 3 (server name),
//! RFC 7301 (ALPN), RFC 9849 (ECH).

mod cursor;
pub mod ech;
pub mod server;
#[cfg(test)]
mod tests;

use super::host::{NAME_MAX, normalise};
use cursor::{Cursor, Stop};
use ech::Outer;

/// Most ALPN protocols kept of one hello. Real clients offer two or three.
pub const ALPN_MAX: usize = 16;

const RECORD_HANDSHAKE: u8 = 22;
const RECORD_HEADER: usize = 5;
const HANDSHAKE_CLIENT_HELLO: u8 = 1;
const HANDSHAKE_HEADER: usize = 4;

const EXT_SERVER_NAME: u16 = 0;
const EXT_ALPN: u16 = 16;
const EXT_SUPPORTED_VERSIONS: u16 = 43;
/// RFC 9849 section 11.1.
const EXT_ECH: u16 = 0xfe0d;
/// Encrypted SNI, draft-ietf-tls-esni-02 to -06: dead, but still blocked on sight in China.
const EXT_ESNI: u16 = 0xffce;

/// How much of a ClientHello the bytes hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// The whole message, by its own length.
    Complete,
    /// The beginning of one, or too few bytes to tell.
    Incomplete,
    /// These bytes begin no ClientHello.
    #[default]
    NotTls,
}

/// The Encrypted ClientHello extension.
///
/// A real one and the GREASE that every current browser sends look alike by design (RFC 9849
/// section 6.2), so this says that the extension is there and never that ECH was used: for what can
/// be known of that see [`ech`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ech {
    /// No such extension in the part seen.
    #[default]
    None,
    /// An outer extension, real or GREASE.
    Outer(Outer),
    /// The extension is there but its content cannot be read, or claims to be that of an inner hello,
    /// which no wire ever carries.
    Unreadable,
}

/// What the bytes seen of a ClientHello say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hello {
    /// How much of the message there is.
    pub state: State,
    /// Server name, normalised; None also when it was not in the part seen. With ECH this is the
    /// outer name.
    pub sni: Option<String>,
    /// Application protocols offered, non-printable bytes escaped, at most [`ALPN_MAX`].
    pub alpn: Vec<String>,
    /// Encrypted ClientHello.
    pub ech: Ech,
    /// The older Encrypted SNI extension is present.
    pub esni: bool,
    /// Highest version offered: 0x0304 is TLS 1.3. From `supported_versions` where it was seen, else
    /// the legacy field. 0 when neither was seen.
    pub version: u16,
    /// Length of the whole message in bytes, its header included and record headers not.
    pub length: Option<u32>,
    /// TLS records that carry the part seen. More than one is unusual for a browser and usual for
    /// tools that evade inspection.
    pub records: u16,
    /// Some length or field contradicts the standard. What could be read was read.
    pub malformed: bool,
}

/// Reads a ClientHello at the beginning of a stream of TLS records.
///
/// `prefix` is the contiguous beginning of what the client sent. Never panics; the cost is linear
/// in its length.
#[must_use]
pub fn client_hello(prefix: &[u8]) -> Hello {
    let (message, records) = match join_records(prefix) {
        Ok(joined) => joined,
        Err(NotTls) => return Hello::default(),
    };
    let mut hello = handshake(&message);
    hello.records = records;
    hello
}

/// Reads a ClientHello from handshake bytes without record headers, as QUIC carries it.
#[must_use]
pub fn handshake(message: &[u8]) -> Hello {
    let mut hello = Hello { state: State::Incomplete, ..Hello::default() };
    if message.first().is_some_and(|&kind| kind != HANDSHAKE_CLIENT_HELLO) {
        return Hello::default();
    }
    let Some((header, body)) = message.split_first_chunk::<HANDSHAKE_HEADER>() else {
        return hello;
    };
    let length = u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize;
    hello.length = Some((length + HANDSHAKE_HEADER) as u32);
    if body.len() >= length {
        hello.state = State::Complete;
    }
    match read_body(&mut Cursor::new(body, length), &mut hello) {
        Ok(()) | Err(Stop::Cut) => {}
        Err(Stop::Malformed) => hello.malformed = true,
    }
    hello
}

struct NotTls;

/// Joins the payloads of the handshake records at the beginning of `stream`; ends at the first thing
/// that is none. An empty result is the beginning of a possible record.
fn join_records(mut stream: &[u8]) -> Result<(Vec<u8>, u16), NotTls> {
    let mut message = Vec::with_capacity(stream.len());
    let mut records = 0u16;
    loop {
        // Version bytes are 3.0 to 3.4; the minor one is not checked, since servers ignore it.
        let is_handshake = stream.first().is_none_or(|&kind| kind == RECORD_HANDSHAKE)
            && stream.get(1).is_none_or(|&major| major == 3);
        if !is_handshake {
            return if records == 0 { Err(NotTls) } else { Ok((message, records)) };
        }
        let Some((header, rest)) = stream.split_first_chunk::<RECORD_HEADER>() else {
            return Ok((message, records));
        };
        records = records.saturating_add(1);
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        message.extend_from_slice(&rest[..length.min(rest.len())]);
        let Some(next) = rest.get(length..) else { return Ok((message, records)) };
        stream = next;
    }
}

fn read_body(body: &mut Cursor<'_>, hello: &mut Hello) -> Result<(), Stop> {
    hello.version = body.u16()?;
    body.take(32)?; // random
    let session_id = body.u8()?;
    body.take(usize::from(session_id))?;
    let suites = body.u16()?;
    body.take(usize::from(suites))?;
    let compressions = body.u8()?;
    body.take(usize::from(compressions))?;
    if body.is_empty() {
        return Ok(()); // TLS 1.2 and older allow a hello without extensions.
    }
    let length = usize::from(body.u16()?);
    let mut extensions = body.part(length)?;
    while !extensions.is_empty() {
        let kind = extensions.u16()?;
        let length = usize::from(extensions.u16()?);
        let mut content = extensions.part(length)?;
        match read_extension(kind, &mut content, hello) {
            // A broken extension does not hide those after it.
            Err(Stop::Malformed) => hello.malformed = true,
            other => other?,
        }
    }
    Ok(())
}

fn read_extension(kind: u16, content: &mut Cursor<'_>, hello: &mut Hello) -> Result<(), Stop> {
    match kind {
        EXT_SERVER_NAME => {
            let name = server_name(content)?;
            // A second one is forbidden (RFC 8446 section 4.2); servers that tolerate it differ in
            // which they take. Report the first.
            if hello.sni.is_some() {
                return Err(Stop::Malformed);
            }
            hello.sni = name.map(normalise);
        }
        EXT_ALPN => {
            let length = usize::from(content.u16()?);
            let mut list = content.part(length)?;
            while !list.is_empty() {
                let length = usize::from(list.u8()?);
                let protocol = list.take(length)?;
                if hello.alpn.len() < ALPN_MAX {
                    hello.alpn.push(protocol.escape_ascii().to_string());
                }
            }
        }
        EXT_SUPPORTED_VERSIONS => {
            let length = usize::from(content.u8()?);
            let mut list = content.part(length)?;
            let mut highest = 0;
            while !list.is_empty() {
                let version = list.u16()?;
                if !is_grease(version) {
                    highest = highest.max(version);
                }
            }
            if highest != 0 {
                hello.version = highest;
            }
        }
        EXT_ECH => {
            hello.ech = Ech::Unreadable;
            hello.ech = Ech::Outer(Outer::read(content)?);
        }
        EXT_ESNI => hello.esni = true,
        _ => {}
    }
    Ok(())
}

/// The first host name of the list. (No other kind of name was ever defined.)
fn server_name<'a>(content: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, Stop> {
    let length = usize::from(content.u16()?);
    let mut list = content.part(length)?;
    while !list.is_empty() {
        let kind = list.u8()?;
        let length = usize::from(list.u16()?);
        let name = list.take(length)?;
        if kind == 0 && !name.is_empty() {
            return Ok(Some(&name[..name.len().min(NAME_MAX + 1)]));
        }
    }
    Ok(None)
}

/// Values that mean nothing and keep servers tolerant (RFC 8701): 0x0a0a, 0x1a1a, ... 0xfafa.
fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}
