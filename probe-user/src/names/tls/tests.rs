//! Hellos built here, read whole, in parts and damaged, and compared with the `tls-parser` crate.

use proptest::prelude::*;
use tls_parser::{SNIType, TlsExtension, TlsMessage, TlsMessageHandshake};

use super::*;

/// What to build a hello from.
#[derive(Debug, Clone)]
struct Recipe {
    name: Option<Vec<u8>>,
    alpn: Vec<Vec<u8>>,
    versions: Vec<u16>,
    session_id: usize,
    suites: usize,
    /// Bytes of an unknown extension before and after the name.
    padding: (usize, usize),
    ech: bool,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            name: Some(b"www.linkedin.com".to_vec()),
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            versions: vec![0x3a3a, 0x0304, 0x0303],
            session_id: 32,
            suites: 16,
            padding: (0, 0),
            ech: false,
        }
    }
}

fn prefixed<const WIDTH: usize>(content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u32).to_be_bytes();
    [&length[4 - WIDTH..], content].concat()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &prefixed::<2>(content)].concat()
}

impl Recipe {
    /// The handshake message, RFC 8446 section 4.1.2.
    fn message(&self) -> Vec<u8> {
        let mut extensions = extension(0x00fe, &vec![0xaa; self.padding.0]);
        if let Some(name) = &self.name {
            let entry = [&[0][..], &prefixed::<2>(name)].concat();
            extensions.extend(extension(0, &prefixed::<2>(&entry)));
        }
        if !self.alpn.is_empty() {
            let list: Vec<u8> = self.alpn.iter().flat_map(|one| prefixed::<1>(one)).collect();
            extensions.extend(extension(16, &prefixed::<2>(&list)));
        }
        if self.ech {
            let content =
                [&[0, 0, 1, 0, 1, 7][..], &prefixed::<2>(&[1; 32]), &prefixed::<2>(&[2; 144])];
            extensions.extend(extension(EXT_ECH, &content.concat()));
        }
        if !self.versions.is_empty() {
            let list: Vec<u8> = self.versions.iter().flat_map(|one| one.to_be_bytes()).collect();
            extensions.extend(extension(43, &prefixed::<1>(&list)));
        }
        extensions.extend(extension(0x00ff, &vec![0xbb; self.padding.1]));

        let mut body = vec![3, 3];
        body.extend([0x5a; 32]);
        body.extend(prefixed::<1>(&vec![0x11; self.session_id]));
        body.extend(prefixed::<2>(&[0x13, 0x01].repeat(self.suites)));
        body.extend([1, 0]);
        body.extend(prefixed::<2>(&extensions));
        [&[1][..], &prefixed::<3>(&body)].concat()
    }
}

/// Cuts a message into records of at most `size` bytes.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    message
        .chunks(size)
        .flat_map(|chunk| [&[22, 3, 1][..], &prefixed::<2>(chunk)].concat())
        .collect()
}

#[test]
fn reads_a_whole_hello() {
    let recipe = Recipe { ech: true, ..Recipe::default() };
    let message = recipe.message();
    let hello = client_hello(&records(&message, 16_384));
    let expected = Hello {
        state: State::Complete,
        sni: Some("www.linkedin.com".into()),
        alpn: vec!["h2".into(), "http/1.1".into()],
        ech: Ech::Outer(Outer { kdf: 1, aead: 1, config_id: 7, enc_len: 32, payload_len: 144 }),
        esni: false,
        version: 0x0304,
        length: Some(message.len() as u32),
        records: 1,
        malformed: false,
    };
    assert_eq!(hello, expected);
}

