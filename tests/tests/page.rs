//! The page of a report, looked at in a browser: nothing overflows, everything can be read and reached,
//! nothing is fetched, and what it must not say is not in it.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use probe_tests::{
    lab::{agent, process},
    pages::{
        self, Example,
        browser::{Browser, Measured, Scheme},
    },
};
use probe_user::page;

const LIMIT: Duration = Duration::from_secs(60);

/// A phone, a tablet, a desk, in CSS pixels.
const WIDTHS: [u32; 3] = [390, 768, 1280];

fn pages() -> Vec<(&'static str, String)> {
    let page = |example: Example| (example.name, page::render(&example.report).expect("a page"));
    pages::all().into_iter().map(page).collect()
}

fn of(name: &str) -> String {
    let found = pages().into_iter().find(|(known, _)| *known == name);
    found.expect("an example of this name").1
}

fn text_of(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html.split_once("<body>").map_or(html, |(_, body)| body);
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        rest = after.split_once('>').map_or("", |(_, rest)| rest);
    }
    text + rest
}

fn look(scheme: Scheme) -> Vec<Measured> {
    let browser = Browser::new().expect("a browser");
    let pages = pages();
    let pages: Vec<(&str, &str)> =
        pages.iter().map(|(name, html)| (*name, html.as_str())).collect();
    let (measured, complaints) = browser.measure(&pages, &WIDTHS, scheme).expect("measures");
    assert!(complaints.is_empty(), "the browser complained: {complaints:#?}");
    assert_eq!(measured.len(), pages.len() * WIDTHS.len());
    measured
}

fn assert_readable(one: &Measured) {
    let at = format!("{} at {} px", one.name, one.wanted);
    assert!(one.closed <= one.wanted, "{at}: {} px wide", one.closed);
    assert!(one.open <= one.wanted, "{at}: {} px wide when opened", one.open);
    assert!(one.outside.is_empty(), "{at}: beyond the window: {:#?}", one.outside);
    assert!(one.texts > 20, "{at}: only {} texts", one.texts);
    assert!(one.faint.is_empty(), "{at}: too little contrast: {:#?}", one.faint);
    assert!(one.small.is_empty(), "{at}: too small: {:#?}", one.small);
    assert!(one.stops > 0, "{at}: nothing for the keyboard to stop at");
    assert!(one.unreachable.is_empty(), "{at}: not by keyboard: {:#?}", one.unreachable);
    assert!(one.broken.is_empty(), "{at}: {:#?}", one.broken);
    assert_ne!(one.title, "owned", "{at}: text was taken for a script");
}

#[test]
fn everything_can_be_read_and_reached_in_light() {
    for one in look(Scheme::Light) {
        assert_readable(&one);
        assert_eq!(one.paper, "rgb(253, 252, 249)", "{}", one.name);
    }
}

#[test]
fn everything_can_be_read_and_reached_in_the_dark() {
    for one in look(Scheme::Dark) {
        assert_readable(&one);
        assert_eq!(one.paper, "rgb(23, 22, 20)", "{}", one.name);
    }
}

#[test]
fn a_page_that_is_wide_and_faint_is_noticed() {
    let browser = Browser::new().expect("a browser");
    let page = "<!DOCTYPE html><html><head><title>x</title></head><body style=\"margin:0;color:#999\"><h3>one</h3>\
                <p style=\"width:500px;font-size:9px\">{}</p><a href=\"#nowhere\" tabindex=\"-1\">a link\
                </a><table><tr><th>head</th></tr></table><svg></svg></body></html>";
    let page = page.replace("{}", &"wide and small, ".repeat(20));
    let (measured, _) =
        browser.measure(&[("bad", &page)], &[390], Scheme::Light).expect("measures");
    let one = &measured[0];
    assert!(one.closed > 390 && one.open > 390 && one.outside.len() == 1, "{one:#?}");
    assert!((one.least - 2.85).abs() < 0.01 && one.faint.len() == 3, "{one:#?}");
    assert_eq!((one.small.len(), one.unreachable.len()), (1, 1), "{one:#?}");
    assert_eq!(one.broken.len(), 5, "{one:#?}");
}

/// The tags of a page: what was text in the report has none.
fn tags(html: &str) -> impl Iterator<Item = &str> {
    html.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag)
}

