//! The programs for measurement, loaded and ready.

use std::{env, path::PathBuf};

use anyhow::{Context as _, anyhow};
use aya::{
    Ebpf, EbpfLoader, Pod, TestRun as _, TestRunOptions,
    maps::{MapData, PerCpuArray, PerCpuValues},
    programs::{SchedClassifier, Xdp},
    util::nr_cpus,
};
use probe_common::{bench::Vary, config::Config};
use probe_user::source::kernel::object;

/// Names the object with the programs for measurement.
pub const VARIABLE: &str = "FORGEWATCH_BENCH_OBJECT";

/// [`Vary`] as the loader's library takes it.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Varied(Vary);

// SAFETY: integers, without padding.
unsafe impl Pod for Varied {}

/// The object, with one of its programs to be run.
pub struct Bench {
    /// The object; its other maps can be taken out.
    pub bpf: Ebpf,
    vary: PerCpuArray<MapData, Varied>,
}

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Varies the packet and takes it through the engine.
    Probe,
    /// Varies the packet.
    Zero,
    /// Varies the packet and touches a set of the flow table.
    Touch,
    /// Varies the packet and reads the clock.
    Clock,
    /// Varies the packet and sends it back out of its interface.
    Send,
    /// Passes.
    Pass,
    /// Drops.
    Drop,
    /// The program of the agent at ingress.
    Ingress,
}

impl Program {
    /// Its name in the object.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Probe => "bench_probe",
            Self::Zero => "bench_zero",
            Self::Touch => "bench_touch",
            Self::Clock => "bench_clock",
            Self::Send => "bench_send",
            Self::Pass => "bench_pass",
            Self::Drop => "bench_drop",
            Self::Ingress => object::INGRESS,
        }
    }
}

impl Bench {
    /// Loads the object under `config`, and the named programs.
    ///
    /// # Errors
    ///
    /// If there is no object, or the kernel refuses it.
    pub fn load(config: &Config, programs: &[Program]) -> anyhow::Result<Self> {
        Self::load_with_ring(config, programs, None)
    }

    /// As [`load`](Self::load), with a ring buffer of `ring` octets.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn load_with_ring(
        config: &Config,
        programs: &[Program],
        ring: Option<u32>,
    ) -> anyhow::Result<Self> {
        let path = env::var_os(VARIABLE).map(PathBuf::from).with_context(|| {
            format!(
                "{VARIABLE} names no object; `cargo xtask bench` builds it and says where it is"
            )
        })?;
        let mut loader = EbpfLoader::new();
        object::configure(&mut loader, config);
        if let Some(octets) = ring {
            loader.map_max_entries("EVENTS", octets);
        }
        let mut bpf =
            loader.load_file(&path).with_context(|| format!("cannot load {}", path.display()))?;
        for program in programs {
            match program {
                // One of both: they have one table of what they go on to.
                Program::Probe | Program::Ingress => {
                    object::load_xdp_as(&mut bpf, program.name())?;
                }
                _ => {
                    let xdp = xdp(&mut bpf, program.name())?;
                    xdp.load().with_context(|| format!("the kernel refuses {}", program.name()))?;
                }
            }
        }
        let vary = bpf.take_map("VARY").context("the object has no map VARY")?;
        Ok(Self { bpf, vary: PerCpuArray::try_from(vary)? })
    }

    /// The program, loaded.
    ///
    /// # Errors
    ///
    /// If the object has none of this name.
    pub fn program(&mut self, program: Program) -> anyhow::Result<&mut Xdp> {
        xdp(&mut self.bpf, program.name())
    }

    /// A program for the tc hook, loaded.
    ///
    /// # Errors
    ///
    /// If the object has none of this name.
    pub fn classifier(&mut self, name: &str) -> anyhow::Result<&mut SchedClassifier> {
        let program = self.bpf.program_mut(name);
        let program = program.with_context(|| format!("the object has no {name}"))?;
        program.try_into().map_err(|error| anyhow!("{name} is no tc program: {error}"))
    }

    /// Says how packets are varied from now on, on all CPUs.
    ///
    /// # Errors
    ///
    /// If the kernel refuses to write the map.
    pub fn vary(&mut self, vary: Vary) -> anyhow::Result<()> {
        self.vary_each(|_| vary)
    }

    /// Says how packets are varied from now on, on each CPU.
    ///
    /// # Errors
    ///
    /// If the kernel refuses to write the map.
    pub fn vary_each(&mut self, vary: impl Fn(usize) -> Vary) -> anyhow::Result<()> {
        let cpus = nr_cpus().map_err(|(_, error)| error).context("cannot count the CPUs")?;
        let values = (0..cpus).map(|cpu| Varied(vary(cpu))).collect::<Vec<_>>();
        self.vary.set(0, PerCpuValues::try_from(values)?, 0).context("cannot say how packets vary")
    }

    /// Runs `program` on `packet` `repeat` times. Returns the nanoseconds that one took, as the
    /// kernel measured them, to a whole one.
    ///
    /// # Errors
    ///
    /// If the kernel refuses, or the program did not pass the packet.
    pub fn run(&mut self, program: Program, packet: &[u8], repeat: u32) -> anyhow::Result<f64> {
        let options = TestRunOptions { data_in: Some(packet), repeat, ..TestRunOptions::new() };
        let result = self.program(program)?.test_run(options);
        let result = result.with_context(|| format!("cannot run {}", program.name()))?;
        Ok(result.duration.as_nanos() as f64)
    }
}

fn xdp<'a>(bpf: &'a mut Ebpf, name: &str) -> anyhow::Result<&'a mut Xdp> {
    let program = bpf.program_mut(name).with_context(|| format!("the object has no {name}"))?;
    program.try_into().map_err(|error| anyhow!("{name} is no XDP program: {error}"))
}
