//! What Forgewatch has said in lines for people, read back.

use std::net::SocketAddr;

use probe_tests::lab::agent::is_same_moment;

/// What there is to be accused of here.
const ACCUSATIONS: [&str; 2] = ["injected", "lied"];

/// An accusation, as read from a line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) time: String,
    pub(super) protocol: String,
    pub(super) name: String,
    pub(super) client: String,
    pub(super) server: String,
    /// `injected` or `lied`.
    pub(super) verdict: &'static str,
    pub(super) confidence: String,
}

impl Told {
    /// Reads `TIME  INJECTED C3  tcp  NAME (SERVICE)  CLIENT -> SERVER  WORDS`.
    pub(super) fn read(line: &str) -> Option<Self> {
        let mut parts = line.split("  ").map(str::trim).filter(|part| !part.is_empty());
        let time = parts.next()?.to_owned();
        let (verdict, confidence) = parts.next()?.split_once(' ')?;
        let verdict = *ACCUSATIONS.iter().find(|known| known.eq_ignore_ascii_case(verdict))?;
        let confidence = confidence.trim().to_owned();
        let protocol = parts.next()?.to_owned();
        let name = parts.next()?.split(' ').next()?.to_owned();
        let (client, server) = parts.next()?.split_once(" -> ")?;
        let (client, server) = (client.to_owned(), server.to_owned());
        Some(Self { time, protocol, name, client, server, verdict, confidence })
    }
}

/// The accusations, each connection or question once, with the last word on it.
pub(super) fn last_words(told: &[Told]) -> Vec<&Told> {
    let mut last: Vec<&Told> = Vec::new();
    for one in told {
        last.retain(|other| {
            let same = (&other.protocol, &other.name, &other.client, &other.server)
                == (&one.protocol, &one.name, &one.client, &one.server);
            !(same && is_same_moment(&other.time, &one.time))
        });
        last.push(one);
    }
    last
}

/// The accusations of one row.
pub(super) fn found<'a>(
    told: &'a [Told],
    protocol: &str,
    name: &str,
    server: SocketAddr,
) -> Vec<&'a Told> {
    let server = server.to_string();
    let mut found = last_words(told);
    found.retain(|one| one.protocol == protocol && one.name == name && one.server == server);
    found
}

#[cfg(test)]
mod tests {
    use super::Told;

    #[test]
    fn a_line_for_people_is_read_back() {
        let line = "2026-11-24 10:00:01.123Z  INJECTED C3   tcp   www.linkedin.com (linkedin)  \
                    client-4f1d20c3a9b87e65 -> [fd71:4::a]:443  words; more";
        let told = Told::read(line).expect("an accusation");
        assert_eq!(told.server, "[fd71:4::a]:443");
        assert_eq!((told.protocol.as_str(), told.name.as_str()), ("tcp", "www.linkedin.com"));
        assert_eq!((told.verdict, told.confidence.as_str()), ("injected", "C3"));
        let lied = Told::read(&line.replace("INJECTED", "LIED")).expect("an accusation");
        assert_eq!((lied.verdict, lied.confidence.as_str()), ("lied", "C3"));
        assert_eq!(Told::read(&line.replace("INJECTED", "SUSPECT")), None);
    }
}
