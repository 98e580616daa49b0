//! DNS messages in a stream: each behind its length in two octets (RFC 1035 section 4.2.2, RFC 7766).

/// The complete messages at the beginning of a stream, without their lengths.
///
/// Ends before the first that is not there to its end. A length of zero ends it, too: no message is so
/// short, and what comes after it is not to be found.
pub fn messages(mut stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = stream.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let message = rest.get(..length).filter(|message| !message.is_empty())?;
        stream = &rest[length..];
        Some(message)
    })
}

#[cfg(test)]
mod tests {
    use super::messages;

    #[test]
    fn whole_messages_only() {
        let stream = [&[0, 2, 1, 2][..], &[0, 1, 3], &[0, 3, 4, 5]].concat();
        assert_eq!(messages(&stream).collect::<Vec<_>>(), [&[1, 2][..], &[3]]);
        assert_eq!(messages(&stream[..3]).count(), 0);
        assert_eq!(messages(&[0, 0, 0, 1, 9]).count(), 0);
        assert_eq!(messages(&[]).count(), 0);
    }
}
