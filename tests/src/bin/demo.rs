//! Shows a censor and a resolver that lies being found, in a network of namespaces that it makes and removes.
//!
//! Ends with 0 only if every censored connection and answer was found and nothing else was accused, be it a
//! connection or a service.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use anyhow::Context as _;
use clap::Parser;
use probe_tests::lab::{
    Lab,
    agent::{self, Agent, Form, is_same_moment},
    clients::{self, Kind, Outcome},
    crowd,
    injector::{Injector, Settings, Shot, craft, model::Model},
    network::{self, FRONT, Pair, RESOLVER, WAN},
    process,
    resolvers::{Authority, Lie, Program, Resolver},
    servers::{self, NAMES},
    wait,
};

/// Show a censor being found, in a network of namespaces on this machine.
///
/// It makes a client, a router, an upstream box and a server, all with real stacks; has a censor in
/// the upstream box cut off LinkedIn, and a second resolver lie about it; and runs Forgewatch on the
/// router. It takes root, touches no
/// network of this machine, and leaves nothing behind.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Options {
    /// The same network without the censor, and with two honest resolvers: nothing must be found
    #[arg(long)]
    no_censor: bool,
    /// Where the report's page goes
    #[arg(long, value_name = "FILE", default_value = PAGE)]
    page: PathBuf,
    /// How often to do it all
    #[arg(long, value_name = "N", default_value_t = 1)]
    runs: u32,
}

/// The page, where the demo is built.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/demo.html");

/// Clients of the crowd. One client in five minutes is one piece of evidence, however often it tries, and
/// fifty that fail beside as many that do not make an error rate of 1 in 100,000.
const CROWD: u8 = 150;

/// What they fetch in turn: LinkedIn, and another name at the same address. Not one client both: what fails
/// after an accused connection is counted apart, since some censors go on for a while.
const FETCHED: [crowd::Place; 2] =
    [("www.linkedin.com", IpAddr::V4(FRONT.v4)), ("teams.microsoft.com", IpAddr::V4(FRONT.v4))];

/// Last octet of the second resolver's address.
const SECOND: u8 = 61;

/// What the second resolver says of LinkedIn: what Iran answers with (Tai et al., USENIX Security 2025).
const LIE: Lies = Lies {
    zones: ["linkedin.com", "licdn.com"],
    to: Pair { v4: Ipv4Addr::new(10, 10, 34, 36), v6: Ipv6Addr::new(0xd0, 0, 0, 0, 0, 0, 0, 0x11) },
};