#[test]
fn nothing_is_fetched_and_nothing_runs() {
    const KNOWN: &str = "!DOCTYPE html head meta title style body a svg defs pattern line path rect g header main \
        section footer p h1 h2 h3 h4 span bdi b i em strong code time div ol ul li dl dt dd details summary \
        table caption thead tbody tr th td figure figcaption";
    for (name, html) in pages() {
        for tag in tags(&html) {
            let element = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
            assert!(KNOWN.split(' ').any(|known| known == element), "{name} has <{tag}>");
            for forbidden in [" src=", " on", " srcset=", " action=", "javascript:", "data:"] {
                assert!(!tag.contains(forbidden), "{name} has <{tag}>");
            }
        }
        for begin in ["href=\"", "url("] {
            let outside = html.split(begin).skip(1).find(|rest| !rest.starts_with('#'));
            assert_eq!(outside.map(|rest| &rest[..20]), None, "{name}");
        }
        assert!(!html.contains("@import"), "{name}");
    }
}

#[test]
fn the_same_report_gives_the_same_page() {
    assert!(pages() == pages());
}

#[test]
fn pictures_are_taken_and_the_browser_has_nothing_to_complain_about() {
    let browser = Browser::new().expect("a browser");
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&target).expect("a folder");
    let page = browser.folder().join("typical.html");
    fs::write(&page, of("typical")).expect("a page on disk");
    assert_eq!(browser.open(&page).expect("a look"), Vec::<String>::new());
    for (scheme, word) in [(Scheme::Light, "light"), (Scheme::Dark, "dark")] {
        for width in WIDTHS {
            let picture = target.join(format!("typical-{width}-{word}.png"));
            browser.picture(&page, (width, 2_400), scheme, &picture).expect("a picture");
            let png = fs::read(&picture).expect("the picture");
            assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
            assert_eq!(&png[16..20], width.to_be_bytes(), "width of {}", picture.display());
            // An empty page of this size is compressed to a few kilobytes.
            assert!(png.len() > 50_000, "{} has {} octets", picture.display(), png.len());
        }
    }
}

#[test]
fn print_has_what_is_folded_on_the_screen() {
    let browser = Browser::new().expect("a browser");
    let [page, pdf] = ["typical.html", "typical.pdf"].map(|name| browser.folder().join(name));
    fs::write(&page, of("typical")).expect("a page on disk");
    browser.print(&page, &pdf).expect("a print");
    let output = Command::new("pdftotext").arg("-layout").arg(&pdf).arg("-").output();
    let text = String::from_utf8(output.expect("pdftotext").stdout).expect("text");
    // Where a line ends depends on the fonts that are installed.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "LinkedIn is blocked on this network since 17 Nov 2016, 14:05 UTC (\u{b1} 10 min)",
        "What this report did not see",
        // Within a folded finding.
        "FORGED RST+ACK, 10 octets",
        "fp-401535a69bf1",
        "To cite:",
    ] {
        assert!(text.contains(expected), "not in print: {expected}\n{text}");
    }
}

#[test]
fn the_verdict_comes_first_and_has_its_figures() {
    let text = text_of(&of("typical"));
    for expected in [
        "LinkedIn is blocked on this network since 17 Nov 2016, 14:05 UTC (\u{b1} 10 min), by forged DNS \
         answers made on the way, and by resets after its name is said in TLS.",
        "Example Video was blocked on this network since 17 Nov 2016, 18:00 UTC (\u{b1} 5 min) until 17 Nov \
         2016, 22:00 UTC (\u{b1} 10 min), by dropping QUIC packets after its name is said.",
        "Wikipedia is reachable on this network as the controls are.",
        "Nothing was seen of A forum that nobody visits: nobody asked for it here.",
        "86% of 8,211 client-windows failed in this way, beside 0.2% of 61,204 of controls",
        "Of 3 measured parts (network, protocol and observer): 2 interfered with and 1 undecided.",
        "nobody watched for 1 h 10 min",
        "8,321,540 of 640,118,450 (1.3%)",
    ] {
        assert!(text.contains(expected), "not on the page: {expected}");
    }
    let [verdict, figure, limits] =
        ["LinkedIn is blocked", "share of client-windows", "did not see"]
            .map(|words| text.find(words).expect("it is there"));
    assert!(verdict < figure && figure < limits);
}

#[test]
fn an_accusation_elsewhere_is_not_one_here() {
    let text = text_of(&of("several-observers"));
    let sentence = "LinkedIn is blocked at 2 of 3 observers (AS64496, Novosibirsk and AS64497, Kazan) since \
                    before the observation began on 17 Nov 2016, 00:00 UTC";
    assert!(text.contains(sentence), "{text:.2000}");
    assert!(!text.contains("Sochi and"), "the third observer has an outage");
}

