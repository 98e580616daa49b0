-- Version 3: of each packet in evidence, in whose name it passed, what it is held to be, and where this
-- is known from.

ALTER TABLE evidence RENAME TO evidence_before;

CREATE TABLE evidence (
    finding INTEGER NOT NULL REFERENCES findings (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    time_offset INTEGER NOT NULL,
    sender TEXT NOT NULL CHECK (sender IN ('client', 'server')),
    standing TEXT NOT NULL CHECK (standing IN ('forged', 'rewritten', 'questioned', 'genuine')),
    origin TEXT NOT NULL CHECK (origin IN ('packet', 'record')),
    bytes BLOB NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (finding, position)
) STRICT, WITHOUT ROWID;

INSERT INTO evidence
SELECT finding, position, time_offset, iif(direction = 'to-client', 'server', 'client'),
    iif(label = 'forged', 'forged', 'genuine'), 'packet', bytes, comment
FROM evidence_before;

DROP TABLE evidence_before;
