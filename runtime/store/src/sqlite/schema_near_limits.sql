-- Version 2. Whether an execution came near a limit without being stopped:
-- 1, or null. Few do, so the list of those is an index of its own.
ALTER TABLE executions ADD COLUMN near INTEGER;
CREATE INDEX executions_near ON executions (tenant) WHERE near IS NOT NULL;