#[test]
fn a_part_yields_the_name_as_soon_as_it_is_whole() {
    let recipe = Recipe { padding: (0, 1500), ..Recipe::default() };
    let stream = records(&recipe.message(), 16_384);
    let name_end = stream.windows(16).position(|part| part == b"www.linkedin.com").unwrap() + 16;
    for cut in 0..=stream.len() {
        let hello = client_hello(&stream[..cut]);
        assert_eq!(hello.sni.is_some(), cut >= name_end, "cut at {cut}");
        let complete = cut == stream.len();
        assert_eq!(hello.state == State::Complete, complete, "cut at {cut}");
        assert_eq!(hello.state == State::Incomplete, !complete, "cut at {cut}");
        assert!(!hello.malformed, "cut at {cut}");
    }
}

#[test]
fn records_may_split_the_hello_anywhere() {
    let message = Recipe::default().message();
    let whole = client_hello(&records(&message, 16_384));
    for size in 1..message.len() {
        let split = client_hello(&records(&message, size));
        let count = message.len().div_ceil(size) as u16;
        assert_eq!(split, Hello { records: count, ..whole.clone() }, "records of {size}");
    }
}

/// A hello whose only extension is ECH with this content.
fn with_ech(content: &[u8]) -> Hello {
    let extensions = extension(EXT_ECH, content);
    let body = [&[3, 3][..], &[0; 32], &[0, 0, 2, 0x13, 1, 1, 0], &prefixed::<2>(&extensions)];
    handshake(&[&[1][..], &prefixed::<3>(&body.concat())].concat())
}

#[test]
fn the_second_hello_after_a_retry_has_no_key() {
    let hello = with_ech(&[&[0, 0, 1, 0, 3, 0xf2][..], &[0, 0], &prefixed::<2>(&[2; 48])].concat());
    let outer = Outer { kdf: 1, aead: 3, config_id: 0xf2, enc_len: 0, payload_len: 48 };
    assert_eq!((hello.ech, hello.malformed), (Ech::Outer(outer), false));
}

#[test]
fn an_inner_hello_on_the_wire_is_no_ech() {
    for content in [&[1][..], &[2, 0, 1, 0, 1, 7], &[], &[0, 0, 1, 0, 1, 7, 0, 9, 1]] {
        let hello = with_ech(content);
        assert_eq!((hello.ech, hello.malformed), (Ech::Unreadable, true), "{content:?}");
    }
}

#[test]
fn esni_is_told_from_ech() {
    let message = |kind| {
        let extensions = extension(kind, &[0x13, 1, 0, 0x1d]);
        let body = [&[3, 3][..], &[0; 32], &[0, 0, 2, 0x13, 1, 1, 0], &prefixed::<2>(&extensions)];
        [&[1][..], &prefixed::<3>(&body.concat())].concat()
    };
    // What drafts of ECH used before has no meaning any more.
    for (kind, esni) in [(EXT_ESNI, true), (0xff02, false), (0xfe09, false)] {
        let hello = handshake(&message(kind));
        assert_eq!((hello.esni, hello.ech), (esni, Ech::None), "{kind:#x}");
    }
}

#[test]
fn other_protocols_are_not_tls() {
    for bytes in [&b"GET / HTTP/1.1"[..], b"SSH-2.0", b"\x16\x02\x00", b"\x17\x03\x03\x00\x01a"] {
        assert_eq!(client_hello(bytes).state, State::NotTls, "{bytes:?}");
    }
    let server_hello = records(&[2, 0, 0, 1, 0], 100);
    assert_eq!(client_hello(&server_hello).state, State::NotTls);
    assert_eq!(client_hello(b"").state, State::Incomplete);
    assert_eq!(client_hello(b"\x16").state, State::Incomplete);
}

#[test]
fn a_length_beyond_its_container_is_told_and_does_not_hide_the_rest() {
    let mut message = Recipe::default().message();
    // The server name list announces one byte more than its extension has.
    let at = message.windows(16).position(|part| part == b"www.linkedin.com").unwrap() - 5;
    message[at + 1] += 1;
    let hello = handshake(&message);
    assert!(hello.malformed);
    assert_eq!((hello.sni, hello.state), (None, State::Complete));
    assert_eq!(hello.alpn.len(), 2, "extensions after the broken one are read");
}

