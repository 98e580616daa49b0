//! Host of an HTTP/1 request, status and Location of a response, also from a part of either.

use std::net::IpAddr;

use super::host::{NAME_MAX, normalise};

/// Most header fields read of one message. Browsers send about 20; servers seldom more than 40.
pub const HEADERS_MAX: usize = 96;

/// Most bytes kept of a request target or a Location. Block pages carry the whole blocked URL.
pub const TARGET_MAX: usize = 1024;

/// An HTTP/1 request, as far as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, as sent.
    pub method: String,
    /// The host asked for, normalised, without a port: the first Host field, else the authority of
    /// an absolute target or of CONNECT. None when neither was in the part seen.
    pub host: Option<String>,
    /// The request target, escaped, at most [`TARGET_MAX`] bytes.
    pub target: String,
    /// All header fields were seen.
    pub complete: bool,
}

/// Head of an HTTP/1 response, as far as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code, 0 to 999 as sent.
    pub status: u16,
    /// The Location field, escaped, at most [`TARGET_MAX`] bytes.
    pub location: Option<String>,
    /// The Server field, escaped, at most [`TARGET_MAX`] bytes.
    pub server: Option<String>,
    /// Offset of the body; None when the header was not seen to its end.
    pub body: Option<usize>,
    /// A browser shows the body as a page, and not as it is written: HTML, or of no type that is known.
    pub html: bool,
}

/// Reads a request from the beginning of a stream. None when the bytes are no HTTP/1 request, or
/// when the request line is not complete yet.
#[must_use]
pub fn request(bytes: &[u8]) -> Option<Request> {
    let config = parsing();
    let parse = |bytes: &[u8], complete: bool| {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Request::new(&mut headers);
        match config.parse_request(&mut parsed, bytes) {
            Ok(httparse::Status::Partial) => return None,
            // What was read before the error is still what the client asked for.
            Ok(httparse::Status::Complete(_)) | Err(_) => {}
        }
        let (method, target) = (parsed.method?, parsed.path?);
        parsed.version?;
        let host = field(parsed.headers, "host").and_then(host_of_authority);
        Some(Request {
            method: method.chars().take(NAME_MAX).collect(),
            host: host.or_else(|| host_of_target(method, target)),
            target: printable(target.as_bytes()),
            complete,
        })
    };
    parse(bytes, true).or_else(|| parse(&up_to_last_line(bytes)?, false))
}

/// Whether more octets may tell more of the request that these begin; not if they begin none, or all is there.
#[must_use]
pub fn goes_on(bytes: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    parsing().parse_request(&mut parsed, bytes).is_ok_and(|status| status.is_partial())
}

/// How requests are read: as servers take them.
fn parsing() -> httparse::ParserConfig {
    let mut config = httparse::ParserConfig::default();
    config
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .allow_space_before_first_header_name(true)
        .ignore_invalid_headers_in_requests(true);
    config
}

/// Reads the head of a response from the beginning of a stream. None when the bytes are no HTTP/1
/// response, or when the status line is not complete yet.
#[must_use]
pub fn response(bytes: &[u8]) -> Option<Response> {
    let mut config = httparse::ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true);
    let parse = |bytes: &[u8], complete: bool| {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut headers);
        let body = match config.parse_response(&mut parsed, bytes) {
            Ok(httparse::Status::Partial) => return None,
            Ok(httparse::Status::Complete(body)) => complete.then_some(body),
            Err(_) => None,
        };
        Some(Response {
            status: parsed.code?,
            location: field(parsed.headers, "location").map(printable),
            server: field(parsed.headers, "server").map(printable),
            body,
            html: field(parsed.headers, "content-type").is_none_or(is_html),
        })
    };
    parse(bytes, true).or_else(|| parse(&up_to_last_line(bytes)?, false))
}

/// Whether a Content-Type is that of a page.
fn is_html(media: &[u8]) -> bool {
    let media = media.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    media.is_empty()
        || media.eq_ignore_ascii_case(b"text/html")
        || media.eq_ignore_ascii_case(b"application/xhtml+xml")
}

/// The complete lines of a message whose header is not complete, closed by an empty line. (The
/// parser itself forgets what it read when the end is missing.)
fn up_to_last_line(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = bytes.iter().rposition(|&byte| byte == b'\n')? + 1;
    let mut lines = bytes[..end].to_vec();
    lines.extend_from_slice(b"\r\n");
    Some(lines)
}

