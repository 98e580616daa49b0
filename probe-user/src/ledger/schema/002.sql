-- Version 2: packets that show what was found, and the verdicts that stand now.

CREATE TABLE evidence (
    finding INTEGER NOT NULL REFERENCES findings (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    time_offset INTEGER NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('to-client', 'to-server')),
    label TEXT NOT NULL,
    bytes BLOB NOT NULL,
    comment TEXT NOT NULL,
    PRIMARY KEY (finding, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX findings_kind ON findings (service, protocol, verdict, id);
CREATE INDEX cells_run ON cells (run);
CREATE INDEX verdicts_run ON verdicts (run);
CREATE INDEX notices_run ON notices (run);

CREATE VIEW verdicts_now AS
SELECT * FROM verdicts
WHERE id IN (SELECT max(id) FROM verdicts GROUP BY service, network, protocol, vantage);
