//! Each page is found by what it asks for; genuine responses are not.

use proptest::prelude::*;

use super::*;

fn id(page: Option<&Page>) -> Option<&str> {
    page.map(|page| page.id.as_str())
}

/// A response made of the first of everything that `page`, one of `pages`, asks for.
fn response_of(pages: &BlockPages, page: &Page) -> Vec<u8> {
    let status = page.status.first().copied().unwrap_or(200);
    let mut text = format!("HTTP/1.1 {status} X\r\n");
    let location =
        page.location_hosts.first().map(|host| format!("http://{host}/?u=www.linkedin.com"));
    if let Some(url) = location.as_ref().or(page.location_prefixes.first()) {
        text += &format!("Location: {url}\r\n");
    }
    if let Some(server) = &page.server {
        text += &format!("Server: {server}\r\n");
    }
    let mut bytes = (text + "\r\n<html><body>").into_bytes();
    bytes.extend(pages.marks[page.body.clone()].first().into_iter().flatten());
    bytes
}

#[test]
fn every_page_is_found_by_what_it_asks_for() {
    let pages = BlockPages::builtin();
    for page in pages.pages() {
        let found = pages.find(&response_of(&pages, page), Some("www.linkedin.com"));
        assert_eq!(id(found), Some(&*page.id));
        assert_eq!(page.describe().lines().count(), 1);
        for mark in page.body.clone() {
            let one = Page { body: mark..mark + 1, ..page.clone() };
            let found = pages.find(&response_of(&pages, &one), None);
            assert_eq!(id(found), Some(&*page.id), "mark {mark}");
        }
    }
}

#[test]
fn the_pages_own_site_is_genuine() {
    let pages = BlockPages::builtin();
    for page in pages.pages() {
        let response = response_of(&pages, page);
        for host in &page.location_hosts {
            assert_eq!(id(pages.find(&response, Some(host))), None, "{host}");
            assert_eq!(id(pages.find(&response, Some(&format!("www.{host}.")))), None, "{host}");
        }
    }
    let link = b"HTTP/1.1 200 OK\r\n\r\n<a href=\"http://eais.rkn.gov.ru/\">";
    assert_eq!(id(pages.find(link, Some("EAIS.rkn.gov.ru"))), None);
    assert_eq!(id(pages.find(link, Some("warning.rt.ru"))), None, "the site of another page");
    let found = pages.find(link, Some("www.linkedin.com")).unwrap();
    assert!(found.weak.is_some());
}

#[test]
fn genuine_responses_are_nobodys_page() {
    let pages = BlockPages::builtin();
    let genuine: [&[u8]; 7] = [
        b"HTTP/1.1 302 Found\r\nServer: Play\r\nLocation: https://www.linkedin.com/login\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: https://login.example/?next=http://warning.rt.ru/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://notwarning.rt.ru.example/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://xwarning.rt.ru/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /uas/login\r\n\r\n",
        b"HTTP/1.1 403 Forbidden\r\nServer: nginx\r\n\r\n<h1>403 Forbidden</h1>",
        b"HTTP/1.1 200 OK\r\nServer: Beaver\r\n\r\n<h1>10.10.34.34</h1>",
    ];
    for response in genuine {
        let found = pages.find(response, Some("www.linkedin.com"));
        assert_eq!(id(found), None, "{}", response.escape_ascii());
    }
}

