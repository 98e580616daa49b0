//! What is known so far, and what of it is looked at. Draws nothing and reads nothing itself.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
};

use super::said::{Finding, Key, Met, Progress, Said, Verdict};
use crate::attribute::outcome::Network;

/// Findings that are kept: the oldest goes. The ledger has them all.
pub(super) const FINDINGS_MAX: usize = 2_000;

/// Destinations that are shown; of further ones, findings are.
const DESTINATIONS_MAX: usize = 2_048;

/// Lines of words that are kept.
const WORDS_MAX: usize = 64;

/// Keys that mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Press {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    /// Further in: from a destination to its findings, from a finding to its evidence.
    In,
    /// And back.
    Out,
    /// The other half.
    Switch,
}

/// What has the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Focus {
    #[default]
    Destinations,
    Findings,
    Evidence,
}

/// A destination.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) role: String,
    pub(super) met: Met,
    accused: u64,
    /// Findings that accuse somebody.
    found: u64,
    pub(super) verdict: Option<Verdict>,
}

impl Row {
    /// Whether outcomes are counted: not of what nobody watches, nor of a capture.
    pub(super) const fn is_counted(&self) -> bool {
        !self.role.is_empty()
    }

    /// Connections, or questions, in which somebody was accused. A finding is told sooner than its outcome.
    pub(super) const fn accused(&self) -> u64 {
        if self.found > self.accused { self.found } else { self.accused }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) progress: Progress,
    rows: BTreeMap<Key, Row>,
    findings: VecDeque<(Key, Finding)>,
    /// Findings that had to make way.
    pub(super) gone: u64,
    words: VecDeque<(bool, String)>,
    /// The last that warned.
    pub(super) warned: Option<String>,
    /// Whether the summary has come.
    pub(super) summed_up: bool,
    /// Whether nothing more will come.
    pub(super) over: bool,
    /// Whether something has come that an agent says, and something that none says.
    told: bool,
    foreign: bool,
    /// Why the rest could not be read.
    pub(super) fault: Option<String>,
    pub(super) focus: Focus,
    /// The destination looked at; none: all of them.
    chosen: Option<Key>,
    /// The finding looked at, counted from the latest.
    pub(super) finding: usize,
    /// Lines of evidence above the screen.
    pub(super) scrolled: u16,
}

impl Model {
    /// Takes a line of the agent's.
    pub(super) fn take(&mut self, line: &str) {
        let said = Said::read(line);
        let foreign = matches!(said, Said::Words { foreign: true, .. });
        self.foreign |= foreign;
        self.told |= !foreign;
        match said {
            Said::Progress(mut progress) => {
                for one in progress.destinations.drain(..) {
                    if let Some(row) = self.row(&one.key) {
                        (row.role, row.met, row.accused) = (one.role, one.met, one.accused);
                    }
                }
                self.progress = progress;
            }
            Said::Finding(finding) => self.take_finding(*finding),
            Said::Verdict(verdict) => {
                if let Some(row) = self.row(&verdict.unit) {
                    row.verdict = Some(verdict);
                }
            }
            Said::Summary(summary) => {
                self.progress = Progress { time: self.progress.time.take(), ..summary };
                self.progress.lost.retain(|_, count| *count > 0);
                self.summed_up = true;
            }
            Said::Words { warns, words, .. } => {
                if warns {
                    self.warned = Some(words.clone());
                }
                if self.words.len() >= WORDS_MAX {
                    self.words.pop_front();
                }
                self.words.push_back((warns, words));
            }
        }
    }

    /// Whether it ended without having been an agent's: another kind of file, say.
    pub(super) const fn is_foreign(&self) -> bool {
        self.over && self.foreign && !self.told
    }

    /// The row of a destination, if there is room for it.
    fn row(&mut self, key: &Key) -> Option<&mut Row> {
        if self.rows.len() >= DESTINATIONS_MAX && !self.rows.contains_key(key) {
            return None;
        }
        Some(self.rows.entry(key.clone()).or_default())
    }

    fn take_finding(&mut self, finding: Finding) {
        let key = key(&finding);
        let accuses = |finding: &Finding| i64::from(finding.verdict != "suspect");
        let same = |(_, known): &(Key, Finding)| finding.takes_the_place_of(known);
        // Told again, it takes its own place: most often one of the latest.
        if let Some(place) = self.findings.iter().rposition(same) {
            let before = accuses(&self.findings[place].1);
            if let Some(row) = self.row(&key) {
                row.found = row.found.saturating_add_signed(accuses(&finding) - before);
            }
            self.findings[place] = (key, finding);
            return;
        }
        if let Some(row) = self.row(&key) {
            row.found = row.found.saturating_add_signed(accuses(&finding));
        }
        if self.findings.len() >= FINDINGS_MAX {
            self.findings.pop_front();
            self.gone += 1;
        }
        // What is looked at stays the same one.
        let shown = self.chosen.as_ref().is_none_or(|chosen| *chosen == key);
        self.findings.push_back((key, finding));
        if shown && self.focus != Focus::Destinations {
            self.finding = (self.finding + 1).min(self.shown().count() - 1);
        }
    }

