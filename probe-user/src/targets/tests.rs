//! Lookups in the built-in set, and files that must be refused with their place.

use std::io::Write as _;

use super::*;

fn id(service: Option<&Service>) -> Option<&str> {
    service.map(|service| service.id.as_str())
}

#[test]
fn names_match_on_label_boundaries_only() {
    let set = TargetSet::builtin();
    for name in ["linkedin.com", "www.linkedin.com", "ru.WWW.LinkedIn.com.", "static.licdn.com"] {
        assert_eq!(id(set.service_of_name(name)), Some("linkedin"), "{name}");
    }
    let others = ["notlinkedin.com", "linkedin.com.evil.example", "com", "", ".", "linkedin", "in"];
    for name in others {
        assert_eq!(id(set.service_of_name(name)), None, "{name}");
    }
    let control = set.service_of_name("teams.microsoft.com").unwrap();
    assert!(control.is_control());
}

#[test]
fn a_name_cut_or_escaped_by_normalisation_is_nobodys() {
    let set = TargetSet::builtin();
    let normalise = crate::names::host::normalise;
    let long = [&[b'a'; 600][..], b".linkedin.com"].concat();
    assert_eq!(id(set.service_of_name(&normalise(&long))), None);
    assert_eq!(id(set.service_of_name(&normalise(b"www\0linkedin.com"))), None);
    let under = set.service_of_name("a\\x00.linkedin.com");
    assert_eq!(id(under), Some("linkedin"), "an odd label under the name is still under it");
}

#[test]
fn addresses_match_whole_networks() {
    let set = TargetSet::builtin();
    let of = |address: &str| id(set.service_of_address(address.parse().unwrap()));
    let inside = [
        "108.174.10.10",
        "45.42.64.0",
        "45.42.67.255",
        "144.2.16.1",
        "::ffff:108.174.0.1",
        "2620:109:c00a::1",
        "2a05:f506:ffff::1",
    ];
    for address in inside {
        assert_eq!(of(address), Some("linkedin"), "{address}");
    }
    // 13.107.42.14 serves LinkedIn, among others: an address of a shared front is nobody's.
    for address in ["45.42.68.0", "108.174.9.1", "13.107.42.14", "::", "2a05:f508::1"] {
        assert_eq!(of(address), None, "{address}");
    }
}

#[test]
fn two_addresses_of_one_service_have_one_origin() {
    let set = TargetSet::builtin();
    let same = |one: &str, two: &str| set.same_origin(one.parse().unwrap(), two.parse().unwrap());
    assert!(same("108.174.10.10", "144.2.9.1"));
    assert!(!same("108.174.10.10", "203.0.113.1"));
    assert!(!same("203.0.113.1", "203.0.113.1"), "nobody's addresses have no known origin");
}

fn service(id: &str, role: &str, suffix: &str, prefix: &str) -> String {
    format!(
        "[[service]]\nid = \"{id}\"\ntitle = \"T\"\nrole = \"{role}\"\n\
         [[service.names]]\nsource = \"s\"\ndate = \"2026-01-02\"\nsuffixes = [\"{suffix}\"]\n\
         [[service.networks]]\nsource = \"s\"\ndate = \"2026-01-02\"\nprefixes = [\"{prefix}\"]\n"
    )
}

fn load(texts: &[&str]) -> Result<TargetSet, TargetError> {
    let directory = tempfile::tempdir().unwrap();
    let files = texts.iter().enumerate().map(|(index, text)| {
        let path = directory.path().join(format!("{index}.toml"));
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path
    });
    TargetSet::load(&files.collect::<Vec<_>>())
}

#[test]
fn a_file_replaces_the_targets_and_keeps_the_controls() {
    let text = service("telegram", "target", "t.me", "149.154.160.0/20");
    let set = load(&[&text]).unwrap();
    assert_eq!(id(set.service_of_name("www.t.me")), Some("telegram"));
    assert_eq!(id(set.service_of_name("www.linkedin.com")), None);
    assert_eq!(id(set.service_of_name("example.org")), Some("neutral"));

    let own = service("mine", "control", "control.test", "198.51.100.0/24");
    let set = load(&[&text, &own]).unwrap();
    assert_eq!(id(set.service_of_name("example.org")), None, "own controls replace the built-in");
    assert!(set.service_of_name("control.test").unwrap().is_control());
}

#[test]
fn a_target_taken_from_a_control_is_no_control() {
    let text = service("office", "target", "office.com", "192.0.2.0/24");
    let set = load(&[&text]).unwrap();
    assert_eq!(id(set.service_of_name("www.office.com")), Some("office"));
    assert_eq!(id(set.service_of_name("microsoft.com")), Some("microsoft-front"));
}

#[test]
fn the_longest_suffix_and_prefix_win() {
    let wide = service("wide", "target", "example.test", "10.0.0.0/8");
    let narrow = service("narrow", "control", "deep.example.test", "10.1.2.0/24");
    let set = load(&[&wide, &narrow]).unwrap();
    assert_eq!(id(set.service_of_name("a.deep.example.test")), Some("narrow"));
    assert_eq!(id(set.service_of_name("eep.example.test")), Some("wide"));
    assert_eq!(id(set.service_of_address("10.1.2.3".parse().unwrap())), Some("narrow"));
    assert_eq!(id(set.service_of_address("10.1.3.3".parse().unwrap())), Some("wide"));
}

