//! The BPF object: embedded, configured, loaded.

use std::{path::PathBuf, sync::LazyLock};

use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel,
    maps::ProgramArray,
    programs::{Program, ProgramFd, ProgramInfo, ProgramType, SchedClassifier, Xdp},
    sys::{BpfHelper, is_helper_supported},
};
use probe_common::{config::Config, engine::Branch};
use thiserror::Error;

/// The object as xtask built it; empty in a build without the BPF toolchain.
static EMBEDDED: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/probe.bpf.o"));

/// Name of the XDP program, for packets in one buffer or several.
pub const INGRESS: &str = "ingress";
/// Name of the XDP program for kernels that know no packets of several buffers (before Linux 5.18).
pub const INGRESS_LINEAR: &str = "ingress_linear";
/// Name of the tc program.
pub const EGRESS: &str = "egress";

/// Name of the table of programs that an XDP program goes on to.
pub const FROM_INGRESS: &str = "FROM_INGRESS";
/// Name of the table of programs that the tc program goes on to.
pub const FROM_EGRESS: &str = "FROM_EGRESS";

/// Why the object could not be loaded.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// The agent was built without it.
    #[error(
        "this forgewatch was built without its BPF object, so it cannot look at live packets; \
         build it with `cargo xtask build --release` (replay works without)"
    )]
    Absent,
    /// The file named in the environment cannot be read.
    #[error("cannot read the BPF object {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel or the loader refused the object or a map.
    #[error("cannot load the BPF object: {0}; `forgewatch doctor` tells what this kernel lacks")]
    Load(#[source] Box<aya::EbpfError>),
    /// The object lacks something that the agent expects.
    #[error("the BPF object has no {kind} `{name}`: object and agent are of different builds")]
    Foreign {
        /// "program" or "map".
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A program was refused.
    #[error("the kernel refused the program `{name}`: {reason}")]
    Program {
        /// Its name.
        name: String,
        /// The verifier's last words.
        reason: String,
    },
    /// A map could not be read or mapped.
    #[error("cannot {action} the map `{name}`: {reason}")]
    Map {
        /// Its name.
        name: &'static str,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        reason: String,
    },
}

/// Loads maps and object under `config`; programs are loaded one by one afterwards.
///
/// # Errors
///
/// See [`ObjectError`].
pub fn load(config: &Config) -> Result<Ebpf, ObjectError> {
    load_with_ring(config, None)
}

/// As [`load`], with a ring buffer of `ring` octets: a power of two and at least a page.
///
/// # Errors
///
/// See [`ObjectError`].
pub fn load_with_ring(config: &Config, ring: Option<u32>) -> Result<Ebpf, ObjectError> {
    load_with(config, ring, |_| {})
}

/// The same, after `prepare` had its say.
pub(super) fn load_with(
    config: &Config,
    ring: Option<u32>,
    prepare: impl FnOnce(&mut EbpfLoader<'_>),
) -> Result<Ebpf, ObjectError> {
    if EMBEDDED.is_empty() {
        return Err(ObjectError::Absent);
    }
    let mut loader = EbpfLoader::new();
    if let Some(octets) = ring {
        loader.map_max_entries("EVENTS", octets);
    }
    configure(&mut loader, config);
    prepare(&mut loader);
    loader.load(EMBEDDED).map_err(|error| ObjectError::Load(Box::new(error)))
}

/// Has a loader put `config` into the object that it loads, and make its tables as large as that says.
pub fn configure<'a>(loader: &mut EbpfLoader<'a>, config: &'a Config) {
    loader
        .verifier_log_level(VerifierLogLevel::STATS)
        .override_global("CONFIG", config.as_octets(), true)
        .map_max_entries("FLOWS", config.flow_mask + 1)
        .map_max_entries("FLOW_SETS", config.flow_mask + 1)
        .map_max_entries("QUESTIONS", config.dns_mask + 1)
        .map_max_entries("RESOLVERS", config.resolver_mask + 1)
        .map_max_entries("QUICS", config.quic_mask + 1);
}

/// The words of a program error that matter: the verifier's log ends with them.
pub fn last_words(error: &aya::programs::ProgramError) -> String {
    let text = error.to_string();
    let Some((head, log)) = text.split_once("Verifier output:") else { return text };
    let tail: Vec<&str> =
        log.lines().rev().filter(|line| !line.trim().is_empty()).take(6).collect();
    let tail: Vec<&str> = tail.into_iter().rev().collect();
    format!("{} {}", head.trim(), tail.join(" | "))
}

/// Name of the XDP program for this kernel: [`INGRESS`] if it has the helpers for packets of several
/// buffers, else [`INGRESS_LINEAR`]. It is asked once, not told by its version: distributions carry
/// things back.
pub fn ingress() -> &'static str {
    static NAME: LazyLock<&str> = LazyLock::new(|| {
        match is_helper_supported(ProgramType::Xdp, BpfHelper::BPF_FUNC_xdp_load_bytes) {
            Ok(false) => INGRESS_LINEAR,
            // If it does not answer, it will say why when the program is loaded.
            Ok(true) | Err(_) => INGRESS,
        }
    });
    *NAME
}