    /// Destinations: those where somebody is accused first, and targets before controls.
    pub(super) fn destinations(&self) -> Vec<(&Key, &Row)> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        let role = |row: &Row| match row.role.as_str() {
            "target" => 0,
            "control" => 1,
            _ => 2,
        };
        rows.sort_by_key(|(_, row)| (role(row), row.accused() == 0));
        rows
    }

    /// Place of the chosen destination, 0 being all of them.
    pub(super) fn chosen(&self) -> usize {
        let Some(chosen) = &self.chosen else { return 0 };
        let place = self.destinations().iter().position(|(key, _)| *key == chosen);
        place.map_or(0, |place| place + 1)
    }

    /// What the chosen one is called.
    pub(super) const fn chosen_key(&self) -> Option<&Key> {
        self.chosen.as_ref()
    }

    /// Findings at the chosen destination, the latest first.
    pub(super) fn shown(&self) -> impl Iterator<Item = &Finding> {
        let ours = |key: &Key| self.chosen.as_ref().is_none_or(|chosen| chosen == key);
        self.findings.iter().rev().filter(move |(key, _)| ours(key)).map(|(_, finding)| finding)
    }

    /// The finding looked at.
    pub(super) fn looked_at(&self) -> Option<&Finding> {
        self.shown().nth(self.finding)
    }

    /// The latest words, and whether they warn.
    pub(super) fn words(&self) -> Option<(bool, &str)> {
        self.words.back().map(|(warns, words)| (*warns, words.as_str()))
    }

    /// A key was pressed; a page has `page` lines.
    pub(super) fn press(&mut self, press: Press, page: usize) {
        match (press, self.focus) {
            (Press::In | Press::Switch, Focus::Destinations) => self.focus = Focus::Findings,
            (Press::In, Focus::Findings) if self.looked_at().is_some() => {
                (self.focus, self.scrolled) = (Focus::Evidence, 0);
            }
            (Press::Out | Press::Switch, Focus::Findings) => {
                (self.focus, self.finding) = (Focus::Destinations, 0);
            }
            (Press::Out | Press::In | Press::Switch, Focus::Evidence) => {
                self.focus = Focus::Findings;
            }
            (Press::Out, Focus::Destinations) => self.chosen = None,
            (Press::In, Focus::Findings) => {}
            (press, Focus::Destinations) => {
                let keys: Vec<Key> =
                    self.destinations().into_iter().map(|(key, _)| key.clone()).collect();
                let place = moved(press, self.chosen(), keys.len() + 1, page);
                self.chosen = place.checked_sub(1).and_then(|place| keys.get(place).cloned());
                self.finding = 0;
            }
            (press, Focus::Findings) => {
                self.finding = moved(press, self.finding, self.shown().count(), page);
            }
            (press, Focus::Evidence) => {
                let place = moved(press, self.scrolled.into(), u16::MAX.into(), page);
                self.scrolled = if press == Press::Last { self.scrolled } else { place as u16 };
            }
        }
    }
}

/// Where one is after `press` among `count`.
fn moved(press: Press, place: usize, count: usize, page: usize) -> usize {
    let moved = match press {
        Press::Up => place.saturating_sub(1),
        Press::Down => place.saturating_add(1),
        Press::PageUp => place.saturating_sub(page),
        Press::PageDown => place.saturating_add(page),
        Press::First => 0,
        Press::Last => count,
        Press::In | Press::Out | Press::Switch => place,
    };
    moved.min(count.saturating_sub(1))
}

