//! Another kernel than this machine's: Debian 12's, emulated, with the agent and the lab in it.

use std::{fs, path::Path};

use probe_tests::{
    kernels::{archive::KERNELS, image, machine, scenario::Part},
    lab::agent,
};

/// Where kernels are kept, also by `cargo xtask kernels`.
const CACHE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/kernels");

/// What the lab's injector gives cause for: two names, two families, connections and questions.
const CAUSES: usize = 8;

#[test]
fn what_is_forged_is_found_by_the_kernel_of_debian_12() {
    let cache = Path::new(CACHE);
    let kernel = KERNELS.iter().find(|kernel| kernel.series == "6.1").expect("it is tried");
    let unpacked = kernel.get(cache).expect("a kernel out of Debian's archive");
    let directory = tempfile::tempdir_in(cache).expect("a directory");
    let guest = Path::new(env!("CARGO_BIN_EXE_guest"));
    let agent = agent::path().expect("which agent to test");
    let image = image::make(directory.path(), &unpacked, guest, &agent).expect("an image");
    let (told, took) = machine::run(directory.path(), &unpacked, &image, Part::Injector)
        .unwrap_or_else(|error| panic!("{error:#}"));
    println!("{} told in {took:.0?}: {told:#?}", unpacked.version);
    assert!(told.release.starts_with("6.1."), "{}", told.release);
    assert!(told.wrong.is_empty(), "{:#?}", told.wrong);
    assert!(told.native && !told.tcx, "{}", told.places());
    assert!(told.slept.is_some(), "it cannot sleep");
    assert_eq!(told.injected.len(), CAUSES, "{:#?}", told.injected);
    assert!(told.injected.iter().all(|one| one.verdict == "injected" && one.confidence == "C3"));
    let _ = fs::remove_file(image);
}