struct Lies {
    zones: [&'static str; 2],
    to: Pair,
}

/// How often each name is fetched from each of its addresses.
const ROUNDS: usize = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    let mut good = 0;
    for run in 1..=options.runs {
        if options.runs > 1 {
            println!("== run {run} of {} ==", options.runs);
        }
        match show(!options.no_censor, &options.page) {
            Ok(true) => good += 1,
            Ok(false) => {}
            Err(error) => eprintln!("demo: {error:#}"),
        }
    }
    if options.runs > 1 {
        println!("{good} of {} runs right", options.runs);
    }
    if good == options.runs { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Something that a client did, and what it met.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Visit {
    /// `dns` or `tcp`.
    protocol: &'static str,
    name: &'static str,
    server: SocketAddr,
    met: String,
}

impl Visit {
    /// Whether a resolver lied.
    fn is_lie(&self) -> bool {
        self.met == LIED
    }
}

/// What a client met that was lied to.
const LIED: &str = "a lie";

/// One run. Returns whether all was as it should be.
fn show(censor: bool, page: &Path) -> anyhow::Result<bool> {
    let start = Instant::now();
    println!("Making a network of four boxes, each a namespace with a stack of its own:\n");
    let delay = network::DELAY.as_millis();
    println!("  client ---- router ---- upstream ====({delay} ms)==== server");
    println!("              Forgewatch  {}", if censor { "censor" } else { "(no censor)" });
    println!();
    let lab = Lab::new()?;
    println!("The server runs nginx for {} names and unbound to look them up.", NAMES.len());
    let authority = Authority::start(&lab)?;
    let lies = LIE.zones.map(|zone| Lie::Leads(zone, LIE.to));
    let lies = if censor { lies.as_slice() } else { &[] };
    let second = Resolver::start(&lab, Program::Dnsmasq, SECOND, &authority, lies)?;
    println!("A second resolver, dnsmasq at {}, asks an authority, BIND.", second.address.v4);
    let injector = if censor {
        println!(
            "The censor reads what passes. When it sees a name of LinkedIn's it lets it pass,"
        );
        println!("but answers first: with a false address, or with three resets to either end.");
        println!("The second resolver needs no censor: it has been told to lie about LinkedIn.");
        let plain = Settings::linkedin(Model::TypeTwo);
        let settings = Settings { spared: second.address.both().to_vec(), ..plain };
        Some(Injector::start(&lab.network.upstream, settings)?)
    } else {
        None
    };
    println!("\nForgewatch on the router, as `forgewatch run --iface {WAN}`, prints:\n");
    let state = lab.directory().join("state");
    let recording = state.to_str().context("the lab's directory is no text")?;
    let shown = Arc::new(AtomicBool::new(true));
    let see = {
        let shown = Arc::clone(&shown);
        move |line: &str| {
            // The crowd's findings are like those before; what comes last is told in any case.
            if shown.load(Ordering::Relaxed) || line.starts_with("-- ") {
                shown.store(true, Ordering::Relaxed);
                println!("  {line}");
            }
        }
    };
    let agent = Agent::start_as(&lab, Form::Lines, &[WAN], &["--state", recording], see)?;
    let mut visits = visit(&lab, &second)?;
    // Those that are still to come belong to what was visited so far.
    let before = injector.as_ref().map(Injector::shots).unwrap_or_default().len();
    settle(&agent, before + visits.iter().filter(|visit| visit.is_lie()).count());
    shown.store(false, Ordering::Relaxed);
    println!(
        "\n  {CROWD} more clients ask for LinkedIn, and for another name at the same address ...\n"
    );
    for ((name, address), met) in crowd::fetch(&lab, CROWD, &FETCHED)? {
        visits.push(https(name, address, &met));
    }
    let shots = injector.as_ref().map(Injector::shots).unwrap_or_default();
    let lied = visits.iter().filter(|visit| visit.is_lie()).count();
    // The last genuine answers are still on their way, and with them the proof.
    settle(&agent, shots.len() + lied);
    let (lines, _) = agent.stop_lines()?;
    drop(injector);
    let told = lines.iter().filter_map(|line| Told::read(line)).collect::<Vec<_>>();
    let mut right = print_table(&visits, &shots, &told);
    println!();
    right &= conclude(&lines, censor);
    report(&state, page)?;
    println!("\nThe report: {}", fs::canonicalize(page)?.display());
    let seconds = start.elapsed().as_secs_f64();
    println!("\n{} In {seconds:.1} s.", verdict(right, censor));
    Ok(right)
}

const fn verdict(right: bool, censor: bool) -> &'static str {
    match (right, censor) {
        (true, true) => "Everything censored was found, every lie, and nothing else was accused.",
        (true, false) => "Nothing was censored, nobody lied, and nothing was accused.",
        (false, _) => "NOT as it should be: see the lines marked with !.",
    }
}

/// Prints what is said of services, and returns whether that is right: LinkedIn is reset by name where the
/// crowd went, and nobody else is accused of anything.
fn conclude(lines: &[String], censor: bool) -> bool {
    let said = lines.iter().filter(|line| line.starts_with("-- ") && line.contains(" at "));
    let accuses = |line: &&String| line.contains("SNI-RESET");
    let innocent = ["NONE", "INCONCLUSIVE", "OUTAGE"];
    let (mut named, mut right) = (false, true);
    for line in said {
        let (place, rest) = line.split_once(": ").unwrap_or((line, ""));
        let method = rest.split([' ', ';']).next().unwrap_or_default();
        let blocked = accuses(&line) && place.starts_with("-- linkedin at 10.71.4.0/24, tcp-tls");
        named |= blocked;
        let as_it_should = innocent.contains(&method) || blocked && censor;
        right &= as_it_should;
        println!(" {} {}: {method}", if as_it_should { ' ' } else { '!' }, &place[3..]);
    }
    if censor && !named {
        println!(" ! it is not said that LinkedIn is blocked");
    }
    if !censor {
        println!(
            "   No service is accused. That one is reachable takes more clients than are here."
        );
    }
    right && named == censor
}

/// Makes the page: of a lab, where one network of clients stands behind all of it.
fn report(state: &Path, page: &Path) -> anyhow::Result<()> {
    if let Some(folder) = page.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut command = Command::new(agent::path()?);
    command.arg("report").arg("--state").arg(state);
    command.args(["--format", "html", "--k", "1", "--out"]).arg(page);
    process::succeed("forgewatch report", &mut command).map(drop)
}

/// Looks up every name at both resolvers and fetches it, in turn, over IPv4 and IPv6.
fn visit(lab: &Lab, second: &Resolver) -> anyhow::Result<Vec<Visit>> {
    let mut visits = Vec::new();
    for (name, pair) in NAMES {
        for kind in [Kind::A, Kind::Aaaa] {
            let answers = lab.lookup(name, kind)?;
            let lied =
                answers.contains(&craft::LIE_V4.into()) || answers.contains(&craft::LIE_V6.into());
            visits.push(Visit {
                protocol: "dns",
                name,
                server: (RESOLVER.v4, 53).into(),
                met: if lied { "false address".into() } else { "right address".into() },
            });
            let address = second.address.v4.into();
            let answers = clients::lookup(&lab.network.client, address, name, kind)?;
            let lied = LIE.to.both().iter().any(|lie| answers.contains(lie));
            visits.push(Visit {
                protocol: "dns",
                name,
                server: (address, 53).into(),
                met: if lied { LIED.into() } else { "right address".into() },
            });
        }
        for _ in 0..ROUNDS {
            for address in pair.both() {
                let met = lab.https(name, address)?;
                visits.push(https(name, address, &met));
            }
        }
    }
    Ok(visits)
}

fn https(name: &'static str, address: IpAddr, met: &Outcome) -> Visit {
    Visit { protocol: "tcp", name, server: (address, 443).into(), met: met.to_string() }
}

/// Waits until as much has been told as was done, or no more is to be expected.
fn settle(agent: &Agent, shots: usize) {
    let enough = || {
        let told: Vec<Told> = agent.lines().iter().filter_map(|line| Told::read(line)).collect();
        last_words(&told).len() >= shots
    };
    // The verdict on what is missing is the table's.
    let _ = wait::until("all findings", 20 * network::DELAY, || enough().then_some(()));
}

/// What there is to be accused of here.
const ACCUSATIONS: [&str; 2] = ["injected", "lied"];

/// An accusation, as read from a line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    time: String,
    protocol: String,
    name: String,
    client: String,
    server: String,
    /// `injected` or `lied`.
    verdict: &'static str,
    confidence: String,
}

