//! What the verifier says to the programs, in every variant of the settings that the agent uses.

use std::{fs, path::PathBuf};

use aya::programs::{ProgramInfo, SchedClassifier, Xdp};
use probe_common::{
    config::{Config, DEFAULT_EVENT_RATE, FLAG_SKIP_FORWARDED, FLAG_STAMPED, FLAG_WATCH_ALL},
    engine::Branch,
    hash::HashKey,
};
use probe_user::source::kernel::object;

/// Instructions that the verifier may look at before it gives up (`BPF_COMPLEXITY_LIMIT_INSNS`).
const LIMIT: u32 = 1_000_000;

struct Variant {
    name: &'static str,
    config: Config,
    ring: Option<u32>,
}

/// A live run, a run of everything, a router with several interfaces, both; and the replay.
fn variants() -> Vec<Variant> {
    let live = |name, flags, ring| Variant {
        name,
        config: Config {
            flags,
            hash_key: HashKey { k0: 0x0123_4567_89ab_cdef, k1: u64::MAX },
            event_rate: DEFAULT_EVENT_RATE,
            ..Config::replay()
        },
        ring,
    };
    vec![
        live("live", 0, None),
        live("live, smallest ring", 0, Some(4_096)),
        live("live, ring of 64 MiB", 0, Some(64 << 20)),
        live("everything", FLAG_WATCH_ALL, None),
        live("several interfaces", FLAG_SKIP_FORWARDED, None),
        live("several interfaces, everything", FLAG_SKIP_FORWARDED | FLAG_WATCH_ALL, None),
        Variant { name: "replay", config: Config::replay(), ring: None },
        Variant {
            name: "replay of what is watched",
            config: Config { flags: FLAG_STAMPED, ..Config::replay() },
            ring: None,
        },
        Variant {
            name: "small tables, four DNS ports",
            config: Config {
                flow_mask: 0,
                dns_mask: 0,
                quic_mask: 0,
                dns_ports: [53, 5353, 5355, 8053],
                ..Config::replay()
            },
            ring: None,
        },
    ]
}

#[test]
fn all_programs_load_in_every_variant() {
    for variant in variants() {
        println!("{}:", variant.name);
        // That of older kernels is tried there, by `cargo xtask kernels`; this one must take it as well.
        for ingress in [object::INGRESS, object::INGRESS_LINEAR] {
            let loaded =
                object::load_with_ring(&variant.config, variant.ring).and_then(|mut bpf| {
                    object::load_xdp_as(&mut bpf, ingress)?;
                    object::load_tc(&mut bpf)?;
                    let mut infos = object::infos(&bpf, ingress)?;
                    infos.extend(object::infos(&bpf, object::EGRESS)?);
                    Ok(infos)
                });
            let infos = loaded.unwrap_or_else(|error| panic!("{}: {error}", variant.name));
            assert_eq!(infos.len(), 2 * (1 + Branch::ALL.len()));
            for info in infos {
                println!("  {}", numbers(&info));
                assert_eq!(info.gpl_compatible(), Some(true), "{}", variant.name);
                assert!(info.btf_id().is_some(), "{}: no BTF in the kernel", variant.name);
                // Some room, since other kernels count differently.
                let looked_at = info.verified_instruction_count().unwrap_or(0);
                assert!(looked_at < LIMIT / 5 * 2, "{}: {looked_at} instructions", variant.name);
            }
        }
    }
}

fn numbers(info: &ProgramInfo) -> String {
    format!(
        "{} {} instructions verified, {} octets of machine code",
        info.name_as_str().unwrap_or("?"),
        info.verified_instruction_count().map_or("?".to_owned(), |count| count.to_string()),
        info.size_jitted(),
    )
}

#[test]
fn the_object_names_its_licence_and_has_btf() {
    let Some(path) = std::env::var_os("FORGEWATCH_EBPF_OBJECT").map(PathBuf::from) else {
        println!("skipped: FORGEWATCH_EBPF_OBJECT names no object; `cargo xtask test` sets it");
        return;
    };
    let octets = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let object = aya::Ebpf::load(&octets).expect("an object that loads");
    assert!(<&Xdp>::try_from(object.program(object::INGRESS).expect("an XDP program")).is_ok());
    assert!(
        <&SchedClassifier>::try_from(object.program(object::EGRESS).expect("a tc program")).is_ok()
    );
    for section in ["license", ".BTF", ".BTF.ext", "maps"] {
        // Names may share their ends: ".BTF" is the end of ".rel.BTF".
        assert!(contains(&octets, format!("{section}\0").as_bytes()), "no section {section}");
    }
    assert!(contains(&octets, b"Dual MIT/GPL\0"));
}

fn contains(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}
