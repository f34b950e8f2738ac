-- A relay's mailboxes: raw requests until the box has them. Times are wall milliseconds.
CREATE TABLE IF NOT EXISTS hint (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  mailbox TEXT NOT NULL,
  received_ms INTEGER NOT NULL,
  source TEXT NOT NULL,
  proof TEXT NOT NULL,
  headers BLOB NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS hint_mailbox ON hint (mailbox, seq);
-- This store's own name: a box that asks another one starts from the beginning.
CREATE TABLE IF NOT EXISTS epoch (name TEXT NOT NULL) STRICT;