impl Told {
    /// Reads `TIME  INJECTED C3  tcp  NAME (SERVICE)  CLIENT -> SERVER  WORDS`.
    fn read(line: &str) -> Option<Self> {
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

/// Prints who met what, and returns whether what was done and what was told agree.
fn print_table(visits: &[Visit], shots: &[Shot], told: &[Told]) -> bool {
    let mut rows: Vec<(&str, &str, SocketAddr)> = Vec::new();
    for visit in visits {
        let row = (visit.protocol, visit.name, visit.server);
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    println!(
        "\n   {:<24} {:<4} {:<17} {:>5}  {:<36} Forgewatch",
        "name", "", "server", "made", "the client met"
    );
    let mut right = true;
    for (protocol, name, server) in rows {
        let of_row =
            |visit: &&Visit| (visit.protocol, visit.name, visit.server) == (protocol, name, server);
        let made: Vec<&Visit> = visits.iter().filter(of_row).collect();
        let lied = made.iter().filter(|visit| visit.is_lie()).count();
        let done = if lied > 0 { "lied" } else { "injected" };
        let cut = shots.iter().filter(|shot| shot.server == server && shot.name == name).count();
        let cut = cut + lied;
        let found = found(told, protocol, name, server);
        let as_it_should = found.len() == cut && found.iter().all(|one| one.verdict == done);
        right &= as_it_should;
        println!(
            " {} {name:<24} {protocol:<4} {:<17} {:>5}  {:<36} {}",
            if as_it_should { ' ' } else { '!' },
            server.ip().to_string(),
            made.len(),
            summed_up(&made),
            said(&found, cut),
        );
    }
    let listed = |one: &&Told| servers::address_of(&one.name).is_none();
    if let Some(stray) = told.iter().find(listed) {
        println!(" ! accused, but never visited: {stray:?}");
        right = false;
    }
    right
}

/// The accusations, each connection or question once, with the last word on it.
fn last_words(told: &[Told]) -> Vec<&Told> {
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
fn found<'a>(told: &'a [Told], protocol: &str, name: &str, server: SocketAddr) -> Vec<&'a Told> {
    let server = server.to_string();
    let mut found = last_words(told);
    found.retain(|one| one.protocol == protocol && one.name == name && one.server == server);
    found
}

/// "connection reset 2x".
fn summed_up(made: &[&Visit]) -> String {
    let mut outcomes: Vec<(&str, usize)> = Vec::new();
    for visit in made {
        match outcomes.iter_mut().find(|(met, _)| *met == visit.met) {
            Some((_, count)) => *count += 1,
            None => outcomes.push((&visit.met, 1)),
        }
    }
    let words: Vec<String> =
        outcomes.iter().map(|(met, count)| format!("{met} {count}x")).collect();
    words.join(", ")
}

fn said(found: &[&Told], cut: usize) -> String {
    match (found, cut) {
        ([], 0) => "clean".into(),
        ([], cut) => format!("MISSED {cut}"),
        (found, cut) => {
            let weakest = found.iter().map(|one| one.confidence.as_str()).min().unwrap_or_default();
            let count = found.len();
            let verdict = found[0].verdict;
            if count == cut {
                format!("{verdict} {count}x ({weakest})")
            } else {
                format!("{verdict} {count}x ({weakest}), where it was done {cut}x")
            }
        }
    }
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
