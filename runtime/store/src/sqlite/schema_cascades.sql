-- Version 3. How an event came about, where its parent does not tell: 1, the
-- host application returned it with its lineage; 2, its lineage was inferred.
ALTER TABLE events ADD COLUMN origin INTEGER;
-- Short fingerprints of the runs that led to it, 4 bytes each, little-endian,
-- the nearest last.
ALTER TABLE events ADD COLUMN ancestry BLOB;

-- What lineage tokens are signed with. The newest signs, all verify.
CREATE TABLE lineage_keys (
  number INTEGER PRIMARY KEY,
  key BLOB NOT NULL,
  since_us INTEGER NOT NULL
) STRICT;

-- Rules that wait for the end of their quarantine, by the events that wait for
-- them. Such an event has a row in `waiting` with `parked` set, so that it is
-- not taken for work, once nothing else is to be done for it.
CREATE TABLE parked (
  tenant INTEGER NOT NULL,
  rule TEXT NOT NULL,
  seq INTEGER NOT NULL,
  since_us INTEGER NOT NULL,
  PRIMARY KEY (tenant, rule, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX parked_event ON parked (tenant, seq);
CREATE INDEX parked_since ON parked (since_us);
ALTER TABLE waiting ADD COLUMN parked INTEGER;

CREATE TABLE anomalies (
  seq INTEGER PRIMARY KEY,
  tenant INTEGER NOT NULL,
  since_us INTEGER NOT NULL,
  until_us INTEGER, -- null: it goes on
  record TEXT NOT NULL
) STRICT;
CREATE INDEX anomalies_tenant ON anomalies (tenant);
