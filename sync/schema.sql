-- What sync owes the world and the box. Times are wall milliseconds. `body` is blanked once it is
-- no longer needed: guests' names live in the log, sealed, and must be forgettable there.
CREATE TABLE IF NOT EXISTS effect (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  natural_key TEXT NOT NULL UNIQUE,
  counterparty TEXT NOT NULL,
  lane TEXT NOT NULL,
  kind TEXT NOT NULL,
  body BLOB NOT NULL,
  idempotency_key TEXT NOT NULL,
  attempt INTEGER NOT NULL DEFAULT 1,
  state TEXT NOT NULL,
  priority INTEGER NOT NULL,
  made_ms INTEGER NOT NULL,
  first_sent_ms INTEGER,
  first_sent_doubt_ms INTEGER NOT NULL DEFAULT 0,
  tries INTEGER NOT NULL DEFAULT 0,
  next_at_ms INTEGER NOT NULL DEFAULT 0,
  not_after_ms INTEGER,
  look_first INTEGER NOT NULL DEFAULT 0,
  progress TEXT NOT NULL DEFAULT '{}',
  provider_ref TEXT,
  sentence TEXT NOT NULL DEFAULT '',
  trace TEXT,
  changed_ms INTEGER NOT NULL,
  turns INTEGER NOT NULL DEFAULT 0,
  takes_room TEXT,
  frees_room TEXT,
  late_until_ms INTEGER NOT NULL DEFAULT 0,
  generation INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS effect_open ON effect (state, priority, seq);
CREATE INDEX IF NOT EXISTS effect_lane ON effect (lane, seq);
CREATE TABLE IF NOT EXISTS told (
  effect_id TEXT NOT NULL, turn INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  state TEXT NOT NULL, sentence TEXT NOT NULL, PRIMARY KEY (effect_id, turn)
) STRICT, WITHOUT ROWID;
-- Commands for the box, in order within a lane; a row goes when its answer is there.
CREATE TABLE IF NOT EXISTS homeward (
  seq INTEGER PRIMARY KEY,
  command_id TEXT NOT NULL UNIQUE,
  lane TEXT NOT NULL,
  name TEXT NOT NULL,
  body BLOB NOT NULL,
  origin BLOB,
  cause TEXT,
  trace TEXT,
  tries INTEGER NOT NULL DEFAULT 0,
  next_at_ms INTEGER NOT NULL DEFAULT 0,
  refused TEXT,
  made_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS homeward_lane ON homeward (lane, seq);
-- Single values: the feed's cursor, marks, limiter and breaker of each vendor, its configuration.
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
-- What the box has, as far as a vendor's words need it.
CREATE TABLE IF NOT EXISTS room (
  room_id TEXT PRIMARY KEY, number TEXT NOT NULL, upstream_id TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS room_type (
  room_type_id TEXT PRIMARY KEY, title TEXT NOT NULL, upstream_id TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stay (
  stay_id TEXT PRIMARY KEY, source TEXT, upstream_id TEXT, arrival TEXT NOT NULL,
  departure TEXT NOT NULL, room_id TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS stay_upstream ON stay (source, upstream_id);
-- What a vendor last said of a booking: no names, the row's version and hash, and what pushes need.
CREATE TABLE IF NOT EXISTS booking (
  source TEXT NOT NULL, upstream_id TEXT NOT NULL, version TEXT NOT NULL, repeats INTEGER NOT NULL,
  hash BLOB NOT NULL, known BLOB NOT NULL, PRIMARY KEY (source, upstream_id)
) STRICT, WITHOUT ROWID;
-- Bookings that must be fetched again: our own writes are under way, or a mapping is missing.
CREATE TABLE IF NOT EXISTS held (
  source TEXT NOT NULL, upstream_id TEXT NOT NULL, since_ms INTEGER NOT NULL,
  why TEXT NOT NULL, needs_person INTEGER NOT NULL, PRIMARY KEY (source, upstream_id)
) STRICT, WITHOUT ROWID;
