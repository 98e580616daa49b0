//! The built-in lists, and files that are refused.

use std::net::IpAddr;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn the_lists_hold_what_is_published() {
    let lists = Sinkholes::builtin();
    for (address, id) in [
        ("10.10.34.34", "iran-page"),
        ("10.10.34.36", "iran-page"),
        ("d0::11", "iran-page-6"),
        ("195.175.254.2", "tr-page"),
        ("5.3.3.17", "ru-ertelecom"),
        ("188.186.154.88", "ru-ertelecom"),
        ("95.167.13.51", "ru-rostelecom"),
        ("185.37.129.10", "ru-provider"),
        ("193.58.251.11", "product-ru"),
        ("208.77.47.172", "gfw-pool"),
        ("::ffff:208.77.47.172", "gfw-pool"),
        ("2a03:2880:f130:83:face:b00c:0:25de", "gfw-pool-6"),
        ("2001::1f0d:5d4a", "gfw-teredo"),
        ("93.46.8.90", "gfw-sink"),
        ("36.86.63.185", "id-provider"),
        ("146.112.61.110", "product-opendns"),
    ] {
        let found = lists.of_address(ip(address)).map(|sinkhole| sinkhole.fact.id.as_str());
        assert_eq!(found, Some(id), "{address}");
    }
    for address in ["10.10.34.33", "10.10.34.37", "108.174.10.10", "2001:0:53aa:64c::1", "8.8.8.8"]
    {
        assert_eq!(lists.of_address(ip(address)), None, "{address}");
    }
    let name = |name| lists.of_name(name).map(|sinkhole| sinkhole.fact.id.as_str());
    assert_eq!(name("trustpositif.kominfo.go.id"), Some("id-trustpositif"));
    assert_eq!(name("a.internet-positif.org"), Some("id-trustpositif"));
    assert_eq!(name("not-internet-positif.org"), None);
    let pools: usize = BUILTIN[6].1.matches('"').count() / 2;
    assert!(pools > 622, "the pools have 592 and 30 addresses");
}

#[test]
fn owners_of_pool_addresses_have_them_genuinely() {
    let lists = Sinkholes::builtin();
    let pool = lists.of_address(ip("31.13.94.37")).expect("one of Facebook's");
    assert!(pool.is_used_by("www.facebook.com") && pool.is_used_by("facebook.com"));
    assert!(!pool.is_used_by("www.linkedin.com") && !pool.is_used_by("notfacebook.com"));
}

#[test]
fn policies_of_resolvers() {
    let lists = Sinkholes::builtin();
    let filters = |address| lists.policy(ip(address)).map(|policy| policy.filters);
    assert_eq!(filters("94.140.14.14"), Some(true));
    assert_eq!(filters("1.1.1.3"), Some(true));
    assert_eq!(filters("45.90.28.77"), Some(true));
    assert_eq!(filters("8.8.8.8"), Some(false));
    assert_eq!(filters("198.51.100.53"), None);
}

#[test]
fn addresses_that_no_public_name_has() {
    for bogon in [
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.1.1",
        "172.31.0.1",
        "192.168.1.1",
        "224.0.0.1",
        "243.185.187.39",
        "::",
        "::1",
        "fc00::1",
        "fe80::1",
        "ff02::1",
    ] {
        assert!(is_bogon(ip(bogon)), "{bogon}");
    }
    for public in
        ["100.128.0.1", "172.32.0.1", "198.18.0.1", "203.0.113.80", "2001:db8::1", "64:ff9b::a00:1"]
    {
        assert!(!is_bogon(ip(public)), "{public}");
    }
    assert!(is_nowhere(ip("127.0.0.53")) && is_nowhere(ip("::")) && !is_nowhere(ip("10.0.0.1")));
    assert_eq!(translated(ip("64:ff9b::6cae:a0a")), Some(Ipv4Addr::new(108, 174, 10, 10)));
    assert_eq!(translated(ip("2620:1ec:21::14")), Some(Ipv4Addr::new(0, 0, 0, 20)));
    assert_eq!(translated(ip("2a03:2880:f130:83:face:b00c:0:25de")), None);
    assert!(
        is_well_known_translation(ip("64:ff9b::1")) && !is_well_known_translation(ip("64:ff9c::1"))
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let entry = |change: &str| {
        format!(
            "[[sinkhole]]\nid = \"one\"\ntitle = \"t\"\nuse = \"page\"\nscope = \"national\"\n\
             source = \"s\"\n{change}\n"
        )
    };
    let refuse = |text: &str| {
        let path = Path::new("mine.toml");
        let parsed = file::parse_after(path, text, &mut HashSet::new());
        parsed.expect_err("a fault").to_string()
    };
    for (change, line, reason) in [
        ("addresses = [\"10.0.0\"]", 7, "address \"10.0.0\""),
        ("addresses = [\"10.0.0.1/24\"]", 7, "meant is 10.0.0.0/24"),
        ("addresses = [\"10.0.0.0/8\"]", 7, "too wide"),
        ("addresses = [\"10.0.0.1\", \"10.0.0.1\"]", 7, "twice"),
        ("names = [\"Upper.example\"]", 7, "in lowercase"),
        ("", 1, "without addresses and names"),
        ("adresses = []", 7, "unknown field `adresses`"),
    ] {
        let message = refuse(&entry(change));
        let place = format!("sinkhole file mine.toml, line {line}, ");
        assert!(message.starts_with(&place), "{change}: {message}");
        assert!(message.contains(reason) && !message.contains('\n'), "{change}: {message}");
    }
    let again = entry("names = [\"a.example\"]").repeat(2);
    assert!(refuse(&again).contains("there is an entry \"one\" already"));
}