#[test]
fn a_report_of_nothing_claims_nothing() {
    for name in ["nothing-seen", "nothing-at-all"] {
        let text = text_of(&of(name));
        let claim = ["is blocked", "was blocked", "is reachable"]
            .iter()
            .find(|claim| text.contains(**claim));
        assert_eq!(claim, None, "{name}");
        assert!(text.contains("not measured"), "{name} does not say that losses were not measured");
    }
    assert!(text_of(&of("nothing-seen")).contains("NOT synchronised"));
    assert!(text_of(&of("nothing-at-all")).contains("No service was watched for"));
}

#[test]
fn what_too_few_clients_stand_behind_is_withheld() {
    let html = of("too-few-clients");
    let text = text_of(&html);
    assert!(
        text.contains("What was seen of LinkedIn is withheld: clients of fewer than 10 networks")
    );
    for figure in ["86%", "8,211", "DATA_AFTER_RST", "108.174.10.0/24", "is blocked on"] {
        assert!(!html.contains(figure), "{figure} is published");
    }
    assert!(text.contains("5 figures"), "withheld verdicts are counted");
}

#[test]
fn a_labs_report_says_so() {
    let mut report = pages::all().remove(0).report;
    assert!(!page::render(&report).expect("a page").contains("Lab mode"));
    report.k = 1;
    assert!(page::render(&report).expect("a page").contains("Lab mode"));
}

/// What `forgewatch replay --report` makes of captures.
fn replayed(cases: &[&str], terms: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let goldens = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("goldens");
    let mut command = Command::new(agent::path().expect("which agent to test"));
    command.arg("replay").args(terms).arg("--report").arg(folder.path());
    command.args(cases.iter().map(|case| goldens.join(case).join("capture.pcap")));
    let output = process::output("forgewatch", &mut command, LIMIT).expect("it runs and ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

const CASES: [&str; 4] = [
    "henan-v4-after-upstream",
    "gfw-302-v4-after-upstream",
    "tspu-sni1-v4-after-upstream",
    "innocent-server-restarts-v6",
];

#[test]
fn a_replay_makes_a_page_and_a_capture_of_the_evidence() {
    let folder = replayed(&CASES, &["--k", "1"]);
    let html = fs::read_to_string(folder.path().join("report.html")).expect("the page");
    let text = text_of(&html);
    for expected in [
        "Lab mode",
        "FORGED RST+ACK, 10 octets",
        "the server went on after",
        "fp-401535a69bf1",
        "CHANGED ",
        "the captures\u{2019}",
        "In 1 run of the agent",
    ] {
        assert!(text.contains(expected), "not on the page: {expected}");
    }
    // The clients of the captures, and what stands for them.
    for client in ["10.0.0.", "2001:db8:", "192.0.2."] {
        assert!(!html.contains(client), "{client} is on the page");
    }
    let browser = Browser::new().expect("a browser");
    let pages = [("replayed", html.as_str())];
    let (measured, complaints) = browser.measure(&pages, &WIDTHS, Scheme::Light).expect("measures");
    assert_eq!(complaints, Vec::<String>::new());
    measured.iter().for_each(assert_readable);

    let output = Command::new("tshark")
        .arg("-r")
        .arg(folder.path().join("evidence.pcapng"))
        .args(["-n", "-T", "fields", "-e", "ip.src", "-e", "frame.comment"])
        .output()
        .expect("tshark");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("text");
    assert!(lines.lines().count() > 20, "{lines}");
    assert!(lines.lines().all(|line| line.contains("Finding ")), "{lines}");
    assert!(lines.contains("192.0.2.1") && !lines.contains("10.0.0."), "{lines}");
    assert!(lines.contains("FORGED in the name of the server"), "{lines}");
    assert!(lines.contains("of the server, CHANGED on its way"), "{lines}");
}

#[test]
fn a_replay_of_few_clients_publishes_nothing_of_them() {
    let folder = replayed(&CASES, &[]);
    let html = fs::read_to_string(folder.path().join("report.html")).expect("the page");
    let text = text_of(&html);
    assert!(!text.contains("FORGED") && !text.contains("fp-"), "{text}");
    assert!(text.contains("figures Figures behind which clients of fewer than 10 networks"));
    let evidence = fs::read(folder.path().join("evidence.pcapng")).expect("the evidence");
    let blocks = evidence.windows(4).filter(|word| **word == [6, 0, 0, 0]).count();
    assert_eq!(blocks, 0, "packets are published");
}

#[test]
fn a_report_survives_being_stored() {
    for Example { name, report } in pages::all() {
        let json = serde_json::to_string(&report).expect("JSON");
        let back: page::Report = serde_json::from_str(&json).expect("a report");
        // As far as it can be seen: the last bit of a share is nobody's claim.
        let [page, again] = [report, back].map(|report| page::render(&report).expect("a page"));
        assert!(page == again, "{name}");
    }
}