/// Loads the XDP program for this kernel.
///
/// # Errors
///
/// If the object has none, or the verifier refuses it.
pub fn load_xdp(bpf: &mut Ebpf) -> Result<&mut Xdp, ObjectError> {
    let name = ingress();
    if name == INGRESS_LINEAR {
        tracing::info!(
            "this kernel knows no packets of several buffers at XDP (Linux 5.18): taking the program \
             without them"
        );
    }
    load_xdp_as(bpf, name)
}

/// Loads one of the XDP programs, and those that it goes on to. Of one object only one can be loaded: the
/// kernel takes the table of those others for one kind of program.
///
/// # Errors
///
/// If the object has none of that name, or the verifier refuses one of them.
pub fn load_xdp_as<'a>(bpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp, ObjectError> {
    load_program(bpf, name)?;
    load_branches(bpf, name, FROM_INGRESS)?;
    xdp(bpf, name)
}

/// Names of the programs that the one called `name` goes on to, in order of [`Branch`].
pub fn branches(name: &str) -> [String; Branch::ALL.len()] {
    Branch::ALL.map(|branch| format!("{name}_{}", branch.name()))
}

/// Loads the programs that the one called `name` goes on to, and puts them into the table at hand.
///
/// The table is to stay where it is: the kernel empties it when nobody has it open any more.
fn load_branches(bpf: &mut Ebpf, name: &str, table: &'static str) -> Result<(), ObjectError> {
    for (branch, name) in Branch::ALL.into_iter().zip(branches(name)) {
        let program = load_program(bpf, &name)?;
        let map = bpf.map_mut(table).ok_or_else(|| foreign("map", table))?;
        let put =
            ProgramArray::try_from(map).and_then(|mut map| map.set(branch as u32, &program, 0));
        put.map_err(|error| ObjectError::Map {
            name: table,
            action: "write",
            reason: error.to_string(),
        })?;
    }
    Ok(())
}

/// Loads one program. Returns what the kernel knows it by.
fn load_program(bpf: &mut Ebpf, name: &str) -> Result<ProgramFd, ObjectError> {
    let foreign = || foreign("program", name);
    let program = bpf.program_mut(name).ok_or_else(foreign)?;
    match program {
        Program::Xdp(program) => program.load(),
        Program::SchedClassifier(program) => program.load(),
        _ => return Err(foreign()),
    }
    .and_then(|()| Ok(program.fd()?.try_clone()?))
    .map_err(|error| ObjectError::Program { name: name.into(), reason: last_words(&error) })
}

/// What the kernel says of the program called `name` and of those that it goes on to, if they are loaded.
///
/// # Errors
///
/// If the object has one of them not, or the kernel does not say.
pub fn infos(bpf: &Ebpf, name: &str) -> Result<Vec<ProgramInfo>, ObjectError> {
    let names = [name.to_owned()].into_iter().chain(branches(name));
    let info = |name: String| {
        let program = bpf.program(&name).ok_or_else(|| foreign("program", &name))?;
        program.info().map_err(|error| ObjectError::Program { name, reason: error.to_string() })
    };
    names.map(info).collect()
}

pub(super) fn foreign(kind: &'static str, name: &str) -> ObjectError {
    ObjectError::Foreign { kind, name: name.into() }
}

/// One of the XDP programs of the object.
///
/// # Errors
///
/// If it has none of that name.
pub(super) fn xdp<'a>(bpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp, ObjectError> {
    bpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| foreign("program", name))
}

/// Takes both programs off all interfaces. Those that they went on to stay in their tables, unreached.
pub fn unload(bpf: &mut Ebpf) {
    let unloaded = [
        bpf.program_mut(ingress()).map(|program| <&mut Xdp>::try_from(program)?.unload()),
        bpf.program_mut(EGRESS).map(|program| <&mut SchedClassifier>::try_from(program)?.unload()),
    ];
    for error in unloaded.into_iter().flatten().filter_map(Result::err) {
        tracing::warn!("cannot take off a program: {error}");
    }
}

/// Loads the tc program, and those that it goes on to.
///
/// # Errors
///
/// If the object has none, or the verifier refuses one of them.
pub fn load_tc(bpf: &mut Ebpf) -> Result<&mut SchedClassifier, ObjectError> {
    load_program(bpf, EGRESS)?;
    load_branches(bpf, EGRESS, FROM_EGRESS)?;
    tc(bpf)
}

/// The tc program of the object.
///
/// # Errors
///
/// If it has none.
pub(super) fn tc(bpf: &mut Ebpf) -> Result<&mut SchedClassifier, ObjectError> {
    bpf.program_mut(EGRESS)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| foreign("program", EGRESS))
}

impl ObjectError {
    /// Whether it was for want of privileges.
    pub fn is_permission(&self) -> bool {
        let refused =
            |text: &str| text.contains("Operation not permitted") || text.contains("os error 1)");
        match self {
            Self::Load(error) => {
                let mut source: Option<&dyn std::error::Error> = Some(error.as_ref());
                while let Some(error) = source {
                    if let Some(io) = error.downcast_ref::<std::io::Error>()
                        && io.kind() == std::io::ErrorKind::PermissionDenied
                    {
                        return true;
                    }
                    source = error.source();
                }
                refused(&self.to_string())
            }
            Self::Program { reason, .. } | Self::Map { reason, .. } => refused(reason),
            Self::Absent | Self::Unreadable { .. } | Self::Foreign { .. } => false,
        }
    }
}