#[test]
fn what_was_seen_in_the_wild_is_found() {
    let pages = BlockPages::builtin();
    let find = |response: &str| id(pages.find(response.as_bytes(), None)).map(str::to_owned);
    let iran = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n<html><head><title>M1-6\r\n\
                </title></head><body><IFRAME SRC=\"http://10.10.34.34?type=Invalid Site\">";
    assert_eq!(find(iran).as_deref(), Some("ir-frame"));
    let beaver = "HTTP/1.1 403 Forbidden\r\nServer: Beaver\r\nContent-Length: 5\r\n\r\n<html";
    assert_eq!(find(beaver).as_deref(), Some("cn-icp-filing"));
    let json = serde_json::to_value(pages.find(beaver.as_bytes(), None)).unwrap();
    assert_eq!((&json["scope"], &json["country"]), (&"host".into(), &"CN".into()));
    assert!(json["date"].is_string() && json.get("server").is_none(), "{json}");
    let russia = "HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: \
                  http://WARNING.rt.ru/?id=17&st=0&dt=108.174.10.10&rs=http://www.linkedin.com/\r\n\
                  \r\n";
    assert_eq!(find(russia).as_deref(), Some("ru-rostelecom-warning"));
    let cut = &russia[..russia.len() - 2];
    assert_eq!(find(cut).as_deref(), Some("ru-rostelecom-warning"), "the header's end is missing");
    assert_eq!(find(&russia[..60]), None, "the location is missing");
}

#[test]
fn a_mark_beyond_the_limit_is_not_looked_for() {
    let pages = BlockPages::builtin();
    let mark = b"<iframe src=\"http://www.airtel.in/dot/\">";
    let after = |gap: usize| [b"HTTP/1.1 200 OK\r\n\r\n", &vec![b'<'; gap][..], mark].concat();
    assert_eq!(id(pages.find(&after(BODY_MAX - mark.len()), None)), Some("in-airtel"));
    assert_eq!(id(pages.find(&after(BODY_MAX), None)), None);
}

/// A file that is right.
const RIGHT: &str = "[[page]]
id = \"one\"
title = \"T\"
scope = \"provider\"
country = \"RU\"
source = \"s\"
date = \"2026-01-02\"
status = [302]
location_hosts = [\"block.example\"]
body = [\"long enough\"]
";

#[track_caller]
fn refused(from: &str, to: &str, place: &str, words: &[&str]) {
    let text = RIGHT.replacen(from, to, 1);
    assert_ne!(text, RIGHT);
    let error = BlockPages::default().add(Path::new("0.toml"), &text).unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("block page file 0.toml, "), "{message}");
    for word in [place].iter().chain(words) {
        assert!(message.contains(word), "{word} is not in: {message}");
    }
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn refusals_say_where_and_what_is_allowed() {
    BlockPages::default().add(Path::new("0.toml"), RIGHT).unwrap();
    refused("status", "statu", "line 8, column 1", &["statu", "`status`"]);
    refused("title = \"T\"\n", "", "line 1,", &["missing field `title`"]);
    refused("\"provider\"", "\"isp\"", "line 4, column 9", &["`national`, `provider`"]);
    refused("\"RU\"", "\"Russia\"", "line 5, column 11", &["ISO 3166-1"]);
    refused("\"s\"", "\"\"", "line 6, column 10", &["source is empty"]);
    refused("2026-01-02", "2026", "line 7, column 8", &["2026-06-17"]);
    refused("block.example", "http://block.example/", "line 9, column 19", &["block.rt.ru"]);
    refused("location_hosts", "location_prefixes", "line 9,", &["URL with a path"]);
    refused("long enough", "short", "line 10, column 9", &["10 bytes"]);
    let status_only = RIGHT.split("location_hosts").next().unwrap();
    let error = BlockPages::default().add(Path::new("0.toml"), status_only).unwrap_err();
    assert!(error.to_string().contains("nothing but a status"), "{error}");
    let error = BlockPages::load(&["/nonexistent/x.toml".into()]).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/x.toml") && error.contains("docs/blockpages.md"));
}

proptest! {
    #[test]
    fn takes_anything(
        tail in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b':'), Just(b'/')], 0..300),
        host in proptest::option::of(".{0,40}"),
    ) {
        let pages = BlockPages::builtin();
        for head in ["", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 302 X\r\nLocation: http://"] {
            let bytes = [head.as_bytes(), &tail].concat();
            let _ = pages.find(&bytes, host.as_deref());
        }
    }
}
