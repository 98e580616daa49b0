//! How TCP connections ended, as Cloudflare Radar publishes it (`radar/tcp_resets_timeouts`), so that the
//! figures compare.
//!
//! Radar's servers see what arrives in the client's name: resets that the client, or somebody in its
//! name, sent, and silence. Of the same kind here are `from_client` and `silent`. A router also sees
//! what arrives in the server's name, which Radar cannot: those shares stand beside them.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::{ExportError, json as fields, publish::Publication};
use crate::{
    ledger::row::Hour,
    report::{finding::Stage, rfc3339, summary::StageCounts},
};

/// Version of what stands beside Radar's fields.
pub const VERSION: u32 = 1;

/// Stages of which Radar gives a share; all other connections are `no_match`.
const STAGES: [Stage; 4] = [Stage::PostSyn, Stage::PostAck, Stage::PostPsh, Stage::LaterInFlow];

/// Writes one object.
///
/// # Errors
/// When the ledger cannot be read or the output not written.
pub fn write(publication: &Publication<'_>, output: &mut impl Write) -> Result<(), ExportError> {
    publication.begin();
    let hours = publication.hours()?;
    let mut all = Hour::default();
    for hour in &hours {
        all.packets += hour.packets;
        all.tcp_flows += hour.tcp_flows;
        plus(&mut all.from_server, &hour.from_server);
        plus(&mut all.from_client, &hour.from_client);
        plus(&mut all.silent, &hour.silent);
    }
    let period = publication.period()?;
    let mut beside =
        fields::object(json!({ "format": "forgewatch-radar", "format_version": VERSION }));
    beside.extend(fields::heading(publication)?);
    beside.insert(
        "counts".into(),
        json!({
            "tcp_flows": all.tcp_flows,
            "from_server": all.from_server,
            "from_client": all.from_client,
            "silent": all.silent,
        }),
    );
    let report = json!({
        "result": {
            "meta": {
                "aggInterval": "ONE_HOUR",
                "dateRange": [{ "startTime": rfc3339(period.from), "endTime": rfc3339(period.to) }],
                "lastUpdated": rfc3339(publication.terms().created),
                "normalization": "PERCENTAGE",
                "units": [{ "name": "*", "value": "connections" }],
            },
            "summary_0": as_radar(&all),
            "serie_0": serie(&hours, as_radar),
            "x_summary_from_server": from_server(&all),
            "x_serie_from_server": serie(&hours, from_server),
        },
        "success": true,
        "errors": [],
        "x_forgewatch": beside,
    });
    writeln!(output, "{report}").map_err(|error| ExportError::of_io("the shares by stage", &error))
}

/// The five shares as Radar would see them: what arrives in the client's name, and silence.
fn as_radar(hour: &Hour) -> Map<String, Value> {
    let mut counts = hour.from_client;
    plus(&mut counts, &hour.silent);
    shares(&counts, hour.tcp_flows)
}

/// The same of what arrives in the server's name.
fn from_server(hour: &Hour) -> Map<String, Value> {
    shares(&hour.from_server, hour.tcp_flows)
}

/// Percent of all connections, with as many digits as Radar gives. The five add up to 100.
fn shares(counts: &StageCounts, flows: u64) -> Map<String, Value> {
    // A connection can be counted in the hour in which it ended, and begun in the one before.
    let ended: u64 = STAGES.iter().map(|&stage| counts.of(stage)).sum();
    let whole = flows.max(ended);
    let percent = |count: u64| if whole == 0 { 0.0 } else { count as f64 * 100.0 / whole as f64 };
    let mut shares: Map<String, Value> = STAGES
        .iter()
        .map(|&stage| {
            (stage.as_str().to_owned(), format!("{:.6}", percent(counts.of(stage))).into())
        })
        .collect();
    let rest = if whole == 0 { 0.0 } else { percent(whole - ended) };
    shares.insert(Stage::NoMatch.as_str().to_owned(), format!("{rest:.6}").into());
    shares
}

fn serie(hours: &[Hour], shares: impl Fn(&Hour) -> Map<String, Value>) -> Value {
    let mut serie = Map::new();
    let times: Vec<Value> = hours.iter().map(|hour| rfc3339(hour.hour).into()).collect();
    serie.insert("timestamps".into(), times.into());
    for stage in Stage::ALL {
        let values: Vec<Value> =
            hours.iter().filter_map(|hour| shares(hour).remove(stage.as_str())).collect();
        serie.insert(stage.as_str().to_owned(), values.into());
    }
    Value::Object(serie)
}

fn plus(sum: &mut StageCounts, more: &StageCounts) {
    sum.post_syn += more.post_syn;
    sum.post_ack += more.post_ack;
    sum.post_psh += more.post_psh;
    sum.later_in_flow += more.later_in_flow;
    sum.no_match += more.no_match;
}
