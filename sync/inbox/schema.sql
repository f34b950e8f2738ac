-- Webhooks as they came. `raw` and `papers` (what a later verification needs) are blanked once an
-- item is settled: guests' names live in the log, sealed, and must be forgettable there. The key
-- itself is remembered, so that a repeat is known. Times are wall milliseconds.
CREATE TABLE IF NOT EXISTS inbox (
  seq INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  dedupe_id TEXT NOT NULL,
  raw BLOB NOT NULL,
  papers BLOB NOT NULL,
  verified INTEGER NOT NULL,
  state TEXT NOT NULL,
  signed_ms INTEGER,
  received_ms INTEGER NOT NULL,
  received_boot_ms INTEGER NOT NULL,
  boot_id TEXT NOT NULL,
  trace TEXT NOT NULL,
  arrivals INTEGER NOT NULL DEFAULT 1,
  tries INTEGER NOT NULL DEFAULT 0,
  next_at_ms INTEGER NOT NULL DEFAULT 0,
  settled_ms INTEGER,
  sentence TEXT NOT NULL DEFAULT '',
  UNIQUE (source, dedupe_id)
) STRICT;
CREATE INDEX IF NOT EXISTS inbox_open ON inbox (state, source, next_at_ms, seq)
  WHERE settled_ms IS NULL;
CREATE INDEX IF NOT EXISTS inbox_settled ON inbox (settled_ms) WHERE settled_ms IS NOT NULL;
-- Public keys of vendors that sign with one of many, so that a dark box can verify what it knows.
CREATE TABLE IF NOT EXISTS inbox_key (
  source TEXT NOT NULL, key_id TEXT NOT NULL, jwk BLOB NOT NULL, asked_ms INTEGER NOT NULL,
  PRIMARY KEY (source, key_id)
) STRICT, WITHOUT ROWID;
-- How far each mailbox was read, in which of the relay's stores.
CREATE TABLE IF NOT EXISTS inbox_relay (
  mailbox TEXT PRIMARY KEY, epoch TEXT NOT NULL, after INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
