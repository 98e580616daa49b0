//! Scores the detectors on labelled captures.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context as _, bail};
use clap::Parser;
use probe_tests::score::{self, Answers, Group, Mistake, Sheet, captures};
use probe_user::targets::TargetSet;
use serde_json::{Value, json};

/// Compare what the detectors say of captures with the truth about them.
///
/// A capture is `NAME.router.pcap` or `NAME.pcap` and has its truth in `NAME.labels.csv` and, for
/// connections, `NAME.flows.csv`.
#[derive(Parser)]
struct Options {
    /// Directories with labelled captures, looked through with all below them
    #[arg(value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// A capture, a list of captures, or a directory of captures without labels, in all of which
    /// nothing was tampered with
    #[arg(long, value_name = "PATH")]
    clean: Vec<PathBuf>,
    /// One JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// Every case, not only sums and mistakes
    #[arg(long)]
    cases: bool,
    /// Only captures with this in their name
    #[arg(long)]
    only: Option<String>,
    /// Mistakes listed of each model or behaviour
    #[arg(long, default_value_t = 2)]
    list: usize,
    /// Send each packet through the real BPF program
    #[arg(long)]
    through_kernel: bool,
    /// Fail if more innocent connections are accused
    #[arg(long, value_name = "NUMBER")]
    max_false: Option<u64>,
    /// Fail if the share of injected connections in which something was found is smaller
    #[arg(long, value_name = "SHARE")]
    min_found: Option<f64>,
    /// Fail if the share of injected connections in which somebody was accused is smaller
    #[arg(long, value_name = "SHARE")]
    min_accused: Option<f64>,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let mut found = Vec::new();
    for directory in &options.directories {
        let more = captures::labelled(directory)
            .with_context(|| format!("cannot look through {}", directory.display()))?;
        found.extend(more);
    }
    for place in &options.clean {
        let more = captures::clean(place)
            .with_context(|| format!("cannot look through {}", place.display()))?;
        found.extend(more);
    }
    if let Some(only) = &options.only {
        found.retain(|one| one.name.contains(only.as_str()));
    }
    if found.is_empty() {
        bail!("there is no capture to score; `cargo xtask corpus DIR` makes some");
    }
    let targets = Arc::new(TargetSet::builtin());
    let mut sheet = Sheet::default();
    for one in &found {
        sheet.add(score::judge(one, &targets, options.through_kernel)?);
    }
    let mut text = String::new();
    if options.json {
        writeln!(text, "{}", as_json(&sheet))?;
    } else {
        print(&sheet, &options, &mut text)?;
    }
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => other?,
    }
    Ok(if holds(&sheet, &options) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the limits hold; says which does not.
fn holds(sheet: &Sheet, options: &Options) -> bool {
    let total = &sheet.total;
    let share =
        |part: u64| if total.injected == 0 { 1.0 } else { part as f64 / total.injected as f64 };
    let mut good = true;
    let mut check = |holds: bool, what: String| {
        if !holds {
            eprintln!("score: {what}");
            good = false;
        }
    };
    if let Some(most) = options.max_false {
        let wrong = total.falsely_accused;
        check(wrong <= most, format!("{wrong} falsely accused, {most} allowed"));
    }
    if let Some(least) = options.min_found {
        let share = share(total.found);
        check(share >= least, format!("{share:.4} found, {least} wanted"));
    }
    if let Some(least) = options.min_accused {
        let share = share(total.accused);
        check(share >= least, format!("{share:.4} accused, {least} wanted"));
    }
    good
}

/// The columns of tables of connections.
const COLUMNS: &str = "inject  found accused |  drop found accused |  lied found accused | unseen \
                       found |   clean suspect FALSE";

fn print(sheet: &Sheet, options: &Options, out: &mut String) -> fmt::Result {
    if options.cases {
        writeln!(out, "{:<34} {COLUMNS}", "cases")?;
        for (name, group) in &sheet.cases {
            row(name, group, out)?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{:<34} {COLUMNS}", "models and behaviours")?;
    let mut perfect = 0;
    for (name, group) in &sheet.models {
        if group.is_perfect() {
            perfect += 1;
        } else {
            row(name, group, out)?;
        }
    }
    writeln!(out, "({perfect} others are without a fault)\n")?;
    if !sheet.places.is_empty() {
        writeln!(out, "{:<34} {COLUMNS}", "stage and position")?;
        for (name, group) in &sheet.places {
            row(name, group, out)?;
        }
        writeln!(out)?;
    }
    writeln!(out, "{:<34} {:>6} {:>6} {:>7}", "signatures", "right", "alone", "wrong")?;
    for (id, fired) in &sheet.signatures {
        writeln!(out, "{id:<34} {:>6} {:>6} {:>7}", fired.right, fired.alone, fired.wrong)?;
    }
    writeln!(out)?;
    list("falsely accused", &sheet.wrong, options.list, out)?;
    list("missed", &sheet.missed, options.list, out)?;
    let misnamed: Vec<String> = sheet
        .models
        .iter()
        .filter(|(_, group)| group.misnamed > 0)
        .map(|(name, group)| format!("{name} {} beside {}", group.misnamed, group.named))
        .collect();
    if !misnamed.is_empty() {
        writeln!(out, "genuine packets named in accusations\n  {}\n", misnamed.join(", "))?;
    }
    for (name, why) in &sheet.damaged {
        writeln!(out, "{name}: {why}")?;
    }
    writeln!(out, "{:<34} {COLUMNS}", "in total")?;
    row(&format!("{} captures", sheet.cases.len()), &sheet.total, out)?;
    if sheet.answers.exchanges > 0 {
        print_answers(&sheet.answers, out)?;
    }
    let (packets, forged, right, wrong) = sheet.packets;
    writeln!(
        out,
        "{packets} packets, {forged} of them made or altered: {right} of these named in \
         accusations, and {wrong} others"
    )
}

/// The rows about DNS.
fn print_answers(answers: &Answers, out: &mut String) -> fmt::Result {
    let Answers { forged, at_frame, injected, told_injected, .. } = answers;
    let Answers { lied, told_lied, lied_told_injected, .. } = answers;
    let Answers { innocent, false_injected, false_lied, .. } = answers;
    writeln!(
        out,
        "DNS: {forged} forged answers, {at_frame} of them found at their frame; of {injected} \
         questions beside whose answer others were forged {told_injected} told as injected\n\
         DNS: {lied} questions answered falsely and not otherwise, {told_lied} told as lied and \
         {lied_told_injected} as injected\n\
         DNS: {innocent} innocent questions, {false_injected} FALSE of injection and {false_lied} \
         FALSE of lies"
    )
}

fn row(name: &str, group: &Group, out: &mut String) -> fmt::Result {
    writeln!(
        out,
        "{name:<34} {:>6} {:>6} {:>7} | {:>5} {:>5} {:>7} | {:>5} {:>5} {:>7} | {:>6} {:>5} | {:>7} \
         {:>7} {:>5}",
        group.injected,
        group.found,
        group.accused,
        group.dropped,
        group.dropped_found,
        group.dropped_accused,
        group.lied,
        group.lied_found,
        group.lied_accused,
        group.unseen,
        group.unseen_found,
        group.innocent,
        group.suspected,
        group.falsely_accused,
    )
}

/// Lists mistakes, so many of each model.
fn list(title: &str, mistakes: &[Mistake], most: usize, out: &mut String) -> fmt::Result {
    if mistakes.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title}")?;
    let mut listed: BTreeMap<&str, usize> = BTreeMap::new();
    for one in mistakes {
        let count = listed.entry(&one.model).or_default();
        *count += 1;
        if *count <= most {
            writeln!(out, "  {} ({}) {} - {}", one.case, one.model, one.key.0, one.key.1)?;
            let said = if one.said.is_empty() { "nothing" } else { &one.said };
            let frames = &one.frames[..one.frames.len().min(12)];
            writeln!(out, "      {said}; frames {frames:?}")?;
        }
    }
    for (model, count) in listed.iter().filter(|(_, count)| **count > most) {
        writeln!(out, "  {} more of {model}", count - most)?;
    }
    writeln!(out)
}

fn as_json(sheet: &Sheet) -> Value {
    let mistakes = |list: &[Mistake]| -> Vec<Value> {
        list.iter()
            .map(|one| {
                json!({
                    "case": one.case,
                    "model": one.model,
                    "ends": [one.key.0, one.key.1],
                    "said": one.said,
                    "frames": one.frames,
                })
            })
            .collect()
    };
    let (packets, forged, right, wrong) = sheet.packets;
    json!({
        "total": sheet.total,
        "packets": {
            "all": packets, "forged": forged, "rightly_named": right, "wrongly_named": wrong,
        },
        "dns": sheet.answers,
        "models": sheet.models,
        "places": sheet.places,
        "signatures": sheet.signatures,
        "cases": sheet.cases.iter().map(|(name, group)| json!({"name": name, "flows": group}))
            .collect::<Vec<_>>(),
        "falsely_accused": mistakes(&sheet.wrong),
        "missed": mistakes(&sheet.missed),
        "damaged": sheet.damaged,
    })
}
