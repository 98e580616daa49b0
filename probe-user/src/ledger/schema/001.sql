-- Version 1. Times are nanoseconds since 1970-01-01 UTC. docs/ledger.md describes every column.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('live', 'replay')),
    started INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    ended INTEGER,
    version TEXT NOT NULL,
    kernel TEXT,
    targets TEXT NOT NULL,
    interfaces TEXT NOT NULL,
    clock TEXT NOT NULL CHECK (clock IN ('synchronised', 'free', 'unknown', 'doubted', 'capture')),
    summary TEXT
) STRICT;

CREATE TABLE services (
    targets TEXT NOT NULL,
    service TEXT NOT NULL,
    title TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('target', 'control')),
    suffixes TEXT NOT NULL,
    PRIMARY KEY (targets, service)
) STRICT, WITHOUT ROWID;

CREATE TABLE findings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    time INTEGER NOT NULL,
    protocol TEXT NOT NULL,
    verdict TEXT NOT NULL,
    confidence TEXT NOT NULL,
    service TEXT,
    role TEXT,
    name TEXT,
    network TEXT NOT NULL,
    server TEXT,
    port INTEGER,
    position TEXT NOT NULL,
    injector_hops INTEGER,
    injector_hops_least INTEGER,
    injector_hops_most INTEGER,
    server_hops INTEGER,
    stage TEXT,
    frames TEXT NOT NULL,
    signatures TEXT NOT NULL,
    fingerprints TEXT NOT NULL,
    revisions INTEGER NOT NULL DEFAULT 0,
    UNIQUE (run, number)
) STRICT;

CREATE INDEX findings_time ON findings (time);

CREATE TABLE crowds (
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    service TEXT NOT NULL,
    protocol TEXT NOT NULL,
    verdict TEXT NOT NULL,
    seconds INTEGER NOT NULL CHECK (seconds IN (3600, 86400)),
    start INTEGER NOT NULL,
    clients_least INTEGER NOT NULL,
    clients_most INTEGER NOT NULL,
    networks_least INTEGER NOT NULL,
    networks_most INTEGER NOT NULL,
    PRIMARY KEY (start, seconds, service, protocol, verdict, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE cells (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    window_from INTEGER NOT NULL,
    window_to INTEGER NOT NULL,
    service TEXT NOT NULL,
    role TEXT NOT NULL,
    network TEXT NOT NULL,
    asn INTEGER,
    protocol TEXT NOT NULL,
    vantage INTEGER NOT NULL,
    flows INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    n INTEGER NOT NULL,
    clients_least INTEGER NOT NULL,
    clients_most INTEGER NOT NULL,
    networks_least INTEGER NOT NULL,
    networks_most INTEGER NOT NULL
) STRICT;

CREATE INDEX cells_time ON cells (window_to);

CREATE TABLE cell_methods (
    cell INTEGER NOT NULL REFERENCES cells (id) ON DELETE CASCADE,
    method TEXT NOT NULL,
    flows INTEGER NOT NULL,
    proven INTEGER NOT NULL,
    share REAL NOT NULL,
    clients INTEGER NOT NULL,
    PRIMARY KEY (cell, method)
) STRICT, WITHOUT ROWID;

CREATE TABLE verdicts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    recorded INTEGER NOT NULL,
    period_from INTEGER NOT NULL,
    period_to INTEGER NOT NULL,
    service TEXT NOT NULL,
    role TEXT NOT NULL,
    network TEXT NOT NULL,
    asn INTEGER,
    protocol TEXT NOT NULL,
    vantage INTEGER NOT NULL,
    method TEXT NOT NULL,
    networks_least INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX verdicts_time ON verdicts (period_to);
CREATE INDEX verdicts_unit ON verdicts (service, network, protocol, vantage, id);

CREATE TABLE hours (
    hour INTEGER NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    packets INTEGER NOT NULL,
    tcp_flows INTEGER NOT NULL,
    PRIMARY KEY (hour, run)
) STRICT, WITHOUT ROWID;

CREATE TABLE stages (
    hour INTEGER NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    ending TEXT NOT NULL CHECK (ending IN ('from_server', 'from_client', 'silent')),
    post_syn INTEGER NOT NULL,
    post_ack INTEGER NOT NULL,
    post_psh INTEGER NOT NULL,
    later_in_flow INTEGER NOT NULL,
    no_match INTEGER NOT NULL,
    PRIMARY KEY (hour, run, ending)
) STRICT, WITHOUT ROWID;

CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER REFERENCES runs (id) ON DELETE CASCADE,
    time INTEGER NOT NULL,
    kind TEXT NOT NULL,
    words TEXT NOT NULL
) STRICT;

CREATE INDEX notices_time ON notices (time);
