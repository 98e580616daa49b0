//! What a server answers to a ClientHello, as far as it is in the clear: whether it speaks TLS at all,
//! an alert, and up to TLS 1.2 the names of its certificate.
//!
//! Sources: RFC 5246 sections 7.2 and 7.4.2, RFC 8446 sections 4.1.3 and 6, RFC 6066 section 3
//! (`unrecognized_name`), RFC 6125 section 6.4 (matching).

use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::{
    cursor::{Cursor, Stop},
    join_records,
};
use crate::names::host::normalise;

/// Alert of a server that does not know the name it was asked for.
pub const UNRECOGNIZED_NAME: u8 = 112;

const RECORD_ALERT: u8 = 21;
/// Level of an alert that does not end the connection.
const WARNING: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const EXT_SUPPORTED_VERSIONS: u16 = 43;
const TLS_1_3: u16 = 0x0304;

/// Most names taken of one certificate.
const NAMES_MAX: usize = 256;

/// What a server's first bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flight {
    /// Too little was seen to say.
    Unknown,
    /// Nothing that TLS is.
    NotTls,
    /// It refuses with this alert.
    Alert(u8),
    /// TLS 1.3, which hides the certificate.
    Hidden,
    /// The names of its certificate, normalised, `*` kept.
    Names(Vec<String>),
}

/// Reads the contiguous beginning of what a server sent.
#[must_use]
pub fn flight(mut prefix: &[u8]) -> Flight {
    while let [RECORD_ALERT, 3, rest @ ..] = prefix {
        match rest {
            // The server goes on all the same: RFC 6066 leaves that to it where it does not know the name.
            [_, high, low, WARNING, _, ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                prefix = prefix.get(5 + length..).unwrap_or_default();
            }
            [_, _, _, _, alert, ..] => return Flight::Alert(*alert),
            _ => return Flight::Unknown,
        }
    }
    if prefix.is_empty() {
        return Flight::Unknown;
    }
    let Ok((messages, records)) = join_records(prefix) else { return Flight::NotTls };
    if records == 0 {
        return Flight::Unknown;
    }
    match read(&messages) {
        Ok(flight) => flight,
        // What breaks off or is malformed says nothing about the name.
        Err(Stop::Cut | Stop::Malformed) => Flight::Unknown,
    }
}

fn read(messages: &[u8]) -> Result<Flight, Stop> {
    let mut all = Cursor::new(messages, usize::MAX);
    loop {
        let kind = all.u8()?;
        let length = usize::from(all.u8()?) << 16 | usize::from(all.u16()?);
        let mut body = all.part(length)?;
        match kind {
            SERVER_HELLO if version(&mut body)? == TLS_1_3 => return Ok(Flight::Hidden),
            SERVER_HELLO => {}
            CERTIFICATE => {
                body.take(3)?;
                let length = usize::from(body.u8()?) << 16 | usize::from(body.u16()?);
                let leaf = body.take(length)?;
                return Ok(names(leaf).map_or(Flight::Unknown, Flight::Names));
            }
            // Another message where the certificate should be, as in a resumed session.
            _ => return Ok(Flight::Unknown),
        }
    }
}

fn version(body: &mut Cursor<'_>) -> Result<u16, Stop> {
    let mut version = body.u16()?;
    body.take(32)?; // random
    let session_id = body.u8()?;
    body.take(usize::from(session_id) + 3)?; // cipher suite and compression
    if body.is_empty() {
        return Ok(version);
    }
    let length = usize::from(body.u16()?);
    let mut extensions = body.part(length)?;
    while !extensions.is_empty() {
        let kind = extensions.u16()?;
        let length = usize::from(extensions.u16()?);
        let mut content = extensions.part(length)?;
        if kind == EXT_SUPPORTED_VERSIONS {
            version = content.u16()?;
        }
    }
    Ok(version)
}

/// The host names of a certificate; none if it cannot be read. The common name counts if there is no
/// alternative one, as clients of the past had it.
fn names(der: &[u8]) -> Option<Vec<String>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut names: Vec<String> = Vec::new();
    if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
        let dns = alternative.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(normalise(name.as_bytes())),
            _ => None,
        });
        names.extend(dns.take(NAMES_MAX));
    }
    if names.is_empty() {
        let common = certificate.subject().iter_common_name();
        names.extend(common.filter_map(|name| Some(normalise(name.as_str().ok()?.as_bytes()))));
    }
    Some(names)
}

/// Whether one of a certificate's `names` is `host`, or stands for it by a `*` in place of the first
/// label. Both are normalised.
#[must_use]
pub fn covers(names: &[String], host: &str) -> bool {
    names.iter().any(|name| {
        name == host
            || name
                .strip_prefix("*.")
                .is_some_and(|rest| host.split_once('.').is_some_and(|(_, parent)| parent == rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A self-signed certificate for `a.example` and `*.b.example`, made with OpenSSL.
    const LEAF: &str = include_str!("leaf.hex");

    fn leaf() -> Vec<u8> {
        let hex: Vec<u8> = LEAF.bytes().filter(u8::is_ascii_hexdigit).collect();
        let octet = |pair: &[u8]| {
            let text = std::str::from_utf8(pair).expect("hex is ASCII");
            u8::from_str_radix(text, 16).expect("hex")
        };
        hex.chunks(2).map(octet).collect()
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32).to_be_bytes();
        [&[kind], &length[1..], body].concat()
    }

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind, 3, 3], &(body.len() as u16).to_be_bytes()[..], body].concat()
    }

    fn hello(extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0xc0, 0x2f, 0]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        message(SERVER_HELLO, &body)
    }

    fn certificate() -> Vec<u8> {
        let leaf = leaf();
        let length = |octets: usize| (octets as u32).to_be_bytes()[1..].to_vec();
        let body = [length(leaf.len() + 3), length(leaf.len()), leaf].concat();
        message(CERTIFICATE, &body)
    }

    #[test]
    fn the_names_of_a_certificate_of_tls_1_2() {
        let messages = [hello(&[]), certificate()].concat();
        // In one record, in two, and in two that divide a message.
        let whole = record(22, &messages);
        let two = [record(22, &messages[..200]), record(22, &messages[200..])].concat();
        let want = Flight::Names(vec!["a.example".into(), "*.b.example".into()]);
        assert_eq!((flight(&whole), flight(&two)), (want.clone(), want));
        for cut in 0..whole.len() {
            assert_eq!(flight(&whole[..cut]), Flight::Unknown, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_hidden_refused_or_no_tls() {
        assert_eq!(flight(&record(22, &hello(&[0, 43, 0, 2, 3, 4]))), Flight::Hidden);
        assert_eq!(flight(&record(21, &[2, 112])), Flight::Alert(UNRECOGNIZED_NAME));
        assert_eq!(flight(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Flight::NotTls);
        assert_eq!(flight(b"\x15\x03\x03"), Flight::Unknown);
        // A resumed session: no certificate comes.
        assert_eq!(flight(&record(22, &[hello(&[]), message(4, &[0])].concat())), Flight::Unknown);
    }

    #[test]
    fn a_star_stands_for_one_label() {
        let names = ["a.example".to_owned(), "*.b.example".to_owned()];
        assert!(covers(&names, "a.example") && covers(&names, "x.b.example"));
        assert!(!covers(&names, "b.example") && !covers(&names, "y.x.b.example"));
        assert!(!covers(&names, "x.a.example"));
    }
}
