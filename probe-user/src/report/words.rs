//! Findings and summary for people at a terminal.

use std::fmt::Write as _;
use std::io::IsTerminal;

use super::finding::{Confidence, Finding, Position, Stage, canonical};
use super::summary::{Counters, StageCounts, Summary};
use super::time::short;
use crate::fingerprint::Label;

/// Most frame numbers listed in a line; JSON has all.
const FRAMES_SHOWN: usize = 8;

/// Most devices listed in a summary; JSON has all.
const DEVICES_SHOWN: usize = 5;

/// Digits shown of the targets' hash; JSON has all 64.
const HASH_SHOWN: usize = 12;

/// Whether to colour what goes to `output`: only on a terminal, and not when `NO_COLOR` is set to
/// anything (<https://no-color.org>) or the terminal is `dumb`.
#[must_use]
pub fn colour_wanted(output: &impl IsTerminal) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    output.is_terminal() && !refused
}

/// One line for a finding. `client` is what to say of the client.
#[must_use]
pub fn line(finding: &Finding, client: &str, colour: bool) -> String {
    let verdict =
        format!("{} {}", finding.verdict.as_str().to_uppercase(), finding.confidence.as_str());
    let verdict = paint(&format!("{verdict:<12}"), style_of(finding.confidence), colour);
    let name = finding.name.as_deref().map_or_else(|| "(no name)".to_owned(), escape);
    let service =
        finding.service.as_deref().map(|id| format!(" ({})", escape(id))).unwrap_or_default();
    let mut line = format!(
        "{}  {verdict}  {:<4}  {name}{service}  {client} -> {}  ",
        short(finding.time),
        finding.protocol.as_str(),
        canonical(finding.server),
    );
    for (index, signature) in finding.signatures.iter().enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        // Writing to a string cannot fail, here and below.
        let _ = write!(line, "{separator}{} [{}]", escape(&signature.words), signature.id);
    }
    if let Some(told) = finding.revises {
        let _ = write!(
            line,
            "; more on what was {} {}",
            told.verdict.as_str(),
            told.confidence.as_str()
        );
    }
    if let Some(place) = place(finding) {
        let _ = write!(line, "; {place}");
    }
    for fingerprint in &finding.fingerprints {
        let known = fingerprint.labels.first().map(Label::describe);
        let known = known.as_deref().unwrap_or("unknown device");
        let _ = write!(line, "; {}: {}", fingerprint.id, escape(known));
    }
    if !finding.frames.is_empty() {
        let shown: Vec<String> =
            finding.frames.iter().take(FRAMES_SHOWN).map(ToString::to_string).collect();
        let word = if finding.frames.len() == 1 { "frame" } else { "frames" };
        let _ = write!(line, "; {word} {}", shown.join(", "));
        if finding.frames.len() > FRAMES_SHOWN {
            let _ = write!(line, " and {} more", finding.frames.len() - FRAMES_SHOWN);
        }
    }
    line
}

/// The summary in a few lines, without a line break at the end.
#[must_use]
pub fn summary(summary: &Summary, colour: bool) -> String {
    let mut lines =
        vec![paint("-- summary", Style::Bold, colour), seen(summary), found(summary, colour)];
    lines.extend(stages("resets from the server", &summary.stages.from_server));
    lines.extend(stages("resets from the client", &summary.stages.from_client));
    lines.extend(stages("fell silent", &summary.stages.silent));
    lines.extend(summary.fingerprints.iter().take(DEVICES_SHOWN).map(device));
    lines.push(lost(&summary.lost, colour));
    lines.push(origin(summary));
    lines.join("\n")
}

fn device(device: &super::summary::Device) -> String {
    let name = device.names.first().map_or("unknown device", String::as_str);
    let on = plural(device.count, "connection");
    format!("device    {} on {on}: {}", device.id, escape(name))
}

fn place(finding: &Finding) -> Option<String> {
    let side = match finding.position {
        Position::Upstream => Some("upstream"),
        Position::Downstream => Some("downstream"),
        Position::Unknown => None,
    };
    let injector = match (finding.injector_hops, side) {
        (Some(hops), Some(side)) => {
            Some(format!("injector ~{} {side}", plural(hops.into(), "hop")))
        }
        (Some(hops), None) => Some(format!("injector ~{} away", plural(hops.into(), "hop"))),
        (None, Some(side)) => Some(format!("injector {side}")),
        (None, None) => None,
    };
    let server = finding.server_hops.map(|hops| format!("server {hops}"));
    match (injector, server) {
        (Some(injector), Some(server)) => Some(format!("{injector}, {server}")),
        (injector, server) => {
            injector.or_else(|| server.map(|server| format!("{server} hops away")))
        }
    }
}

