//! Puts the BPF object where the agent embeds it from: `$OUT_DIR/probe.bpf.o`.
//!
//! The object is compiled by `cargo xtask build-ebpf`, not here: it needs another compiler, and
//! `cargo check`, `clippy` and `doc` have to work where that compiler is missing. Without an object
//! an empty file stands in, and the agent then says so when it is asked to look at live packets.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::exit,
};

use object::{
    build::{
        ByteString,
        elf::{Builder, SectionData},
    },
    elf::SHT_STRTAB,
};

/// Names the object to embed. `cargo xtask` sets it.
const OBJECT_VARIABLE: &str = "FORGEWATCH_EBPF_OBJECT";

/// Where `cargo xtask build-ebpf` leaves the object, seen from this package.
const STABLE_PATH: &str = "../target/bpf/probe.bpf.o";

/// Sources of what kernel and agent share, seen from this package.
const SHARED: &str = "../probe-common/src";

/// What a source has in it that lays something out: a record, the order of the counters, the version of all that.
const LAYS_OUT: [&str; 3] = ["repr(C", "pub enum Counter", "const ABI_VERSION"];

/// First octets of an ELF file, ELF specification, "ELF identification".
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// Offset of the 16-bit `e_machine` in an ELF header.
const ELF_MACHINE: usize = 18;

/// `EM_BPF`, `linux/elf-em.h`.
const EM_BPF: u16 = 247;

/// How names of sections begin that hold DWARF, or its relocations.
const DWARF: [&[u8]; 2] = [b".debug_", b".rel.debug_"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={OBJECT_VARIABLE}");
    if let Err(reason) = embed().and_then(|()| layout()) {
        println!("cargo::error={reason}");
        exit(1);
    }
}

/// Hashes the sources that say how what kernel and agent share is laid out, without comments and tests, for agents to
/// know whether they can go on with what another one has left. A change of anything else in these files is taken for
/// one of the layout as well: what is lost by that is what tables knew, and never what is true.
fn layout() -> Result<(), String> {
    let root =
        Path::new(&env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo set no CARGO_MANIFEST_DIR")?)
            .join(SHARED);
    let mut files = Vec::new();
    sources(&root, &mut files)?;
    files.sort();
    // FNV-1a.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let text = fs::read_to_string(&file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        if !LAYS_OUT.iter().any(|sign| code.contains(sign)) {
            continue;
        }
        let lines = code.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        for octet in lines.flat_map(str::bytes) {
            hash = (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    println!("cargo::rustc-env=FORGEWATCH_LAYOUT={hash:016x}");
    Ok(())
}

/// All sources below a directory.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", directory.display());
    println!("cargo::rerun-if-changed={}", directory.display());
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// Copies the object, or writes the empty file that stands for "none".
fn embed() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo set no OUT_DIR")?);
    let bytes = match object() {
        None => Vec::new(),
        Some(path) => {
            println!("cargo::rerun-if-changed={}", path.display());
            read(&path)?
        }
    };
    println!("cargo::rustc-env=FORGEWATCH_EBPF_PRESENT={}", u8::from(!bytes.is_empty()));
    let target = out.join("probe.bpf.o");
    fs::write(&target, bytes).map_err(|error| format!("cannot write {}: {error}", target.display()))
}

/// The object to embed: the one named in the environment, else the one that is there already.
fn object() -> Option<PathBuf> {
    if let Some(named) = env::var_os(OBJECT_VARIABLE).filter(|name| !name.is_empty()) {
        return Some(named.into());
    }
    // Not reported with `rerun-if-changed` when it is missing: cargo would run this script, and
    // compile the agent, every time.
    let built = Path::new(&env::var_os("CARGO_MANIFEST_DIR")?).join(STABLE_PATH);
    built.is_file().then_some(built)
}

/// Reads an object and makes sure that it is one for BPF.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let bytes = fs::read(path).map_err(|error| {
        format!(
            "cannot read the BPF object {shown}: {error}; make it with `cargo xtask build-ebpf`"
        )
    })?;
    // The two octets of EM_BPF are told apart from each other by the byte order of the object.
    let machine = bytes.get(ELF_MACHINE..ELF_MACHINE + 2);
    let is_bpf = [EM_BPF.to_le_bytes(), EM_BPF.to_be_bytes()]
        .iter()
        .any(|expected| machine == Some(expected.as_slice()));
    if !bytes.starts_with(ELF_MAGIC) || !is_bpf {
        return Err(format!("{shown} is not a BPF object; make one with `cargo xtask build-ebpf`"));
    }
    without_dwarf(&bytes).map_err(|error| format!("cannot take DWARF out of {shown}: {error}"))
}

/// An object without its DWARF, of which four fifths of it consist: the kernel goes by the BTF that was made
/// of it, and what is read of the agent's file at the start stays in memory.
fn without_dwarf(octets: &[u8]) -> object::build::Result<Vec<u8>> {
    let mut object = Builder::read(octets)?;
    for section in &mut object.sections {
        section.delete = DWARF.iter().any(|beginning| section.name.starts_with(beginning));
    }
    object.delete_orphans();
    // LLVM has names of symbols and of sections in one table, and what writes them here wants two.
    if !object.sections.iter().any(|section| matches!(section.data, SectionData::SectionString)) {
        let names = object.sections.add();
        names.name = ByteString::from(".shstrtab");
        names.sh_type = SHT_STRTAB;
        names.sh_addralign = 1;
        names.data = SectionData::SectionString;
    }
    let mut without = Vec::new();
    object.write(&mut without)?;
    Ok(without)
}
