//! What HTTPS records say of Encrypted ClientHello: RFC 9460, RFC 9848.

use domain::{
    base::{Message, iana::Class},
    rdata::svcb::{Https, value::Ech},
};

use crate::names::tls::ech::{self, Config};

use super::RECORDS_MAX;

/// The configurations for outer hellos in the answers of a message, in the order sent; empty when there
/// are none, and for what cannot be read.
#[must_use]
pub fn ech_configs(message: &[u8]) -> Vec<Config> {
    let mut configs = Vec::new();
    let Ok(message) = Message::from_octets(message) else { return configs };
    let Ok(answers) = message.answer() else { return configs };
    for record in answers.limit_to::<Https<_, _>>().take(RECORDS_MAX) {
        let Ok(record) = record else { break };
        if record.class() != Class::IN {
            continue;
        }
        if let Some(list) = record.data().params().first::<Ech<_>>() {
            configs.extend(ech::configs(list.as_slice()));
        }
    }
    configs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply of one HTTPS record for a.example, with `params` after its priority and target.
    fn reply(params: &[u8]) -> Vec<u8> {
        let mut message = vec![0, 1, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
        message.extend(b"\x01a\x07example\0\0\x41\0\x01");
        message.extend([0xc0, 12, 0, 65, 0, 1, 0, 0, 1, 0x2c]);
        message.extend((3 + params.len() as u16).to_be_bytes());
        message.extend([0, 1, 0]);
        message.extend(params);
        message
    }

    #[test]
    fn finds_the_configurations_of_an_https_record() {
        // alpn=h3, then ech: a key of four octets, one suite, public name p.example.
        let config = b"\x2a\0\x20\0\x04kkkk\0\x04\0\x01\0\x01\0\x09p.example\0\0";
        let list =
            [&[0, config.len() as u8 + 4, 0xfe, 0x0d, 0, config.len() as u8][..], config].concat();
        let params = [&[0, 1, 0, 3, 2, b'h', b'3', 0, 5, 0, list.len() as u8][..], &list].concat();
        let message = reply(&params);
        let expected = Config { id: 0x2a, public_name: "p.example".into() };
        assert_eq!(ech_configs(&message), [expected]);
        for length in 0..message.len() {
            assert_eq!(ech_configs(&message[..length]), [], "{length}");
        }
        assert_eq!(ech_configs(&reply(&params[..7])), [], "without ech");
    }
}
