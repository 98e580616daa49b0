//! The truth about a capture, from the files that lie beside it.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    net::{IpAddr, SocketAddr},
    path::Path,
};

/// Both ends of a connection, the lower one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub SocketAddr, pub SocketAddr);

impl Key {
    /// In whichever order the ends are given.
    pub fn new(one: SocketAddr, two: SocketAddr) -> Self {
        let plain = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
        let (one, two) = (plain(one), plain(two));
        if one <= two { Self(one, two) } else { Self(two, one) }
    }
}

/// What was done to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Innocent,
    /// Packets were made or altered.
    Injected,
    /// What came was false, and nothing else came: a resolver that lies, or a device in its place.
    Lied,
    /// Packets were taken out, and nothing else.
    Dropped,
}

/// What a table of connections says of one.
#[derive(Clone, Debug)]
pub struct Told {
    /// What was done.
    pub kind: Kind,
    /// By which model, or which behaviour it is.
    pub model: String,
    /// Stage and position, as in `after upstream`.
    pub place: String,
    /// Whether the capture can show it.
    pub evidence: bool,
}

/// The truth about one capture.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    /// Numbers of the packets that were made or altered on the way.
    pub forged: HashSet<u64>,
    /// Numbers of the answers that a resolver gave itself and that are false.
    pub lies: HashSet<u64>,
    /// What is said of connections.
    pub told: HashMap<Key, Told>,
}

impl Truth {
    /// Reads the label file and, if there is one, the table of connections.
    ///
    /// # Errors
    ///
    /// If one cannot be read or makes no sense.
    pub fn read(labels: &Path, flows: Option<&Path>) -> io::Result<Self> {
        let mut truth = Self::default();
        truth.labels(&fs::read_to_string(labels)?)?;
        if let Some(flows) = flows {
            truth.flows(&fs::read_to_string(flows)?)?;
        }
        Ok(truth)
    }

    /// `vantage,frame,...,label`, of which the vantage `router` counts, or `frame,label,kind`.
    fn labels(&mut self, text: &str) -> io::Result<()> {
        let mut lines = text.lines();
        let head: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let column = |name| head.iter().position(|word| *word == name);
        let (Some(frame_at), Some(label_at)) = (column("frame"), column("label")) else {
            return Err(bad("a label file without columns frame and label"));
        };
        let vantage_at = column("vantage");
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut fields: Vec<&str> = line.split(',').collect();
            if fields.len() > head.len() {
                // `what` is free text: the label is the last field.
                let last = fields.len() - 1;
                fields.swap(label_at, last);
            }
            let of_router = vantage_at.is_none_or(|at| fields.get(at) == Some(&"router"));
            let label = fields.get(label_at).copied().unwrap_or_default();
            let list = match label {
                "injected_or_altered" | "injected" => &mut self.forged,
                "false_answer" => &mut self.lies,
                _ => continue,
            };
            if of_router {
                let frame = fields.get(frame_at).and_then(|frame| frame.parse().ok());
                list.insert(frame.ok_or_else(|| bad(line))?);
            }
        }
        Ok(())
    }

    fn flows(&mut self, text: &str) -> io::Result<()> {
        for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
            let fields: Vec<&str> = line.split(',').collect();
            let [
                src,
                sport,
                dst,
                dport,
                _protocol,
                _name,
                truth,
                injector,
                position,
                stage,
                evidence,
            ] = fields[..]
            else {
                return Err(bad(line));
            };
            let end = |ip: &str, port: &str| -> Option<SocketAddr> {
                Some(SocketAddr::new(ip.parse::<IpAddr>().ok()?, port.parse().ok()?))
            };
            let (Some(from), Some(to)) = (end(src, sport), end(dst, dport)) else {
                return Err(bad(line));
            };
            let kind = match truth {
                "injected" | "altered" => Kind::Injected,
                "lied" => Kind::Lied,
                "dropped" => Kind::Dropped,
                "innocent" => Kind::Innocent,
                _ => return Err(bad(line)),
            };
            let told = Told {
                kind,
                model: injector.to_owned(),
                place: format!("{stage} {position}"),
                evidence: evidence == "yes",
            };
            self.told.insert(Key::new(from, to), told);
        }
        Ok(())
    }
}

fn bad(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not understood: {line}"))
}

#[cfg(test)]
mod tests {
    use super::Truth;

    #[test]
    fn both_forms_of_label_files_are_read() {
        let mut truth = Truth::default();
        truth
            .labels(
                "vantage,frame,time,src,sport,dst,dport,what,label\n\
                 router,6,1.5,10.0.0.1,443,10.0.0.2,1,tcp fl=04,injected_or_altered\n\
                 server,7,1.5,10.0.0.1,443,10.0.0.2,1,tcp fl=04,injected_or_altered\n\
                 router,8,1.5,10.0.0.1,53,10.0.0.2,1,dns a, b,injected_or_altered\n\
                 router,9,1.5,10.0.0.1,443,10.0.0.2,1,tcp fl=04,genuine\n#summary\n",
            )
            .unwrap();
        assert_eq!(truth.forged, [6, 8].into());
        truth.labels("frame,label,kind\n3,injected_or_altered,henan\n4,genuine,\n").unwrap();
        assert_eq!(truth.forged, [3, 6, 8].into());
    }
}
