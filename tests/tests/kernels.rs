//! Another kernel than this machine's: Debian 12's, emulated, with the agent and the lab in it.

use std::{fs, path::Path};

use probe_tests::{
    kernels::{
        architecture::Architecture,
        archive::KERNELS,
        clocks::SLEEP,
        image::{self, Ours},
        machine,
        scenario::Part,
    },
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
    let of = Architecture::HERE;
    let unpacked = kernel.get(cache, of).expect("a kernel out of Debian's archive");
    let directory = tempfile::tempdir_in(cache).expect("a directory");
    let first = env!("CARGO_BIN_EXE_guest").into();
    let ours = Ours { of, first, agent: agent::path().expect("which agent to test") };
    let image = image::make(directory.path(), cache, &unpacked, &ours).expect("an image");
    let (told, took) = machine::run(directory.path(), of, &unpacked, &image, Part::Injector)
        .unwrap_or_else(|error| panic!("{error:#}"));
    println!("{} told in {took:.0?}: {told:#?}", unpacked.version);
    assert!(told.release.starts_with("6.1."), "{}", told.release);
    assert!(told.wrong.is_empty(), "{:#?}", told.wrong);
    assert!(told.native && !told.tcx, "{}", told.places());
    assert!(told.slept.is_some(), "it cannot sleep");
    assert!(told.taken_over.is_some_and(|events| events > 0), "nothing was taken over");
    // Each agent tells of one sleep, also one that took over from an agent that had hardly begun.
    let length = |word: &String| -> Option<f64> {
        word.split_once("the machine slept for ")?.1.split(' ').next()?.parse().ok()
    };
    let slept: Vec<f64> = told.words.iter().filter_map(length).collect();
    assert!(
        slept.len() == 2 && slept.iter().all(|length| *length < 1.5 * SLEEP as f64),
        "{slept:?}"
    );
    assert_eq!(told.injected.len(), CAUSES, "{:#?}", told.injected);
    assert!(told.injected.iter().all(|one| one.verdict == "injected" && one.confidence == "C3"));
    let _ = fs::remove_file(image);
}
