-- Version 1. Tenants are integers here, never reused; ids are blobs of 16 or
-- 32 bytes; times are microseconds since 1970. The big tables name their
-- tenant without a foreign key: a deleted tenant's row stays, nameless, until
-- the last of its other rows is gone, and a check per row would cost more
-- than it finds.

-- The last place given out in each list; since version 5, of those whose row was
-- removed. Places are never given out twice, not even when the last row of a list
-- is removed.
CREATE TABLE positions (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  event INTEGER NOT NULL,
  execution INTEGER NOT NULL,
  outgoing INTEGER NOT NULL,
  dead_letter INTEGER NOT NULL
) STRICT;
INSERT INTO positions VALUES (1, 0, 0, 0, 0);

-- Without a name: deleted, its rows are being removed.
CREATE TABLE tenants (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  record TEXT NOT NULL
) STRICT;

-- How many events of a tenant are in which state.
CREATE TABLE counts (
  tenant INTEGER PRIMARY KEY,
  waiting INTEGER NOT NULL,
  waiting_bytes INTEGER NOT NULL,
  done INTEGER NOT NULL,
  dead_lettered INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
  digest BLOB PRIMARY KEY,
  tenant INTEGER NOT NULL REFERENCES tenants (id),
  record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_tenant ON tokens (tenant);

CREATE TABLE components (
  version BLOB PRIMARY KEY,
  bytes BLOB NOT NULL
) STRICT;

CREATE TABLE versions (
  place INTEGER PRIMARY KEY,
  tenant INTEGER NOT NULL REFERENCES tenants (id),
  rule TEXT NOT NULL,
  version BLOB NOT NULL REFERENCES components (version),
  record TEXT NOT NULL,
  UNIQUE (tenant, rule, version)
) STRICT;
CREATE INDEX versions_version ON versions (version);

CREATE TABLE activations (
  tenant INTEGER NOT NULL REFERENCES tenants (id),
  rule TEXT NOT NULL,
  record TEXT NOT NULL,
  PRIMARY KEY (tenant, rule)
) STRICT, WITHOUT ROWID;

-- The log. A row is written once and never changed: what happens to an event
-- is in `waiting` (since version 5 only if it waits for long), then in `finished`.
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  tenant INTEGER NOT NULL,
  id BLOB NOT NULL,
  cascade BLOB, -- null: its own
  depth INTEGER NOT NULL,
  parent BLOB,
  accepted_us INTEGER NOT NULL,
  ce_id TEXT NOT NULL,
  source TEXT NOT NULL,
  type TEXT NOT NULL,
  subject TEXT,
  time TEXT NOT NULL,
  data TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_id ON events (tenant, id);
CREATE INDEX events_cascade ON events (tenant, cascade) WHERE cascade IS NOT NULL;

-- `decisions`: JSON objects with commas between them. `runs`: places in
-- `executions`, 8 bytes each, little-endian.
CREATE TABLE waiting (
  tenant INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  dead INTEGER NOT NULL,
  decisions TEXT,
  runs BLOB,
  PRIMARY KEY (tenant, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE finished (
  seq INTEGER PRIMARY KEY,
  tenant INTEGER NOT NULL,
  done_us INTEGER NOT NULL,
  dead INTEGER NOT NULL,
  decisions TEXT,
  runs BLOB,
  stop TEXT
) STRICT;
CREATE INDEX finished_done ON finished (done_us);

CREATE TABLE executions (
  seq INTEGER PRIMARY KEY,
  tenant INTEGER NOT NULL,
  id BLOB NOT NULL,
  started_us INTEGER NOT NULL,
  rule TEXT NOT NULL,
  stop TEXT, -- the code; null: it was not stopped
  record TEXT NOT NULL
) STRICT;
-- Until version 5. In parts of 16,384 rows: new ids, which are random, then fall on few pages.
-- A question looks through the parts, the newest first.
CREATE UNIQUE INDEX executions_id ON executions (seq >> 14, tenant, id);
CREATE INDEX executions_tenant ON executions (tenant);
CREATE INDEX executions_rule ON executions (tenant, rule);
CREATE INDEX executions_stopped ON executions (tenant) WHERE stop IS NOT NULL;

-- What cascades have used, by the place of the root event. Not by its id:
-- random ids would touch a page per row.
CREATE TABLE ledgers (
  root INTEGER PRIMARY KEY,
  depth INTEGER NOT NULL,
  executions INTEGER NOT NULL,
  fuel INTEGER NOT NULL,
  events INTEGER NOT NULL,
  bytes INTEGER NOT NULL
) STRICT;

-- The same for cascades whose root event is not in the log (any more).
CREATE TABLE orphan_ledgers (
  tenant INTEGER NOT NULL,
  cascade BLOB NOT NULL,
  depth INTEGER NOT NULL,
  executions INTEGER NOT NULL,
  fuel INTEGER NOT NULL,
  events INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (tenant, cascade)
) STRICT, WITHOUT ROWID;

CREATE TABLE state (
  tenant INTEGER NOT NULL,
  rule TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (tenant, rule, key)
) STRICT, WITHOUT ROWID;

-- The bytes of a rule's keys and values in `state`.
CREATE TABLE state_sizes (
  tenant INTEGER NOT NULL,
  rule TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (tenant, rule)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
  tenant INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  id BLOB NOT NULL,
  execution BLOB NOT NULL,
  rule TEXT NOT NULL,
  event BLOB NOT NULL,
  cascade BLOB NOT NULL,
  depth INTEGER NOT NULL,
  since_us INTEGER NOT NULL,
  name TEXT NOT NULL,
  payload TEXT NOT NULL,
  PRIMARY KEY (tenant, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE dead_letters (
  seq INTEGER PRIMARY KEY,
  tenant INTEGER NOT NULL,
  event_seq INTEGER NOT NULL,
  since_us INTEGER NOT NULL,
  code TEXT NOT NULL,
  rule TEXT,
  event BLOB NOT NULL,
  version BLOB,
  execution BLOB,
  cascade BLOB NOT NULL,
  stop TEXT NOT NULL
) STRICT;
CREATE INDEX dead_letters_tenant ON dead_letters (tenant);
CREATE INDEX dead_letters_event ON dead_letters (event_seq);
