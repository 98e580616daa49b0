//! No packet makes the kernel allocate: every map is there in full from the beginning.

use aya::maps::{MapInfo, MapType, loaded_maps};
use probe_common::config::Config;
use probe_user::source::kernel::object;

/// `BPF_F_NO_PREALLOC`: elements are allocated as they are needed.
const NO_PREALLOC: u32 = 1 << 0;

/// The maps that a program uses, as the kernel tells.
fn maps_of(ids: &[u32]) -> Vec<MapInfo> {
    let known = loaded_maps().filter_map(Result::ok);
    known.filter(|map| ids.contains(&map.id())).collect()
}

#[test]
fn every_map_is_allocated_before_the_first_packet() {
    let mut bpf = object::load(&Config::replay()).expect("an object that loads");
    object::load_xdp(&mut bpf).expect("the XDP programs");
    object::load_tc(&mut bpf).expect("the tc programs");
    let infos = [object::ingress(), object::EGRESS].map(|name| object::infos(&bpf, name));
    let mut seen = 0;
    for info in infos.into_iter().flat_map(|infos| infos.expect("their facts")) {
        let ids = info.map_ids().expect("the kernel tells").expect("a kernel that can tell");
        let maps = maps_of(&ids);
        assert_eq!(maps.len(), ids.len(), "the kernel has maps that cannot be looked at");
        for map in maps {
            let kind = map.map_type().expect("a type of map");
            let name = map.name_as_str().unwrap_or("?").to_owned();
            // Arrays are allocated when they are made, whatever is in them; a ring buffer likewise.
            // A hash map is not among them: one without that flag is, but from a pool that all CPUs
            // share a lock for.
            let arrays = [MapType::Array, MapType::PerCpuArray, MapType::ProgramArray];
            assert!(
                arrays.contains(&kind) || kind == MapType::RingBuf,
                "{name} is a map of type {kind:?}"
            );
            assert_eq!(map.map_flags() & NO_PREALLOC, 0, "{name} is not allocated beforehand");
            seen += 1;
        }
    }
    assert!(seen > 36, "{seen} maps");
}
