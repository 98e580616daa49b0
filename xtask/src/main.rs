//! What cargo cannot do: find or install a BPF toolchain, build the BPF object, build the agent
//! around it, run both, test both.
//!
//! Every long step says what it is before it starts and how long it took. All of that goes to
//! stderr, so that the agent's stdout can be piped on. Nothing is installed outside the project
//! without a line that says so first.

mod backports;
mod build;
mod ci;
mod corpus;
mod crates;
mod dist;
mod fixed;
mod fuzz;
mod goldens;
mod lanes;
mod packages;
mod python;
mod run;
mod steps;
mod suites;
mod test;
mod toolchain;

use std::{
    ffi::OsString,
    process::{self, ExitCode},
};

use clap::{Parser, Subcommand};

use crate::{packages::Install, steps::Failure};

/// Exit code of a usage error, the same as the agent's.
const EXIT_USAGE: u8 = 2;

/// The case that can be played.
const CASE: &str = "linkedin-2016";

/// Build, run and test Forgewatch.
///
/// Each command first makes sure that what it needs is there, says what is missing, and installs
/// it. On a fresh machine `cargo xtask run --iface eth0` is therefore all there is to type.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find the BPF toolchain, or say what is missing and install it.
    ///
    /// Two toolchains will do: Debian's `rustc-web` with `libstd-rust-web-dev-bpf`, or a rustup
    /// toolchain with `rust-src`. Both need `bpf-linker`, which is compiled into `target/tools`.
    Setup {
        /// Install nothing: end with an error and one line that says what is missing.
        #[arg(long)]
        no_install: bool,
        /// Also the tools of the test suites and of the demo: nginx, dnsmasq, tshark and so on.
        #[arg(long)]
        tests: bool,
    },
    /// Build the BPF object and print its path.
    BuildEbpf,
    /// Build the BPF object, and the agent with the object embedded.
    Build {
        /// With optimisation, to `target/release/forgewatch`.
        #[arg(long)]
        release: bool,
    },
    /// Build everything and watch an interface, as root (through sudo if need be).
    ///
    /// On a terminal that is a live view (`forgewatch live`); elsewhere, or with `--lines`, a line for each
    /// finding. Arguments that this command does not know go to `forgewatch run` as they are.
    Run {
        /// Interface to watch; may be given several times.
        #[arg(long = "iface", value_name = "IF")]
        ifaces: Vec<String>,
        /// A line for each finding on a terminal, too.
        #[arg(long)]
        lines: bool,
        /// Arguments of `forgewatch run`, for instance `--json --duration 60`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },
    /// Show a censor being found, in a network of namespaces that it makes and removes; or, with
    /// `linkedin-2016`, play a week in which six providers block a service or do not, and check what is
    /// said of it.
    Demo {
        /// The same network without the censor: nothing must be found.
        #[arg(long)]
        no_censor: bool,
        /// Further arguments of the demo.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },
    /// Write labelled captures of interference, and of what only looks like it.
    Corpus {
        /// Directory to write to, and further arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },
    /// Score the detectors on labelled captures.
    Score {
        /// Directories with captures, and further arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },
    /// Send millions of innocent connections or look-ups through engine and judge: nobody may be
    /// accused. Or soak the agent itself, live, with forgeries: all must be found.
    Soak {
        /// `tcp`, `dns` or `live`, and further arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },
    /// Judge a thousand simulated worlds: is a service blocked there, how, since when, or is it an outage?
    Simulate {
        /// `--runs`, `--seed`, and further arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },
    /// Measure what Forgewatch costs, and hold it against its budgets; as root.
    Bench {
        /// `--quick`, and further arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },
    /// Let a fuzzer look for octets that crash a parser, the engine, the judge or the ledger.
    Fuzz(fuzz::Options),
    /// Try the static agent on Debian's kernels 5.10, 6.1, 6.12 and 7.2, emulated; as root.
    Kernels {
        /// `--only`, `--update`, and further arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
        args: Vec<OsString>,
    },
    /// Make Debian packages and static tarballs for x86_64 and aarch64, with checksums, in `target/dist`.
    Dist {
        /// Only for this architecture
        #[arg(long, value_name = "ARCH")]
        only: Vec<String>,
        /// Also have each agent judge the goldens, and try the package in a clean Debian 12: installed,
        /// started, upgraded, purged; as root
        #[arg(long)]
        check: bool,
    },
    /// Compare what is said of the golden captures with what is written down.
    Goldens {
        /// Write down what is said now instead.
        #[arg(long)]
        bless: bool,
    },
    /// Write `docs/detectors.md` from what the detectors' sources say of themselves.
    Docs {
        /// Write nothing: fail if the page is not what the sources say.
        #[arg(long)]
        check: bool,
    },
    /// Build everything and run all test suites, those that need networks as root.
    Test {
        /// Only what needs neither root nor test tools: leaves out the suites of `tests/`.
        #[arg(long)]
        quick: bool,
        /// Only tests with this in their name.
        filter: Option<String>,
    },
    /// Everything that has to hold before a merge: format, lints, documentation, all tests.
    Ci,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            steps::say(&format!("error: {error:#}"));
            let code = error.downcast_ref::<Failure>().map_or(1, |failure| failure.code);
            process::exit(i32::from(code));
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Setup { no_install, tests } => {
            let install = if no_install { Install::Refuse } else { Install::Announce };
            let found = toolchain::ensure(install)?;
            steps::say(&format!("BPF toolchain: {found}"));
            if tests {
                packages::ensure_test_tools(install)?;
                python::ensure(install)?;
                steps::say("test tools: all there");
            }
            Ok(())
        }
        Command::BuildEbpf => {
            let object = build::object()?;
            println!("{}", object.display());
            Ok(())
        }
        Command::Build { release } => {
            let agent = build::agent(build::Profile::from_release(release))?;
            println!("{}", agent.display());
            Ok(())
        }
        Command::Run { ifaces, lines, args } => run::agent(&ifaces, lines, &args),
        Command::Demo { no_censor, args } => match args.split_first() {
            Some((case, rest)) if case == CASE => run::case(CASE, rest),
            _ => run::demo(no_censor, &args),
        },
        Command::Corpus { args } => corpus::run("corpus", &args),
        Command::Score { args } => corpus::run("score", &args),
        Command::Soak { args } if args.first().is_some_and(|what| what == "live") => {
            run::measured("soak", &args)
        }
        Command::Soak { args } => corpus::run("soak", &args),
        Command::Simulate { args } => corpus::run("simulate", &args),
        Command::Bench { args } => run::measured("bench", &args),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Dist { only, check } => dist::all(&only, check),
        Command::Kernels { args } => run::kernels(&args),
        Command::Goldens { bless } => corpus::goldens(bless),
        Command::Docs { check } => corpus::docs(check),
        Command::Test { quick, filter } => test::all(quick, filter.as_deref()),
        Command::Ci => ci::all(),
    }
}
