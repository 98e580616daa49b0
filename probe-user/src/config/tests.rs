//! The layers, the example, and what is said of mistakes.

use std::{ffi::OsString, fs, path::Path};

use super::{
    EXAMPLE,
    keys::KEYS,
    layers::{Layers, Origin},
    settings::Settings,
};

fn parse(text: &str) -> Result<Layers, String> {
    let mut layers = Layers::default();
    layers.parse(Path::new("some.toml"), text).map_err(|error| error.to_string())?;
    Ok(layers)
}

/// Lines of the example that are a key behind a `#`.
fn commented() -> Vec<&'static str> {
    let is_key = |line: &&str| {
        let name = line.split(" = ").next().unwrap_or_default();
        line.contains(" = ") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    EXAMPLE.lines().filter_map(|line| line.strip_prefix('#')).filter(is_key).collect()
}

#[test]
fn the_example_has_every_key_once_with_its_default() {
    let uncommented: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if commented().contains(&key) => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let layers = parse(&uncommented).expect("every line that is a key can be read");
    assert_eq!(layers.said_by_file(), KEYS.len(), "a key is missing: {}", layers.shown());
    assert_eq!(commented().len(), KEYS.len());
    assert_eq!(layers.settings, Settings::default(), "a default is not the default");
}

#[test]
fn the_example_as_it_ships_says_nothing() {
    let layers = parse(EXAMPLE).unwrap();
    assert_eq!(layers.said_by_file(), 0);
    let bare: String = EXAMPLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(parse(&bare).unwrap().settings, Settings::default());
}

#[test]
fn every_key_of_the_example_says_why() {
    let mut before = "";
    for line in EXAMPLE.lines() {
        if line.strip_prefix('#').is_some_and(|line| commented().contains(&line)) {
            assert!(before.starts_with("# "), "nothing is said of: {line}");
        }
        before = line;
    }
}

#[test]
fn what_is_shown_is_a_configuration() {
    let text = "interfaces = [\"eth0\"]\ntargets = [\"/a.toml\"]\n[state]\nkeep_days = 7\n";
    let layers = parse(text).unwrap();
    let shown = layers.shown();
    assert_eq!(parse(&shown).unwrap().settings, layers.settings, "{shown}");
    assert!(shown.contains("keep_days = 7  # file"), "{shown}");
    assert!(shown.contains("keep_octets = 536870912  # default"), "{shown}");
}

/// Each with its place and what is allowed.
#[test]
fn mistakes_are_told_with_their_place() {
    for (text, says) in [
        ("\nifaces = []\n", "line 2, column 1: unknown key `ifaces`; allowed are interfaces, all,"),
        (
            "[state]\n  keep_day = 1\n",
            "line 2, column 3: unknown key `keep_day` in [state]; allowed are record,",
        ),
        ("[stat]\n", "line 1, column 2: unknown key `stat`; allowed are"),
        ("state = 1\n", "line 1, column 9: \"state\" is a table; allowed is [state]"),
        (
            "[state]\nkeep_days = 0\n",
            "line 2, column 13: 0 is not allowed here; allowed is a whole number from 1 to 36500",
        ),
        ("[state]\nkeep_days = \"7\"\n", "line 2, column 13: \"7\" is not allowed here"),
        ("all = 1\n", "line 1, column 7: 1 is not allowed here; allowed is true or false"),
        ("dns_ports = [53,\n  0]\n", "line 2, column 3: 0 is not allowed here"),
        ("dns_ports = [1, 2, 3, 4, 5]\n", "allowed is a list of up to 4 ports"),
        ("interfaces = \"eth0\"\n", "allowed is a list of up to 8 names"),
        ("[kernel]\nring_octets = 5000\n", "allowed is a power of two from 4096 to 1073741824"),
        ("[kernel]\nflow_sets = -64\n", "-64 is not allowed here; allowed is a power of two"),
        ("[kernel]\nevent_rate = 4294967296\n", "allowed is a whole number from 0 to 4294967295"),
        ("all = true\nall = true\n", "line 2, column 1: duplicate key"),
        ("all\n", "line 1, column"),
    ] {
        let error = parse(text).err().unwrap_or_else(|| panic!("taken: {text}"));
        assert!(error.starts_with("configuration file some.toml, line "), "{error}");
        assert!(error.contains(says), "no `{says}` in: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn later_layers_win_key_by_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("some.toml");
    fs::write(&path, "targets = [\"mine.toml\"]\n[state]\ndirectory = \"/file\"\nkeep_days = 7\n")
        .unwrap();
    let load = |named: Option<&Path>, variables: &[(&str, &str)], usual: &Path| {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        Layers::load_by(named, &variable, usual)
    };
    let nowhere = Path::new("/nowhere.toml");
    assert_eq!(load(None, &[], nowhere).unwrap().settings, Settings::default());
    assert!(load(Some(nowhere), &[], nowhere).is_err(), "a file that is named has to be there");

    for layers in [
        load(None, &[], &path),
        load(Some(&path), &[("FORGEWATCH_CONFIG", "/nowhere.toml")], nowhere),
        load(None, &[("FORGEWATCH_CONFIG", path.to_str().unwrap())], nowhere),
    ] {
        let settings = layers.unwrap().settings;
        assert_eq!(settings.keep_days, 7);
        assert_eq!(settings.targets, [directory.path().join("mine.toml")], "beside the file");
    }
    let none = load(None, &[("FORGEWATCH_CONFIG", "")], &path).unwrap();
    assert_eq!(none.settings, Settings::default());

    let silent = load(Some(&path), &[("FORGEWATCH_STATE", "")], nowhere).unwrap();
    assert!(!silent.settings.record);
    let mut layers = load(Some(&path), &[("FORGEWATCH_STATE", "/own")], nowhere).unwrap();
    assert_eq!(layers.settings.directory.as_deref(), Some(Path::new("/own")));
    layers.set("state.keep_days", Origin::CommandLine, |to| to.keep_days = 8);
    let shown = layers.shown();
    for line in ["keep_days = 8  # command line", "directory = \"/own\"  # environment"] {
        assert!(shown.contains(line), "no `{line}` in {shown}");
    }
}
