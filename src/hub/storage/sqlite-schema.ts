/**
 * The hub's database on SQLite, as numbered migrations: entry n takes a database from `user_version` n to n + 1. Entries
 * are never edited once released. Times are wall-clock milliseconds, JSON is text.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE meta (
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE profiles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    name TEXT NOT NULL UNIQUE,
    nickname TEXT NOT NULL,
    expertise TEXT NOT NULL,
    version TEXT NOT NULL,
    project TEXT NOT NULL,
    -- How its owner proves to be it: not at all (open login only), the SHA-256 of a secret, an Ed25519 public key. An
    -- expected one is of a hub that was put back to before its owner registered, and belongs to whoever comes first.
    credential_kind TEXT NOT NULL CHECK (credential_kind IN ('none', 'secret', 'key', 'expected')),
    credential TEXT,
    is_active INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    seen_at INTEGER
  ) STRICT;

  -- Who may act for an agent: the instance that has the current generation.
  CREATE TABLE holders (
    ai_id INTEGER PRIMARY KEY NOT NULL,
    generation INTEGER NOT NULL,
    instance TEXT NOT NULL,
    claim TEXT NOT NULL,
    start INTEGER NOT NULL,
    session_id TEXT NOT NULL
  ) STRICT;

  -- What an agent is to receive. Positions rise by one and are never used twice within an epoch; those up to the floor are
  -- gone, those up to acked are on the agent's disk, and waiting_* counts what lies between acked and top.
  CREATE TABLE streams (
    ai_id INTEGER PRIMARY KEY NOT NULL,
    epoch TEXT NOT NULL,
    floor INTEGER NOT NULL,
    floor_id TEXT,
    acked INTEGER NOT NULL,
    top INTEGER NOT NULL,
    waiting_count INTEGER NOT NULL,
    waiting_bytes INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE entries (
    ai_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    message INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    appended_at INTEGER NOT NULL,
    acked_at INTEGER,
    PRIMARY KEY (ai_id, position)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX entries_age ON entries (appended_at);

  -- A row per recipient.
  CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    message_id TEXT NOT NULL,
    sender_id INTEGER NOT NULL,
    recipient_id INTEGER NOT NULL,
    conversation_id TEXT,
    subject TEXT,
    content TEXT NOT NULL,
    message_type TEXT NOT NULL,
    metadata TEXT,
    status TEXT NOT NULL CHECK (status IN ('unread', 'read')),
    created_at INTEGER NOT NULL,
    read_at INTEGER,
    deleted_at INTEGER
  ) STRICT;
  CREATE INDEX messages_recipient ON messages (recipient_id, id);
  CREATE INDEX messages_sender ON messages (sender_id, id);
  CREATE INDEX messages_message_id ON messages (message_id);

  -- The numbering of what an agent publishes: seq rises by one within an epoch, and each has one verdict.
  CREATE TABLE producers (
    ai_id INTEGER PRIMARY KEY NOT NULL,
    epoch TEXT NOT NULL,
    verdict_seq INTEGER NOT NULL,
    -- 1: this epoch was begun because the hub had been put back.
    rewound INTEGER NOT NULL DEFAULT 0,
    -- The epoch that was given up because the agent had been put back, which it may not have heard of yet.
    given_up TEXT
  ) STRICT;

  -- Of the current epoch, the last ones: what was published as which seq.
  CREATE TABLE published_seqs (
    sender_id INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (sender_id, seq)
  ) STRICT, WITHOUT ROWID;

  -- Everything that was ever published, by the id that its sender gave it: a repeat gets the same verdict, whenever.
  CREATE TABLE publishes (
    sender_id INTEGER NOT NULL,
    id TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    result TEXT NOT NULL CHECK (result IN ('ok', 'refused')),
    code TEXT,
    error TEXT,
    published_at INTEGER NOT NULL,
    PRIMARY KEY (sender_id, id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    session_id TEXT NOT NULL UNIQUE,
    session_identifier TEXT NOT NULL UNIQUE,
    ai_id INTEGER NOT NULL,
    session_type TEXT NOT NULL,
    title TEXT,
    status TEXT NOT NULL CHECK (status IN ('active', 'ended', 'expired')),
    metadata TEXT NOT NULL,
    -- Kept for resumption by our own agents; the others are records that v1 clients make.
    resumable INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    ended_at INTEGER
  ) STRICT;
  CREATE INDEX sessions_agent ON sessions (ai_id, id);

  -- A login and all tokens that come of it by refreshing. One refresh token is live, and the one before for a moment.
  CREATE TABLE token_families (
    sid TEXT PRIMARY KEY NOT NULL,
    ai_id INTEGER NOT NULL,
    -- What the login said of itself, for the tokens to come.
    nickname TEXT NOT NULL,
    generation INTEGER,
    leaf TEXT NOT NULL,
    previous TEXT,
    rotated_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX token_families_agent ON token_families (ai_id);
  CREATE INDEX token_families_age ON token_families (expires_at);

  CREATE TABLE login_challenges (
    nonce TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX login_challenges_age ON login_challenges (expires_at);
  `,
  `
  -- How often the login has got another refresh token, the agent's note of the last exchange, and when an old token of it
  -- came again.
  ALTER TABLE token_families ADD COLUMN rotations INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE token_families ADD COLUMN intent TEXT;
  ALTER TABLE token_families ADD COLUMN replayed_at INTEGER;
  `,
  `
  -- released: the holder has let go, and acts no more. ended: so it has because its session was ended. Either way the next
  -- instance takes its place without asking for it.
  ALTER TABLE holders ADD COLUMN standing TEXT NOT NULL DEFAULT 'held' CHECK (standing IN ('held', 'released', 'ended'));
  CREATE INDEX sessions_age ON sessions (seen_at) WHERE resumable = 1 AND status = 'active';
  `,
  `
  -- Numbers that rise by one, each in the transaction that it is for.
  CREATE TABLE counters (
    name TEXT PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO counters (name, value) VALUES ('login_changes', 0);

  -- Which logins are not any more what a hub may remember of them; without sid, all of an agent. The last 10,000.
  CREATE TABLE login_changes (
    revision INTEGER PRIMARY KEY NOT NULL,
    ai_id INTEGER NOT NULL,
    sid TEXT
  ) STRICT;
  INSERT INTO login_changes (revision, ai_id) VALUES (0, 0);
  `,
  `
  -- What its sender says is good for a while only: given up then, unless it was fetched before. Whichever it was is decided once.
  ALTER TABLE entries ADD COLUMN expires_at INTEGER;
  ALTER TABLE entries ADD COLUMN fetched_at INTEGER;
  ALTER TABLE entries ADD COLUMN expired_at INTEGER;
  CREATE INDEX entries_expiry ON entries (expires_at)
    WHERE expires_at IS NOT NULL AND fetched_at IS NULL AND expired_at IS NULL;
  `,
  `
  -- When the holder's last connection was made, and when and why that ended; without left_at it is there, or the hub ended.
  ALTER TABLE holders ADD COLUMN resumed_at INTEGER;
  ALTER TABLE holders ADD COLUMN left_at INTEGER;
  ALTER TABLE holders ADD COLUMN left_reason TEXT;
  `,
]