#[test]
fn the_hash_follows_the_content_only() {
    let one = service("one", "target", "a.test", "192.0.2.0/24");
    let two = service("two", "control", "b.test", "198.51.100.0/24");
    let joined = format!("# a comment\n{two}\n{one}");
    let hash = load(&[&one, &two]).unwrap().hash().to_owned();
    assert_eq!(hash.len(), 64);
    assert_eq!(load(&[&joined]).unwrap().hash(), hash);
    assert_ne!(load(&[&one.replace("a.test", "c.test"), &two]).unwrap().hash(), hash);
    assert_ne!(TargetSet::builtin().hash(), hash);
    assert_eq!(TargetSet::builtin().hash(), TargetSet::load(&[]).unwrap().hash());
}

/// A good file with one thing replaced; the message must have the place and each of the words.
#[track_caller]
fn refused(from: &str, to: &str, place: &str, words: &[&str]) {
    let text = service("one", "target", "a.test", "192.0.2.0/24").replacen(from, to, 1);
    let message = load(&[&text]).unwrap_err().to_string();
    assert!(message.contains(place), "{place} is not in: {message}");
    for word in words {
        assert!(message.contains(word), "{word} is not in: {message}");
    }
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("0.toml"), "{message}");
}

#[test]
fn refusals_say_where_and_what_is_allowed() {
    refused("suffixes", "sufixes", "line 8, column 1", &["sufixes", "`suffixes`"]);
    refused("title = \"T\"\n", "", "line 1,", &["missing field `title`"]);
    refused("\"target\"", "\"victim\"", "line 4, column 8", &["victim", "`target`", "`control`"]);
    refused("\"one\"", "\"One\"", "line 2, column 6", &["One", "a-z"]);
    refused("\"a.test\"", "\"*.a.test\"", "line 8, column 13", &["*.a.test", "without *"]);
    refused("\"a.test\"", "\"com\"", "line 8, column 13", &["two or more labels"]);
    refused("192.0.2.0/24", "192.0.2.1/24", "line 12, column 13", &["192.0.2.0/24"]);
    refused("192.0.2.0/24", "0.0.0.0/0", "line 12,", &["/8 or longer"]);
    refused("192.0.2.0/24", "192.0.2", "line 12,", &["108.174.0.0/23"]);
    refused("2026-01-02", "yesterday", "line 7, column 8", &["2026-06-17"]);
    refused("\"s\"", "\" \"", "line 6, column 10", &["source is empty"]);
    refused("id = ", "id == ", "line 2,", &[]);
    let nothing = "[[service]]\nid = \"a\"\ntitle = \"A\"\nrole = \"target\"\n";
    assert!(load(&[nothing]).unwrap_err().to_string().contains("neither a suffix nor a prefix"));
}

#[test]
fn nothing_belongs_to_two_services() {
    let one = service("one", "target", "a.test", "192.0.2.0/24");
    let message = |two: &str| load(&[&one, two]).unwrap_err().to_string();
    let same_name = service("two", "target", "A.test", "198.51.100.0/24");
    assert!(message(&same_name).contains("a.test belongs to service \"one\" already"));
    let same_network = service("two", "target", "b.test", "192.0.2.0/24");
    assert!(message(&same_network).contains("192.0.2.0/24 belongs to service \"one\" already"));
    assert!(message(&one).contains("there is a service \"one\" already"));
}

#[test]
fn a_missing_file_is_named() {
    let error = TargetSet::load(&["/nonexistent/targets.toml".into()]).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/targets.toml") && error.contains("docs/targets.md"));
}

#[test]
fn services_keep_their_places_when_targets_change() {
    let before = TargetSet::builtin();
    let mut services = before.services.clone();
    services.retain(|service| service.id != "linkedin");
    let other =
        Service { id: "aaa".into(), suffixes: vec!["aaa.example".into()], ..services[0].clone() };
    services.push(other);
    let plain = TargetSet::index(services, before.operators.clone());
    assert_eq!(plain.services[0].id, "aaa");
    let after = plain.after(&before);
    for (old, new) in before.services.iter().zip(&after.services) {
        assert_eq!(old.id, new.id);
    }
    assert_eq!(after.services.len(), before.services.len() + 1);
    assert_eq!(id(after.service_of_name("www.aaa.example")), Some("aaa"));
    assert_eq!(id(after.service_of_name("www.linkedin.com")), None);
    assert_eq!(id(after.service_of_address("108.174.10.10".parse().unwrap())), None);
    assert_eq!(after.hash(), plain.hash());
    // And back.
    let again = before.after(&after);
    assert_eq!(id(again.service_of_name("www.linkedin.com")), Some("linkedin"));
    assert_eq!(id(again.service_of_name("www.aaa.example")), None);
}

#[test]
fn suffixes_keep_their_places_when_targets_change() {
    let load = |suffixes: &str| {
        let text = service("one", "target", "x.test", "192.0.2.0/24");
        load(&[&text.replace("\"x.test\"", suffixes)]).unwrap()
    };
    let before = load(r#""b.test", "m.test", "z.test""#);
    let plain = load(r#""a.test", "b.test", "z.test""#);
    let after = plain.after(&before);
    let place = |set: &TargetSet, name: &str| set.owner_of_name(name).map(|owner| owner.suffix);
    for name in ["b.test", "z.test"] {
        assert_eq!(place(&after, name), place(&before, name), "{name}");
    }
    let one = |set: &TargetSet| set.services.iter().find(|one| one.id == "one").unwrap().clone();
    assert_eq!(one(&after).suffixes, ["b.test", "m.test", "z.test", "a.test"]);
    // What is new has a place of its own, and what is gone is found no more.
    assert_eq!((place(&after, "www.a.test"), place(&after, "m.test")), (Some(3), None));
    assert!(one(&after).is_common("www.a.test") && !one(&after).is_common("m.test"));
    assert_eq!(after.hash(), plain.hash());
    // And back: it has the place that was kept for it.
    let again = before.after(&after);
    assert_eq!((place(&again, "m.test"), place(&again, "a.test")), (Some(1), None));
}