fn seen(summary: &Summary) -> String {
    let mut text = format!(
        "seen      {}, {} ({} TCP), {}, DNS {} and {}",
        plural(summary.packets, "packet"),
        plural(summary.flows, "flow"),
        grouped(summary.tcp_flows),
        plural(summary.resets, "reset"),
        count(summary.dns_queries, "query", "queries"),
        count(summary.dns_replies, "reply", "replies"),
    );
    if let (Some(first), Some(last)) = (summary.first_packet, summary.last_packet) {
        let seconds = last.saturating_sub(first) as f64 / 1e9;
        let _ = write!(text, "; {seconds:.1} s from {}", short(first));
    }
    if summary.packets == 0 {
        text.push_str("; is this where the traffic passes?");
    }
    text
}

fn found(summary: &Summary, colour: bool) -> String {
    let kinds = super::finding::Verdict::ALL
        .into_iter()
        .flat_map(|verdict| Confidence::ALL.map(|confidence| (verdict, confidence)));
    let listed: Vec<String> = kinds
        .filter_map(|(verdict, confidence)| {
            let number = summary.findings.of(verdict, confidence);
            let text = format!("{} {} {}", grouped(number), verdict.as_str(), confidence.as_str());
            (number > 0).then(|| paint(&text, style_of(confidence), colour))
        })
        .collect();
    if listed.is_empty() {
        "found     nothing".to_owned()
    } else {
        format!("found     {}", listed.join(", "))
    }
}

fn stages(title: &str, counts: &StageCounts) -> Option<String> {
    let word = |stage| match stage {
        Stage::PostSyn => "after the SYN",
        Stage::PostAck => "after the handshake",
        Stage::PostPsh => "after the first data",
        Stage::LaterInFlow => "later",
        Stage::NoMatch => "elsewhere",
    };
    let listed: Vec<String> = Stage::ALL
        .into_iter()
        .filter(|stage| counts.of(*stage) > 0)
        .map(|stage| format!("{} {}", grouped(counts.of(stage)), word(stage)))
        .collect();
    (!listed.is_empty()).then(|| format!("stages    {title}: {}", listed.join(", ")))
}

fn lost(counters: &Counters, colour: bool) -> String {
    if counters.is_empty() {
        return "lost      not measured".to_owned();
    }
    let listed: Vec<String> = counters
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| format!("{} {}", escape(name), grouped(*count)))
        .collect();
    if listed.is_empty() {
        return "lost      nothing".to_owned();
    }
    format!("lost      {}", paint(&listed.join(", "), Style::Yellow, colour))
}

fn origin(summary: &Summary) -> String {
    let mut parts = vec![format!("forgewatch {}", summary.version)];
    parts.extend(summary.kernel.as_ref().map(|kernel| format!("kernel {}", escape(kernel))));
    parts.extend(summary.targets.as_ref().map(|targets| {
        let hash: String = targets.hash.chars().take(HASH_SHOWN).collect();
        format!("watching {} (targets {hash})", targets.services.join(", "))
    }));
    if summary.clock.is_some_and(|clock| clock.synchronised == Some(false)) {
        parts.push(
            "clock NOT synchronised: times cannot be compared with other machines".to_owned(),
        );
    }
    format!("by        {}", parts.join("; "))
}

/// Makes text from packets safe to print: everything but printable ASCII is escaped, so that no name
/// can move the cursor or hide its letters.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character == ' ' || character.is_ascii_graphic() {
            safe.push(character);
        } else {
            safe.extend(character.escape_default());
        }
    }
    safe
}

#[derive(Clone, Copy)]
enum Style {
    Bold,
    Red,
    Yellow,
    Dim,
}

fn style_of(confidence: Confidence) -> Style {
    match confidence {
        Confidence::C3 => Style::Red,
        Confidence::C2 => Style::Yellow,
        Confidence::C1 => Style::Dim,
    }
}

/// Select Graphic Rendition, ECMA-48 section 8.3.117.
fn paint(text: &str, style: Style, colour: bool) -> String {
    if !colour {
        return text.to_owned();
    }
    let code = match style {
        Style::Bold => "1",
        Style::Red => "1;31",
        Style::Yellow => "33",
        Style::Dim => "2",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

pub(crate) fn plural(number: u64, word: &str) -> String {
    count(number, word, &format!("{word}s"))
}

pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// Digits in threes: 1,234,567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn nothing_untrusted_reaches_the_terminal() {
        assert_eq!(escape("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(escape("l\u{456}nkedin\u{202e}"), "l\\u{456}nkedin\\u{202e}");
        assert_eq!(escape("plain text"), "plain text");
    }
}