/// The destination that a finding is about.
fn key(finding: &Finding) -> Key {
    let server: Option<SocketAddr> = finding.server.parse().ok();
    let protocol = match (finding.protocol.as_str(), server.map(|server| server.port())) {
        (protocol @ ("dns" | "quic"), _) => protocol,
        ("http", _) | (_, Some(80)) => "tcp-http",
        _ => "tcp-tls",
    };
    Key {
        service: finding.service.clone().unwrap_or_default(),
        protocol: protocol.into(),
        network: server.map_or_else(String::new, |server| Network::of(server.ip()).to_string()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{FINDINGS_MAX, Focus, Model, Press};

    /// Told for the first time.
    pub(in crate::live) fn finding(number: usize, service: &str, verdict: &str) -> String {
        let minute = number / 60;
        let second = number % 60;
        format!(
            r#"{{"record":"finding","time":"2026-11-24T10:{minute:02}:{second:02}.000000000Z","protocol":"tcp",
            "verdict":"{verdict}","confidence":"C3","signatures":[{{"id":"DATA_AFTER_RST","class":"S","confidence":"C3",
            "measured":{{"after_ms":20.5}},"words":"the server went on after its reset"}}],"client":"client-{number}",
            "server":"108.174.10.10:443","name":"www.linkedin.com","service":{service},"position":"upstream",
            "injector_hops":4,"injector_hops_range":[3,5],"server_hops":9,"stage":"post_psh","frames":[],
            "fingerprints":[{{"id":"fp-401535a69bf1","labels":[{{"title":"a device","source":"a paper"}}]}}],"revises":null}}"#
        )
        .replace('\n', " ")
    }

    pub(in crate::live) const PROGRESS: &str = r#"{"record":"destinations","time":"2026-11-24T10:00:01.000000000Z",
        "packets":1234567,"flows":89,"findings":2,"lost":{"dns_evicted":7},"destinations":[
        {"service":"linkedin","role":"target","network":"108.174.10.0/24","protocol":"tcp-tls","met":{"served":1,"reset":4},
         "accused":4,"last":"2026-11-24T10:00:00.000000000Z"},
        {"service":"office","role":"control","network":"13.107.6.0/24","protocol":"tcp-tls","met":{"served":5},
         "accused":0,"last":"2026-11-24T10:00:00.000000000Z"}]}"#;

    fn model() -> Model {
        let mut model = Model::default();
        model.take(&PROGRESS.replace('\n', " "));
        model
    }

    #[test]
    fn from_a_destination_to_its_findings_to_their_evidence_and_back() {
        let mut model = model();
        model.take(&finding(1, r#""linkedin""#, "injected"));
        model.take(&finding(2, "null", "suspect"));
        assert_eq!(model.destinations().len(), 3, "one of them is of a finding alone");
        assert_eq!((model.chosen(), model.shown().count()), (0, 2));
        model.press(Press::Down, 10);
        assert_eq!((model.chosen(), model.shown().count()), (1, 1));
        model.press(Press::In, 10);
        model.press(Press::In, 10);
        assert_eq!(model.focus, Focus::Evidence);
        assert_eq!(model.looked_at().expect("one").client, "client-1");
        // What comes meanwhile takes nobody's place.
        model.take(&finding(3, r#""linkedin""#, "injected"));
        assert_eq!(model.looked_at().expect("one").client, "client-1");
        model.press(Press::Out, 10);
        model.press(Press::Out, 10);
        assert_eq!(model.focus, Focus::Destinations);
        model.press(Press::Last, 10);
        assert_eq!(model.chosen(), 3);
        model.press(Press::Out, 10);
        assert_eq!(model.chosen(), 0);
    }

    #[test]
    fn told_again_a_finding_takes_its_own_place() {
        let mut model = model();
        model.take(&finding(1, r#""linkedin""#, "suspect"));
        // The clock was corrected meanwhile.
        let again = finding(1, r#""linkedin""#, "injected")
            .replace(r#""revises":null"#, r#""revises":{"verdict":"suspect","confidence":"C3"}"#)
            .replace("01.000000000Z", "01.000777000Z");
        model.take(&again);
        let verdicts = |model: &Model| -> Vec<String> {
            model.shown().map(|one| one.verdict.clone()).collect()
        };
        assert_eq!(verdicts(&model), ["injected"]);
        assert_eq!(model.destinations()[0].1.accused(), 4, "as it is counted");
        // Another connection of the same client, told of for the first time.
        model.take(&finding(1, r#""linkedin""#, "injected"));
        assert_eq!(verdicts(&model), ["injected", "injected"]);
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let mut model = model();
        for number in 0..FINDINGS_MAX + 3 {
            model.take(&finding(number, r#""linkedin""#, "injected"));
        }
        assert_eq!((model.shown().count(), model.gone), (FINDINGS_MAX, 3));
    }

    #[test]
    fn keys_on_nothing_do_nothing() {
        let mut model = Model::default();
        for press in [Press::In, Press::In, Press::Down, Press::Last, Press::PageDown, Press::Out] {
            model.press(press, 10);
        }
        assert_eq!((model.chosen(), model.focus), (0, Focus::Destinations));
        model.take("what the agent says before it ends");
        assert!(model.warned.is_some());
    }
}
