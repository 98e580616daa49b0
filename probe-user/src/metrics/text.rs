//! A snapshot, written down.

use std::fmt;

use prometheus_client::{encoding::text, registry::Registry};

use super::snapshot::{PREFIX, Snapshot};

/// What an answer says it is.
pub(super) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The older form.
pub(super) const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// In OpenMetrics' form.
pub(super) fn open_metrics(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

/// The older form of the same: a counter is called by the name of its samples, and there is no end.
pub(super) fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    let mut counter = "";
    while let Some(line) = lines.next() {
        if line == "# EOF" {
            continue;
        }
        let mut words = line.splitn(4, ' ');
        let (Some("#"), Some(what), Some(name)) = (words.next(), words.next(), words.next()) else {
            text.push_str(line);
            text.push('\n');
            continue;
        };
        let rest = words.next().unwrap_or_default();
        // HELP comes first, and the type, which decides, in the line after it.
        let typed = |line: &&str| **line == format!("# TYPE {name} counter");
        if lines.peek().is_some_and(typed) || (what == "TYPE" && rest == "counter") {
            counter = name;
        }
        let suffix = if counter == name { "_total" } else { "" };
        text.push_str(&format!("# {what} {name}{suffix} {rest}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_form_calls_counters_by_their_samples() {
        let text = "# HELP a A.\n# TYPE a counter\na_total{x=\"# y\"} 1\n# HELP b B b.\n# TYPE b gauge\nb 2\n# EOF\n";
        let expected = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"# y\"} 1\n# HELP b B b.\n# TYPE b gauge\nb 2\n";
        assert_eq!(classic(text), expected);
    }

    #[test]
    fn a_snapshot_of_nothing_is_whole() {
        let text = open_metrics(Snapshot::default()).unwrap();
        assert!(text.ends_with("# EOF\n"));
        assert!(text.contains("\nforgewatch_packets_total 0\n"), "{text}");
        assert!(
            text.contains("forgewatch_findings{verdict=\"injected\",confidence=\"C3\"} 0"),
            "{text}"
        );
    }
}
