-- The log: every fact, once, in one order. `chain` is SHA-256 over the previous chain and every
-- other column, so that nobody can change yesterday without changing today.
CREATE TABLE IF NOT EXISTS event (
    position       INTEGER PRIMARY KEY,
    stream         TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    kind           TEXT    NOT NULL,
    body           TEXT    NOT NULL,
    command_id     TEXT    NOT NULL,
    who            TEXT    NOT NULL,
    origin         TEXT,
    cause          TEXT,
    trace          TEXT,
    at_wall        INTEGER NOT NULL,
    at_boot        INTEGER NOT NULL,
    boot_id        TEXT    NOT NULL,
    uncertainty_ms INTEGER NOT NULL,
    chain          BLOB    NOT NULL,
    UNIQUE (stream, version)
) STRICT;

-- A command is answered once, per asker; a repeat finds its first answer here.
CREATE TABLE IF NOT EXISTS answered (
    actor      TEXT NOT NULL,
    command_id TEXT NOT NULL,
    body_hash  BLOB NOT NULL,
    answer     TEXT NOT NULL,
    PRIMARY KEY (actor, command_id)
) STRICT, WITHOUT ROWID;

-- How far each follower has come, and why it stopped where it stopped.
CREATE TABLE IF NOT EXISTS follower (
    name        TEXT PRIMARY KEY,
    position    INTEGER NOT NULL,
    quarantined TEXT
) STRICT, WITHOUT ROWID;

-- Which form of each read model the tables have; another form means a rebuild.
CREATE TABLE IF NOT EXISTS read_model (
    name     TEXT PRIMARY KEY,
    ddl_hash TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Live rules in force, a read model of `rules.setting_changed`.
CREATE TABLE IF NOT EXISTS setting (
    scope TEXT NOT NULL,
    key   TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
