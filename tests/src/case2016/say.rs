//! The table.

use super::{
    check::{Line, short},
    plan::Provider,
};

/// The columns.
const HEADS: [&str; 7] =
    ["provider", "truth", "said", "since (UTC)", "how sure", "device", "right?"];

/// One line for each provider, and what is wrong below.
pub fn table(lines: &[Line]) -> String {
    let mut rows = vec![HEADS.map(str::to_owned)];
    rows.extend(lines.iter().map(row));
    let widths: [usize; 7] =
        std::array::from_fn(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0));
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    for line in lines.iter().filter(|line| !line.wrong.is_empty()) {
        for wrong in &line.wrong {
            out.push_str(&format!("wrong: {}: {wrong}\n", line.name));
        }
    }
    out
}

fn row(line: &Line) -> [String; 7] {
    let none = || "-".to_owned();
    let said = line.said.as_ref();
    let accuses = said.filter(|said| said.method.accuses());
    let since = match accuses.and_then(|said| said.onset) {
        Some([from, to, _]) => format!("{} to {}", short(from), &short(to)[6..]),
        None => none(),
    };
    let sure = said.map_or_else(none, |said| {
        if accuses.is_some() {
            format!("10^{:.0}", said.power.floor())
        } else {
            format!("10^{:.0} for health", said.health.floor())
        }
    });
    let device = match accuses.and_then(|said| said.hops) {
        Some([median, least, most]) => format!("{median} hops ({least}-{most})"),
        None => none(),
    };
    [
        line.name.clone(),
        truth(&line.truth),
        said.map_or_else(none, |said| said.method.to_string()),
        since,
        sure,
        device,
        if line.wrong.is_empty() { "yes" } else { "NO" }.into(),
    ]
}

fn truth(provider: &Provider) -> String {
    let mut text = provider.method.to_string();
    if let Some(onset) = provider.onset {
        text.push_str(&format!(" {}", short(onset)));
    }
    if let Some(hops) = provider.hops {
        text.push_str(&format!(", {hops} hops"));
    }
    text
}
