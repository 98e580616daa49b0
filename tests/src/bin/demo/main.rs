//! Shows a censor and a resolver that lies being found, in a network of namespaces that it makes and removes.
//!
//! Ends with 0 only if every censored connection and answer was found and nothing else was accused, be it a
//! connection or a service.

mod table;
mod told;

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
    agent::{self, Agent, Form},
    clients::{self, Kind, Outcome},
    crowd,
    flood::{self, Flood},
    injector::{Injector, Settings, craft, model::Model},
    network::{self, FRONT, Pair, RESOLVER, WAN},
    process,
    resolvers::{Authority, Lie, Program, Resolver},
    servers::NAMES,
    wait,
};

use self::{
    table::{Verdicts, print_differences, print_table},
    told::{Told, last_words},
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
    /// Do it twice, the second time while so many SYNs, each of another connection, come in by the watched
    /// interface: the verdicts must be the same. Without a number 50 million
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "50000000",
          value_parser = clap::value_parser!(u64).range(1..=flood::MOST))]
    flood: Option<u64>,
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
        match run_once(&options) {
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

/// One run, or two if there is to be a flood. Returns whether all was as it should be.
fn run_once(options: &Options) -> anyhow::Result<bool> {
    let calm = show(options, None)?;
    let Some(syns) = options.flood else { return Ok(calm.right) };
    println!("\n== and while {syns} SYNs come in by {WAN} ==\n");
    let flooded = show(options, Some(syns))?;
    println!();
    let same = print_differences(&calm.verdicts, &flooded.verdicts);
    Ok(calm.right && flooded.right && same)
}

/// What came of a run.
struct Shown {
    /// Whether all was as it should be.
    right: bool,
    /// What was said of each name, and of each service.
    verdicts: Verdicts,
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

/// One run, with a flood of so many SYNs if there is to be one.
fn show(options: &Options, syns: Option<u64>) -> anyhow::Result<Shown> {
    let start = Instant::now();
    let censor = !options.no_censor;
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
    if syns.is_some() {
        lab.network.second_queue()?;
    }
    let agent = Agent::start_as(&lab, Form::Lines, &[WAN], &["--state", recording], see)?;
    let flood = syns.map(|count| Flood::start(&lab.network, count)).transpose()?;
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
    while flood.as_ref().is_some_and(Flood::is_running) {
        visits.extend(visit(&lab, &second)?);
    }
    let flood = flood.map(|flood| flood.finish(&lab.network)).transpose()?;
    let shots = injector.as_ref().map(Injector::shots).unwrap_or_default();
    let lied = visits.iter().filter(|visit| visit.is_lie()).count();
    // The last genuine answers are still on their way, and with them the proof.
    settle(&agent, shots.len() + lied);
    let (lines, _) = agent.stop_lines()?;
    drop(injector);
    let told = lines.iter().filter_map(|line| Told::read(line)).collect::<Vec<_>>();
    let (mut right, mut verdicts) = print_table(&visits, &shots, &told);
    println!();
    right &= conclude(&lines, censor, &mut verdicts);
    if let Some(ended) = flood {
        right &= print_flood(&ended, &lines);
    }
    report(&state, &options.page)?;
    println!("\nThe report: {}", fs::canonicalize(&options.page)?.display());
    let seconds = start.elapsed().as_secs_f64();
    println!("\n{} In {seconds:.1} s.", verdict(right, censor));
    Ok(Shown { right, verdicts })
}

/// Says what there was of a flood, and what the agent has lost by it. Returns whether all of it that the
/// interface has received has met the probe.
fn print_flood(ended: &flood::Ended, lines: &[String]) -> bool {
    let flood::Ended { sent, received, elapsed } = ended;
    println!(
        "\n   {sent} SYNs in {:.1} s, {:.2} million a second; {WAN} received {received} packets",
        elapsed.as_secs_f64(),
        *sent as f64 / elapsed.as_secs_f64() / 1e6
    );
    let lines = lines.iter().map(|line| line.trim());
    let told = lines.filter(|line| line.starts_with("seen ") || line.starts_with("lost "));
    let mut seen = 0;
    for line in told {
        println!("   {line}");
        if let Some((packets, _)) = line.split_once(" packets, ") {
            let digits: String = packets.chars().filter(char::is_ascii_digit).collect();
            seen = digits.parse().unwrap_or(0);
        }
    }
    let met = seen >= *received;
    if !met {
        println!(" ! of what {WAN} received Forgewatch has seen {seen} packets");
    }
    met
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
fn conclude(lines: &[String], censor: bool, verdicts: &mut Verdicts) -> bool {
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
        verdicts.entry(place[3..].to_owned()).or_default().insert(method.to_owned());
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