#[test]
fn a_second_server_name_does_not_replace_the_first() {
    let entry =
        |name: &[u8]| extension(0, &prefixed::<2>(&[&[0][..], &prefixed::<2>(name)].concat()));
    let extensions = [entry(b"first.example"), entry(b"second.example")].concat();
    let body = [&[3, 3][..], &[0; 32], &[0, 0, 2, 0x13, 1, 1, 0], &prefixed::<2>(&extensions)];
    let hello = handshake(&[&[1][..], &prefixed::<3>(&body.concat())].concat());
    assert_eq!(hello.sni.as_deref(), Some("first.example"));
    assert!(hello.malformed);
}

/// A server name and application protocols, as sent.
type Names = (Option<Vec<u8>>, Vec<Vec<u8>>);

/// What `tls-parser` makes of a handshake message.
fn oracle(message: &[u8]) -> Option<Names> {
    let (rest, parsed) = tls_parser::parse_tls_message_handshake(message).ok()?;
    let TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello)) = parsed else {
        return None;
    };
    let (left, extensions) =
        tls_parser::parse_tls_client_hello_extensions(hello.ext.unwrap_or_default()).ok()?;
    if !rest.is_empty() || !left.is_empty() {
        return None;
    }
    let (mut name, mut alpn) = (None, Vec::new());
    for extension in extensions {
        match extension {
            TlsExtension::SNI(list) => {
                let host =
                    list.iter().find(|(kind, name)| *kind == SNIType::HostName && !name.is_empty());
                name = name.or_else(|| host.map(|(_, name)| name.to_vec()));
            }
            TlsExtension::ALPN(list) => {
                alpn.extend(list.iter().map(|one| one.to_vec()));
            }
            _ => {}
        }
    }
    Some((name, alpn))
}

fn recipes() -> impl Strategy<Value = Recipe> {
    let bytes = |range| proptest::collection::vec(any::<u8>(), range);
    (
        proptest::option::of(bytes(1..80)),
        proptest::collection::vec(bytes(1..12), 0..5),
        proptest::collection::vec(any::<u16>(), 0..5),
        (0usize..33, 1usize..40, 0usize..1500, 0usize..1500),
        any::<bool>(),
    )
        .prop_map(|(name, alpn, versions, (session_id, suites, before, after), ech)| Recipe {
            name,
            alpn,
            versions,
            session_id,
            suites,
            padding: (before, after),
            ech,
        })
}

proptest! {
    #[test]
    fn agrees_with_another_parser(recipe in recipes(), size in 1usize..2000) {
        let message = recipe.message();
        let hello = client_hello(&records(&message, size));
        let (name, alpn) = oracle(&message).expect("the built hello is well-formed");
        prop_assert_eq!(&name, &recipe.name);
        prop_assert_eq!(hello.sni, name.map(|name| normalise(&name)));
        let alpn: Vec<String> = alpn.iter().map(|one| one.escape_ascii().to_string()).collect();
        prop_assert_eq!(hello.alpn, alpn);
        prop_assert_eq!(hello.state, State::Complete);
        prop_assert!(!hello.malformed);
    }

    /// Where the other parser reads a damaged hello to its end, both must see the same name.
    #[test]
    fn agrees_on_damaged_hellos(
        recipe in recipes(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut message = recipe.message();
        for (at, byte) in damage {
            let at = at.index(message.len());
            message[at] = byte;
        }
        let hello = handshake(&message);
        if let Some((name, _)) = oracle(&message) && !hello.malformed {
            prop_assert_eq!(hello.sni, name.map(|name| normalise(&name)));
        }
    }

    #[test]
    fn takes_anything(bytes in proptest::collection::vec(any::<u8>(), 0..800)) {
        let _ = client_hello(&bytes);
        let _ = client_hello(&[&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..], &bytes].concat());
    }
}
