//! One spelling for every name: lowercase, no trailing dot, printable, of bounded length.

/// Longest normalised name, in bytes. A DNS name has at most 253 characters (RFC 1035 section 3.1);
/// the rest is room for escapes, and bounds what a stranger can make the agent keep per flow.
pub const NAME_MAX: usize = 512;

/// Ends a name that was cut at [`NAME_MAX`]. A backslash never stands before anything but `x` or
/// `+` in a normalised name, so a cut name can neither equal nor be a subdomain of a real one.
pub const CUT_MARK: &str = "\\+";

/// Normalises a host name as it stood in a packet: ASCII letters lowercased, one trailing dot
/// removed, every byte that no host name has escaped as `\xNN`, cut at [`NAME_MAX`] bytes.
///
/// Underscores are kept (they are common in real DNS names), and so is `*`. The result is printable
/// ASCII, and two different inputs (but for case, the dot and a cut) give different results.
///
/// ```
/// use probe_user::names::host::normalise;
/// assert_eq!(normalise(b"WWW.LinkedIn.com."), "www.linkedin.com");
/// assert_eq!(normalise(b"a\x1b[2J"), "a\\x1b\\x5b2j");
/// ```
#[must_use]
pub fn normalise(raw: &[u8]) -> String {
    let raw = raw.strip_suffix(b".").unwrap_or(raw);
    let mut name = String::with_capacity(raw.len().min(NAME_MAX));
    for &byte in raw {
        if !push(&mut name, byte, true) {
            break;
        }
    }
    name
}

/// Appends one label of a DNS name, dots inside of the label escaped, with or without lowercasing.
pub(crate) fn push_label(name: &mut String, label: &[u8], lowercase: bool) {
    if name.is_empty() {
        // Not to grow octet by octet: most names are no longer.
        name.reserve(32);
    } else {
        name.push('.');
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*');
    if name.len() + label.len() + CUT_MARK.len() <= NAME_MAX
        && label.iter().all(plain)
        && let Ok(text) = std::str::from_utf8(label)
    {
        // So are nearly all labels.
        let start = name.len();
        name.push_str(text);
        if lowercase {
            name[start..].make_ascii_lowercase();
        }
        return;
    }
    for &byte in label {
        let fits =
            if byte == b'.' { push_escaped(name, byte) } else { push(name, byte, lowercase) };
        if !fits {
            return;
        }
    }
}

/// Appends one byte; false when the name is full and has been marked as cut.
fn push(name: &mut String, byte: u8, lowercase: bool) -> bool {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'*') {
        if name.len() + 1 + CUT_MARK.len() > NAME_MAX {
            name.push_str(CUT_MARK);
            return false;
        }
        name.push(char::from(if lowercase { byte.to_ascii_lowercase() } else { byte }));
        true
    } else {
        push_escaped(name, byte)
    }
}

fn push_escaped(name: &mut String, byte: u8) -> bool {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    if name.len() + 4 + CUT_MARK.len() > NAME_MAX {
        name.push_str(CUT_MARK);
        return false;
    }
    name.push_str("\\x");
    name.push(char::from(HEX[usize::from(byte >> 4)]));
    name.push(char::from(HEX[usize::from(byte & 15)]));
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keeps_one_spelling() {
        assert_eq!(normalise(b"Static.LICDN.com"), "static.licdn.com");
        assert_eq!(normalise(b"a.b."), "a.b");
        assert_eq!(normalise(b"a.b.."), "a.b.", "only one dot is the root");
        assert_eq!(normalise(b""), "");
    }

    #[test]
    fn a_cut_name_matches_no_suffix() {
        let mut long = vec![b'a'; NAME_MAX - 12];
        long.extend_from_slice(b".linkedin.com.evil.example");
        let name = normalise(&long);
        assert!(name.len() <= NAME_MAX && name.ends_with(CUT_MARK), "{name}");
    }

    #[test]
    fn a_dot_inside_of_a_label_is_not_a_separator() {
        let mut name = String::new();
        push_label(&mut name, b"www.linkedin", true);
        push_label(&mut name, b"com", true);
        assert_eq!(name, "www\\x2elinkedin.com");
    }

    proptest! {
        #[test]
        fn always_printable_and_bounded(raw in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let name = normalise(&raw);
            prop_assert!(name.len() <= NAME_MAX);
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()));
        }
    }
}
