"""Reads what `forgewatch report` has written, with what other people use to read it.

Arguments: the directory of the report, the schema of OONI's measurements. Ends with an error at the first
thing that is not as it should be.
"""

import copy
import json
import sys

import duckdb
import jsonschema

REPORT, SCHEMA = sys.argv[1:]


def lines(name):
    with open(f"{REPORT}/{name}", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


records = lines("report.ndjson")
assert records[0]["record"] == "report", records[0]
assert records[-1]["record"] == "end", records[-1]
by_kind = {}
for record in records[:-1]:
    by_kind.setdefault(record["record"], []).append(record)
counts = {kind: len(some) for kind, some in by_kind.items()}
assert counts == records[-1]["records"], (counts, records[-1])
findings, cells = by_kind.get("finding", []), by_kind.get("cell", [])

# OONI: every measurement is one, and the schema notices what is none.
with open(SCHEMA, encoding="utf-8") as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
measurements = lines("ooni.jsonl")
assert len(measurements) == len(findings) + len(cells), (len(measurements), len(findings), len(cells))
for measurement in measurements:
    validator.validate(measurement)


def spoil(change):
    spoiled = copy.deepcopy(measurements[-1])
    change(spoiled)
    return spoiled


for change in [
    lambda m: m.pop("test_keys"),
    lambda m: m.update(probe_ip="192.0.2.1"),
    lambda m: m.update(test_start_time="2026-11-24T10:00:00Z"),
    lambda m: m["test_keys"].update(own_key=1),
    lambda m: m["test_keys"]["x_tampering"]["failures"].append({"failure": "connection reset", "flows": 1}),
]:
    assert not validator.is_valid(spoil(change)), "a spoiled measurement passes"

# Parquet: the same rows as in NDJSON, with the same values.
TIMES = {"findings": "time", "cells": "window_from, window_to"}


def table(name):
    # Times as text: to make them Python's takes another package.
    rows = duckdb.sql(f"SELECT * EXCLUDE ({TIMES[name]}) FROM '{REPORT}/{name}.parquet'")
    return [dict(zip(rows.columns, row)) for row in rows.fetchall()]


found, counted = table("findings"), table("cells")
assert len(found) == len(findings), (len(found), len(findings))
for row, record in zip(found, findings):
    for field in [
        "run", "number", "time_within_s", "protocol", "verdict", "confidence", "service", "role", "name", "network",
        "server", "port", "position", "injector_hops", "server_hops", "stage", "frames", "revisions",
    ]:
        assert row[field] == record[field], (field, row, record)
    assert row["signatures"] == [signature["id"] for signature in record["signatures"]]
    assert json.loads(row["evidence"]) == record["signatures"]
    assert row["fingerprints"] == [fingerprint["id"] for fingerprint in record["fingerprints"]]
assert len(counted) == len(cells), (len(counted), len(cells))
for row, record in zip(counted, cells):
    for field in ["service", "role", "network", "asn", "protocol", "flows", "failed", "n"]:
        assert row[field] == record[field], (field, row, record)
    assert row["clients_least"] == record["clients"]["least"]
    assert row["client_networks_most"] == record["client_networks"]["most"]
    assert row["methods"] == [method["method"] for method in record["methods"]]
    assert row["method_flows"] == [method["flows"] for method in record["methods"]]
    assert row["method_shares"] == [method["share"] for method in record["methods"]]
times = duckdb.sql(
    f"SELECT strftime(time AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S') FROM '{REPORT}/findings.parquet'"
).fetchall()
assert [time for (time,) in times] == [record["time"][:19] for record in findings]
about = dict(
    duckdb.sql(
        f"SELECT decode(key), decode(value) FROM parquet_kv_metadata('{REPORT}/cells.parquet')"
    ).fetchall()
)
assert about["forgewatch.schema"] == "cells/1", about
assert about["forgewatch.lab"] == json.dumps(records[0]["lab"]), about

# Radar: five shares that add up to all connections.
with open(f"{REPORT}/radar.json", encoding="utf-8") as file:
    radar = json.load(file)
stages = {"post_syn", "post_ack", "post_psh", "later_in_flow", "no_match"}
summary = radar["result"]["summary_0"]
assert set(summary) == stages, summary
if radar["x_forgewatch"]["counts"]["tcp_flows"]:
    assert abs(sum(float(share) for share in summary.values()) - 100) < 1e-4, summary
serie = radar["result"]["serie_0"]
assert set(serie) == stages | {"timestamps"}
assert all(len(values) == len(serie["timestamps"]) for values in serie.values())

print(json.dumps(counts))
