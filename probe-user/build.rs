fn main() {
    let out = std::env::var("OUT_DIR").unwrap();
    println!("cargo::rerun-if-env-changed=FORGEWATCH_EBPF_OBJECT");
    match std::env::var("FORGEWATCH_EBPF_OBJECT") {
        Ok(p) => {
            println!("cargo::rerun-if-changed={p}");
            std::fs::copy(p, format!("{out}/probe.bpf.o")).unwrap();
        }
        Err(_) => std::fs::write(format!("{out}/probe.bpf.o"), []).unwrap(),
    }
}
