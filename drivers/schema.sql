-- driver-RADIO.db: what one driver process has begun, heard and not yet said. Its only user is
-- that process. No personal data: orders are kept by id and verb, never with a PIN or a key.
CREATE TABLE IF NOT EXISTS attempt (
    device TEXT NOT NULL,
    order_id TEXT NOT NULL,
    verb TEXT NOT NULL,
    begun_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    outcome TEXT,  -- NULL: begun, and no end is written
    told TEXT,  -- drivers.port.Told as JSON
    owed INTEGER NOT NULL DEFAULT 0,  -- 1: the bus has not taken its answer yet
    PRIMARY KEY (device, order_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS attempt_by_expiry ON attempt (expires_at_ms);
CREATE INDEX IF NOT EXISTS attempt_open ON attempt (begun_ms)
    WHERE outcome IS NULL OR outcome = 'unknown';
CREATE INDEX IF NOT EXISTS attempt_owed ON attempt (begun_ms) WHERE owed = 1;
CREATE TABLE IF NOT EXISTS event (
    device TEXT NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,  -- DeviceEvent as JSON
    key TEXT,
    heard_ms INTEGER NOT NULL,
    said INTEGER NOT NULL DEFAULT 0,  -- 1: the bus has it
    PRIMARY KEY (device, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS event_unsaid ON event (device, seq) WHERE said = 0;
CREATE INDEX IF NOT EXISTS event_by_key ON event (device, key) WHERE key IS NOT NULL;
CREATE TABLE IF NOT EXISTS last_seq (
    device TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (
    device TEXT PRIMARY KEY,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarm (
    name TEXT PRIMARY KEY,
    since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS number (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS memory (
    device TEXT NOT NULL,
    section TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    number INTEGER NOT NULL,  -- the order in which they were put
    PRIMARY KEY (device, section, key)
) STRICT, WITHOUT ROWID
