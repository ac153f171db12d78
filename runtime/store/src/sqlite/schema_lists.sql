-- Version 5. What is looked for by its tenant is listed behind the log and in
-- portions: a row at a time touches a page for each tenant, a portion touches it
-- once for all its rows. What is not listed yet is looked for by its place.

-- The last event that is in `waiting` unless it is finished, and the last
-- execution in `listed`. A later event is in `waiting` only if something was
-- committed for it and it waits on.
ALTER TABLE positions ADD COLUMN listed_event INTEGER NOT NULL DEFAULT 0;
ALTER TABLE positions ADD COLUMN listed_execution INTEGER NOT NULL DEFAULT 0;
UPDATE positions SET listed_event = event, listed_execution = execution;

-- It is known from the event.
ALTER TABLE waiting DROP COLUMN bytes;

-- What is left of deleted tenants is removed by its events from now on.
DELETE FROM waiting WHERE tenant IN (SELECT id FROM tenants WHERE name IS NULL);
DELETE FROM executions WHERE tenant IN (SELECT id FROM tenants WHERE name IS NULL);

-- The executions of a tenant and of a rule.
CREATE TABLE listed (
  seq INTEGER PRIMARY KEY,
  tenant INTEGER NOT NULL,
  rule TEXT NOT NULL
) STRICT;
INSERT INTO listed SELECT seq, tenant, rule FROM executions;
CREATE INDEX listed_tenant ON listed (tenant);
CREATE INDEX listed_rule ON listed (tenant, rule);
DROP INDEX executions_tenant;
DROP INDEX executions_rule;

-- Ids begin with the time of their event now, so new ones fall on few pages
-- without parts. They are derived from the event, whose id is unique.
DROP INDEX executions_id;
CREATE INDEX executions_id ON executions (id);
