//! What programs say: TLS and HTTP, down to what a censor or an observer reads.

use std::sync::LazyLock;

use bytes::{BufMut as _, Bytes, BytesMut};

use super::rng::Rng;

/// Octets that stand for whatever a server sends, the same for all, so that none are made anew.
static FILLER: LazyLock<Bytes> = LazyLock::new(|| {
    let mut rng = Rng::new(0x0cab);
    (0..1 << 20).map(|_| rng.u16() as u8).collect()
});

/// `length` octets of content, a different part for each `salt`.
pub fn filler(salt: u64, length: usize) -> Bytes {
    let at = (salt % 65_536) as usize;
    FILLER.slice(at..at + length.min(FILLER.len() - 65_536))
}

/// A TLS ClientHello for `name`; with a post-quantum key share it fills two segments.
pub fn client_hello(name: &str, post_quantum: bool, rng: &mut Rng) -> Bytes {
    let mut extensions = BytesMut::with_capacity(2_048);
    let host = name.as_bytes();
    extensions.put_u16(0);
    extensions.put_u16(host.len() as u16 + 5);
    extensions.put_u16(host.len() as u16 + 3);
    extensions.put_u8(0);
    extensions.put_u16(host.len() as u16);
    extensions.put_slice(host);
    // supported_versions: 1.3 and 1.2.
    extensions.put_slice(&[0, 43, 0, 5, 4, 3, 4, 3, 3]);
    // supported_groups, signature_algorithms, ALPN.
    extensions.put_slice(&[0, 10, 0, 6, 0, 4, 0x11, 0xec, 0, 0x1d]);
    extensions.put_slice(&[0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1]);
    extensions.put_slice(b"\x00\x10\x00\x0e\x00\x0c\x02h2\x08http/1.1");
    let salt = rng.bits();
    // key_share: X25519MLKEM768 takes 1,216 octets (draft-kwiatkowski-tls-ecdhe-mlkem), X25519 32.
    let (group, share) = if post_quantum { (0x11ec, 1_216) } else { (0x001d, 32) };
    extensions.put_u16(51);
    extensions.put_u16(share + 6);
    extensions.put_u16(share + 4);
    extensions.put_u16(group);
    extensions.put_u16(share);
    extensions.put_slice(&filler(salt, share.into()));
    if !post_quantum {
        // padding to 512, as browsers do.
        let used = 44 + 32 + 8 + extensions.len();
        let padding = 512_usize.saturating_sub(used + 4);
        extensions.put_u16(21);
        extensions.put_u16(padding as u16);
        extensions.put_bytes(0, padding);
    }
    let body = 2 + 32 + 1 + 32 + 2 + 6 + 2 + 2 + extensions.len();
    let mut hello = BytesMut::with_capacity(body + 9);
    hello.put_slice(&[22, 3, 1]);
    hello.put_u16(body as u16 + 4);
    hello.put_u8(1);
    hello.put_uint(body as u64, 3);
    hello.put_u16(0x0303);
    hello.put_slice(&filler(salt >> 16, 32));
    hello.put_u8(32);
    hello.put_slice(&filler(salt >> 32, 32));
    hello.put_u16(6);
    hello.put_slice(&[0x13, 1, 0x13, 2, 0xc0, 0x2b]);
    hello.put_slice(&[1, 0]);
    hello.put_u16(extensions.len() as u16);
    hello.put_slice(&extensions);
    hello.freeze()
}

/// The server's first flight: ServerHello and `rest` octets of encrypted records.
pub fn server_hello(rest: usize, rng: &mut Rng) -> Bytes {
    let mut flight = BytesMut::with_capacity(rest + 128);
    flight.put_slice(&[22, 3, 3, 0, 122, 2, 0, 0, 118, 3, 3]);
    let salt = rng.bits();
    flight.put_slice(&filler(salt, 32));
    flight.put_u8(32);
    flight.put_slice(&filler(salt >> 16, 32));
    // Cipher suite, then supported_versions and key_share.
    flight.put_slice(&[0x13, 1, 0, 0, 46, 0, 43, 0, 2, 3, 4, 0, 51, 0, 36, 0, 0x1d, 0, 32]);
    flight.put_slice(&filler(salt >> 32, 32));
    flight.put_slice(&[20, 3, 3, 0, 1, 1]);
    record(&mut flight, salt, rest);
    flight.freeze()
}

/// An encrypted record of `length` octets of content (several, if it is long).
pub fn sealed(length: usize, rng: &mut Rng) -> Bytes {
    let mut out = BytesMut::with_capacity(length + length / 1_000 + 8);
    record(&mut out, rng.bits(), length);
    out.freeze()
}

fn record(out: &mut BytesMut, salt: u64, length: usize) {
    let mut left = length;
    while left > 0 {
        let part = left.min(16_384);
        out.put_slice(&[23, 3, 3]);
        out.put_u16(part as u16);
        out.put_slice(&filler(salt, part));
        left -= part;
    }
}

/// A TLS alert: close_notify, as far as can be seen.
pub fn alert() -> Bytes {
    Bytes::from_static(&[
        23, 3, 3, 0, 19, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
    ])
}

/// An HTTP request.
pub fn get(name: &str, path: &str) -> Bytes {
    Bytes::from(format!(
        "GET {path} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\
         Connection: keep-alive\r\n\r\n"
    ))
}

/// An HTTP response with `length` octets of body.
pub fn ok(length: usize, rng: &mut Rng) -> Bytes {
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\n\
         Content-Length: {length}\r\nConnection: keep-alive\r\n\r\n"
    );
    let mut out = BytesMut::with_capacity(head.len() + length);
    out.put_slice(head.as_bytes());
    out.put_slice(&filler(rng.bits(), length));
    out.freeze()
}

/// An HTTP redirection.
pub fn redirect(code: u16, to: &str) -> Bytes {
    Bytes::from(format!(
        "HTTP/1.1 {code} Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ))
}