fn field<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// `host[:port]` to a normalised host (RFC 9110 section 7.2); an address literal in its usual form.
fn host_of_authority(authority: &[u8]) -> Option<String> {
    let authority = authority.trim_ascii();
    let host = match authority.strip_prefix(b"[") {
        Some(literal) => literal.split(|&byte| byte == b']').next().unwrap_or_default(),
        None => authority.split(|&byte| byte == b':').next().unwrap_or_default(),
    };
    if host.is_empty() {
        return None;
    }
    let address = std::str::from_utf8(host).ok().and_then(|text| text.parse::<IpAddr>().ok());
    Some(address.map_or_else(|| normalise(host), |address| address.to_string()))
}

fn host_of_target(method: &str, target: &str) -> Option<String> {
    let authority = if method == "CONNECT" {
        target
    } else {
        let (_, rest) = target.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        authority.rsplit('@').next()?
    };
    host_of_authority(authority.as_bytes())
}

fn printable(raw: &[u8]) -> String {
    let mut text = raw[..raw.len().min(TARGET_MAX)].escape_ascii().to_string();
    text.truncate(TARGET_MAX);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GET: &[u8] =
        b"GET /feed?x=1 HTTP/1.1\r\nUser-Agent: t\r\nhOSt: WWW.LinkedIn.com:80\r\nA: b\r\n\r\nbody";

    #[test]
    fn reads_a_request() {
        let request = request(GET).unwrap();
        assert_eq!(request.method, "GET");
        assert_eq!(request.host.as_deref(), Some("www.linkedin.com"));
        assert_eq!(request.target, "/feed?x=1");
        assert!(request.complete);
    }

    #[test]
    fn every_part_of_a_request_yields_what_it_holds() {
        let line = GET.windows(2).position(|two| two == b"\r\n").unwrap() + 2;
        let host = GET.windows(4).position(|four| four == b"A: b").unwrap();
        let end = GET.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        for cut in 0..=GET.len() {
            let request = request(&GET[..cut]);
            assert_eq!(request.is_some(), cut >= line, "cut at {cut}");
            let Some(request) = request else { continue };
            assert_eq!(request.host.is_some(), cut >= host, "cut at {cut}");
            assert_eq!(request.complete, cut >= end, "cut at {cut}");
        }
    }

    #[test]
    fn finds_the_host_of_other_forms() {
        let host = |text: &str| request(text.as_bytes()).unwrap().host;
        assert_eq!(host("CONNECT lnkd.in:443 HTTP/1.1\r\n\r\n").as_deref(), Some("lnkd.in"));
        let absolute = "GET http://u@www.linkedin.com/a HTTP/1.0\r\n\r\n";
        assert_eq!(host(absolute).as_deref(), Some("www.linkedin.com"));
        let literal = "GET / HTTP/1.1\r\nHost: [2001:DB8:0::1]:8080\r\n\r\n";
        assert_eq!(host(literal).as_deref(), Some("2001:db8::1"));
        assert_eq!(host("GET / HTTP/1.1\r\nHost:\r\n\r\n"), None);
        let odd = "GET / HTTP/1.1\r\nbad header\r\n X: y\r\nHost: a.example\r\n\r\n";
        assert_eq!(host(odd).as_deref(), Some("a.example"));
    }

    #[test]
    fn reads_a_response_and_its_parts() {
        let bytes = b"HTTP/1.1 302 Found\r\nLocation: http://block.example/?u=\x1b\r\n\r\n<html>";
        let whole =
            response(b"HTTP/1.1 302 Found\r\nLocation: http://b.example/\r\n\r\n<").unwrap();
        assert_eq!(whole.status, 302);
        assert_eq!(whole.location.as_deref(), Some("http://b.example/"));
        assert!(whole.body.is_some());
        let part = response(&bytes[..30]).unwrap();
        assert_eq!((part.status, part.location, part.body), (302, None, None));
        assert_eq!(response(b"\x16\x03\x01"), None);
    }

    proptest! {
        #[test]
        fn takes_anything(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = (request(&bytes), response(&bytes));
        }

        #[test]
        fn takes_anything_that_looks_like_it(
            tail in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b':')], 0..300),
        ) {
            let mut bytes = b"GET / HTTP/1.1\r\nHost:".to_vec();
            bytes.extend_from_slice(&tail);
            if let Some(request) = request(&bytes) {
                prop_assert!(request.host.is_none_or(|host| host.len() <= NAME_MAX));
            }
            let mut bytes = b"HTTP/1.1 200 OK\r\nLocation:".to_vec();
            bytes.extend_from_slice(&tail);
            let _ = response(&bytes);
        }
    }
}
