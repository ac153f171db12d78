-- What is true of the host as a whole, by name; as JSON.
CREATE TABLE host (
  name TEXT PRIMARY KEY,
  record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
