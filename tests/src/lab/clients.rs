//! Real clients: curl for TLS and HTTP, dig for names.

use std::{
    fmt,
    net::IpAddr,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use anyhow::Context as _;

use super::{namespace::Namespace, process};

/// How long a client waits, in seconds.
const PATIENCE: &str = "6";

/// How long the lab waits for a client.
const LIMIT: Duration = Duration::from_secs(30);

/// What a client met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer: an HTTP status.
    Answered(u16),
    /// The connection was reset after it was made.
    Reset,
    /// The connection was refused.
    Refused,
    /// Nothing in time.
    TimedOut,
    /// Anything else, in curl's words.
    Other(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(status) => write!(f, "answered ({status})"),
            Self::Reset => f.write_str("connection reset"),
            Self::Refused => f.write_str("connection refused"),
            Self::TimedOut => f.write_str("no answer"),
            Self::Other(words) => f.write_str(words),
        }
    }
}

/// How a page is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// By TLS, port 443.
    Https,
    /// In the clear, port 80.
    Http,
}

impl Scheme {
    const fn words(self) -> (&'static str, u16) {
        match self {
            Self::Https => ("https", 443),
            Self::Http => ("http", 80),
        }
    }
}

/// The curl command that fetches `path` of `name` at `address`.
pub fn curl(
    client: &Namespace,
    authority: &Path,
    scheme: Scheme,
    (name, address): (&str, IpAddr),
    path: &str,
) -> Command {
    let (word, port) = scheme.words();
    let host = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let mut command = client.command("curl");
    // `-q` first: no settings of whoever runs this.
    command
        .args(["-q", "-sS", "--noproxy", "*", "--connect-timeout", PATIENCE])
        .args(["--output", "/dev/null", "--write-out", "%{http_code} %{size_download}"])
        .args(["--resolve", &format!("{name}:{port}:{host}")])
        .arg("--cacert")
        .arg(authority)
        .arg(format!("{word}://{name}{path}"));
    command
}

/// Fetches `path` of `name` at `address`.
///
/// # Errors
///
/// If curl cannot be run.
pub fn fetch(
    client: &Namespace,
    authority: &Path,
    scheme: Scheme,
    at: (&str, IpAddr),
    path: &str,
) -> anyhow::Result<Outcome> {
    let mut command = curl(client, authority, scheme, at, path);
    // What trickles is cut sooner or later, but not at once.
    command.args(["--max-time", if path == "/" { PATIENCE } else { "20" }]);
    Ok(outcome(&process::output("curl", &mut command, LIMIT)?))
}

/// What curl's exit code and words mean.
pub fn outcome(output: &Output) -> Outcome {
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => {
            let status = printed.split_whitespace().next().and_then(|word| word.parse().ok());
            Outcome::Answered(status.unwrap_or_default())
        }
        Some(7) if said.contains("refused") || said.contains("connect to") => Outcome::Refused,
        Some(28) => Outcome::TimedOut,
        Some(35 | 52 | 55 | 56) if said.contains("reset") || said.contains("errno 104") => {
            Outcome::Reset
        }
        _ => Outcome::Other(said.trim().to_owned()),
    }
}

/// Asks `resolver` once for the addresses of `name` in the family of `like`, and returns what
/// came first.
///
/// # Errors
///
/// If dig cannot be run, or nothing was answered.
pub fn lookup(
    client: &Namespace,
    resolver: IpAddr,
    name: &str,
    kind: Kind,
) -> anyhow::Result<Vec<IpAddr>> {
    let mut command = client.command("dig");
    command
        .args(["-r", "+short", "+tries=1", "+time=3"])
        .arg(format!("@{resolver}"))
        .args([name, kind.word()]);
    let text =
        process::succeed("dig", &mut command).with_context(|| format!("asking for {name}"))?;
    Ok(text.lines().filter_map(|line| line.trim().parse().ok()).collect())
}

/// Asks `resolver` with dig, which is given `words` beside; returns all that it prints.
///
/// # Errors
///
/// If dig cannot be run, or nothing was answered.
pub fn dig(client: &Namespace, resolver: IpAddr, words: &[&str]) -> anyhow::Result<String> {
    let mut command = client.command("dig");
    command.args(["-r", "+tries=1", "+time=3"]).arg(format!("@{resolver}")).args(words);
    process::succeed("dig", &mut command).with_context(|| format!("asking for {words:?}"))
}

/// Which addresses are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4.
    A,
    /// IPv6.
    Aaaa,
}

impl Kind {
    /// For dig.
    pub const fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
        }
    }
}
