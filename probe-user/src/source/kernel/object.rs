//! The BPF object: embedded, configured, loaded.

use std::{path::PathBuf, sync::LazyLock};

use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel,
    programs::{ProgramType, SchedClassifier, Xdp},
    sys::{BpfHelper, is_helper_supported},
};
use probe_common::config::Config;
use thiserror::Error;

/// The object as xtask built it; empty in a build without the BPF toolchain.
static EMBEDDED: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/probe.bpf.o"));

/// Name of the XDP program, for packets in one buffer or several.
pub const INGRESS: &str = "ingress";
/// Name of the XDP program for kernels that know no packets of several buffers (before Linux 5.18).
pub const INGRESS_LINEAR: &str = "ingress_linear";
/// Name of the tc program.
pub const EGRESS: &str = "egress";

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
        name: &'static str,
    },
    /// A program was refused.
    #[error("the kernel refused the program `{name}`: {reason}")]
    Program {
        /// Its name.
        name: &'static str,
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
    if EMBEDDED.is_empty() {
        return Err(ObjectError::Absent);
    }
    let mut loader = EbpfLoader::new();
    if let Some(octets) = ring {
        loader.map_max_entries("EVENTS", octets);
    }
    configure(&mut loader, config);
    loader.load(EMBEDDED).map_err(|error| ObjectError::Load(Box::new(error)))
}

/// Has a loader put `config` into the object that it loads, and make its tables as large as that says.
pub fn configure<'a>(loader: &mut EbpfLoader<'a>, config: &'a Config) {
    loader
        .verifier_log_level(VerifierLogLevel::STATS)
        .override_global("CONFIG", config.as_octets(), true)
        .map_max_entries("FLOWS", config.flow_mask + 1)
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

/// Loads one of the XDP programs.
///
/// # Errors
///
/// If the object has none of that name, or the verifier refuses it.
pub fn load_xdp_as<'a>(bpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Xdp, ObjectError> {
    let program = xdp(bpf, name)?;
    program.load().map_err(|error| ObjectError::Program { name, reason: last_words(&error) })?;
    Ok(program)
}

/// One of the XDP programs of the object.
///
/// # Errors
///
/// If it has none of that name.
pub(super) fn xdp<'a>(bpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Xdp, ObjectError> {
    bpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or(ObjectError::Foreign { kind: "program", name })
}

/// Takes both programs off all interfaces and out of the kernel.
pub fn unload(bpf: &mut Ebpf) {
    let unloaded = [
        bpf.program_mut(ingress()).map(|program| <&mut Xdp>::try_from(program)?.unload()),
        bpf.program_mut(EGRESS).map(|program| <&mut SchedClassifier>::try_from(program)?.unload()),
    ];
    for error in unloaded.into_iter().flatten().filter_map(Result::err) {
        tracing::warn!("cannot take off a program: {error}");
    }
}

/// Loads the tc program.
///
/// # Errors
///
/// If the object has none, or the verifier refuses it.
pub fn load_tc(bpf: &mut Ebpf) -> Result<&mut SchedClassifier, ObjectError> {
    let program: &mut SchedClassifier = bpf
        .program_mut(EGRESS)
        .and_then(|program| program.try_into().ok())
        .ok_or(ObjectError::Foreign { kind: "program", name: EGRESS })?;
    program
        .load()
        .map_err(|error| ObjectError::Program { name: EGRESS, reason: last_words(&error) })?;
    Ok(program)
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
