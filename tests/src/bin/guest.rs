//! The first process of an emulated machine; as any other process, it plays the same on this one.

fn main() -> anyhow::Result<()> {
    probe_tests::kernels::guest::main()
}
