/**
 * The agent's database, as numbered migrations: entry n takes a database from `user_version` n to n + 1. Entries are
 * never edited once released. The closed world (checked by `lint-schema.ts`): STRICT tables with BINARY primary keys
 * NOT NULL, no other uniqueness, no triggers, cascades, AUTOINCREMENT or virtual tables, because change sets omit or
 * drop what lies outside it without a word.
 */
export const migrations: readonly string[] = [
  `
  -- Where this database stands in the journal. The one table that is written outside the change sets.
  CREATE TABLE journal_position (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    chain INTEGER NOT NULL,
    chain_id BLOB NOT NULL,
    base_sequence INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL
  ) STRICT;

  CREATE TABLE identity (
    id INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    agent_id TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE counters (
    name TEXT PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- The user's state, a row per top-level key.
  CREATE TABLE state (
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE inbox (
    position INTEGER PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('start', 'message', 'timer')),
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    sender TEXT NOT NULL,
    conversation TEXT NOT NULL,
    payload TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    hops INTEGER NOT NULL,
    in_reply_to TEXT,
    received_at INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'running', 'parked', 'done', 'dead')),
    available_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    attempts INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    suspect INTEGER NOT NULL,
    alone INTEGER NOT NULL,
    error TEXT
  ) STRICT;
  CREATE INDEX inbox_open ON inbox (conversation, position) WHERE status IN ('pending', 'running', 'parked');
  CREATE INDEX inbox_finished ON inbox (finished_at) WHERE status IN ('done', 'dead');

  -- What came in before, by what its source calls it: a repeat is recognised for as long as its row is kept.
  CREATE TABLE inbox_seen (
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    position INTEGER NOT NULL,
    content_hash BLOB NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (source, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX inbox_seen_age ON inbox_seen (seen_at);

  CREATE TABLE dead_letters (
    position INTEGER PRIMARY KEY NOT NULL,
    reason TEXT NOT NULL,
    evidence TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE steps (
    turn INTEGER NOT NULL,
    name TEXT NOT NULL,
    occurrence INTEGER NOT NULL,
    result TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    PRIMARY KEY (turn, name, occurrence)
  ) STRICT, WITHOUT ROWID;

  -- The effect ledger.
  CREATE TABLE effects (
    turn INTEGER NOT NULL,
    name TEXT NOT NULL,
    occurrence INTEGER NOT NULL,
    key TEXT NOT NULL,
    policy TEXT NOT NULL CHECK (policy IN ('verify', 'idempotent', 'unkeyed')),
    status TEXT NOT NULL CHECK (status IN ('intended', 'started', 'done', 'failed', 'unknown')),
    runs INTEGER NOT NULL,
    result TEXT,
    error TEXT,
    intended_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    PRIMARY KEY (turn, name, occurrence)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE outbox (
    sequence INTEGER PRIMARY KEY NOT NULL,
    id TEXT NOT NULL,
    turn INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    conversation TEXT NOT NULL,
    content TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    hops INTEGER NOT NULL,
    in_reply_to TEXT,
    status TEXT NOT NULL CHECK (status IN ('pending', 'delivered', 'refused', 'expired')),
    attempts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    settled_at INTEGER,
    error TEXT
  ) STRICT;
  CREATE INDEX outbox_pending ON outbox (recipient, sequence) WHERE status = 'pending';
  CREATE INDEX outbox_settled ON outbox (settled_at) WHERE status <> 'pending';
  CREATE INDEX outbox_turn ON outbox (turn);

  CREATE TABLE timers (
    id TEXT PRIMARY KEY NOT NULL,
    conversation TEXT NOT NULL,
    sender TEXT NOT NULL,
    payload TEXT NOT NULL,
    hops INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    turn INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX timers_due ON timers (due_at);

  -- Notes of the agent's memory; a forgotten one keeps its row, emptied, so that the index learns of it.
  CREATE TABLE notes (
    id INTEGER PRIMARY KEY NOT NULL,
    text TEXT NOT NULL,
    forgotten INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX notes_revision ON notes (revision);
  `,
  `
  -- Where the agent stands with each hub that it has been at.
  CREATE TABLE session (
    hub TEXT PRIMARY KEY NOT NULL,
    -- Where it was found last; the hub's name here is where it was met first.
    address TEXT,
    session_identifier TEXT,
    generation INTEGER NOT NULL,
    stream_epoch TEXT,
    rx_offset INTEGER NOT NULL,
    rx_last_id TEXT,
    -- The numbering of the outbox is of one hub at a time: it is NULL at the others.
    producer_epoch TEXT,
    acked_seq INTEGER,
    acked_id TEXT,
    -- As it was noted last, for whoever looks.
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- Its number towards the hub; 0 for what went there under an earlier numbering, NULL for what does not go there.
  ALTER TABLE outbox ADD COLUMN seq INTEGER;
  -- 1: the hub may have accepted it before it was put back to an earlier time.
  ALTER TABLE outbox ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
  -- The hub that has accepted it, by the agent's place there: only that one may have lost it.
  ALTER TABLE outbox ADD COLUMN accepted_by TEXT;
  CREATE INDEX outbox_seq ON outbox (seq) WHERE seq > 0;

  -- Where it stands with each plain v1 server: what of the inbox there has been taken in, by the highest number and the
  -- latest time (microseconds) of the server, and the number that the message that was sent last got there.
  CREATE TABLE plain_session (
    hub TEXT PRIMARY KEY NOT NULL,
    newest_number INTEGER NOT NULL,
    newest_time_us INTEGER NOT NULL,
    sent_number INTEGER
  ) STRICT, WITHOUT ROWID;
  -- When a plain v1 server was first asked to take it: whether it did is looked up before it is asked again.
  ALTER TABLE outbox ADD COLUMN asked_at INTEGER;
  `,
  `
  -- What waits to be sent goes by priority (0 high, 1 normal, 2 low), and expires.
  ALTER TABLE outbox ADD COLUMN priority INTEGER NOT NULL DEFAULT 1;
  -- How long it is good for, where its sender has said so, and the wall-clock time at which it is not any more.
  ALTER TABLE outbox ADD COLUMN ttl_ms INTEGER;
  ALTER TABLE outbox ADD COLUMN expires_at INTEGER;
  -- Its place in the order in which messages were first on their way; NULL for what has not been. From then on it may be
  -- at its recipient, and only a verdict settles it.
  ALTER TABLE outbox ADD COLUMN ordinal INTEGER;
  -- The numbering that its number is of: one of an earlier numbering means nothing any more.
  ALTER TABLE outbox ADD COLUMN numbering INTEGER NOT NULL DEFAULT 0;
  -- A dead letter that was sent again, and what it was sent as.
  ALTER TABLE outbox ADD COLUMN retry_of INTEGER;
  ALTER TABLE outbox ADD COLUMN retried_as INTEGER;
  -- After the hub was put back: what it had accepted under numberings before this one is sent once more, and how far that is.
  ALTER TABLE session ADD COLUMN again_below INTEGER;
  ALTER TABLE session ADD COLUMN again_after INTEGER;

  -- Numbers used to be given at once. Where there has never been a hub, nothing was on its way under them.
  UPDATE outbox SET seq = NULL WHERE NOT EXISTS (SELECT 1 FROM session WHERE generation > 0);
  UPDATE outbox SET ordinal = sequence, numbering = CASE WHEN seq > 0 THEN 1 ELSE 0 END WHERE seq IS NOT NULL;
  UPDATE outbox SET ordinal = sequence WHERE status = 'pending' AND asked_at IS NOT NULL;
  UPDATE outbox SET expires_at = created_at + 2592000000 WHERE status = 'pending' AND recipient <> 'you';
  INSERT INTO counters (name, value) VALUES ('outbox.numbering', 1);
  INSERT INTO counters (name, value) SELECT 'outbox.ordinal', coalesce(max(sequence), 0) FROM outbox;

  DROP INDEX outbox_seq;
  CREATE INDEX outbox_line ON outbox (priority, sequence)
    WHERE status = 'pending' AND ordinal IS NULL AND recipient <> 'you';
  CREATE INDEX outbox_line_to ON outbox (recipient, priority, sequence)
    WHERE status = 'pending' AND ordinal IS NULL AND recipient <> 'you';
  CREATE INDEX outbox_lane ON outbox (recipient, conversation, sequence)
    WHERE status = 'pending' AND ordinal IS NULL AND recipient <> 'you';
  CREATE INDEX outbox_expiry ON outbox (expires_at) WHERE status = 'pending' AND ordinal IS NULL;
  CREATE INDEX outbox_numbered ON outbox (numbering, seq) WHERE status = 'pending' AND ordinal IS NOT NULL;
  CREATE INDEX outbox_way ON outbox (recipient, ordinal) WHERE status = 'pending' AND ordinal IS NOT NULL;
  CREATE INDEX outbox_accepted ON outbox (accepted_by, ordinal) WHERE status = 'delivered';
  CREATE INDEX outbox_dead ON outbox (sequence) WHERE status IN ('refused', 'expired') AND recipient <> 'you';
  `,
  `
  -- A message is found by what it is called: whether it was sent before, and what its recipient's hub says of it.
  CREATE INDEX outbox_id ON outbox (id);
  `,
  `
  -- The numbering that was given up at this hub for that of another, or for its holes: its last verdict is kept (acked_seq,
  -- acked_id), and shows at the next resume whether the hub has lost it since.
  ALTER TABLE session ADD COLUMN left_epoch TEXT;
  `,
]
