-- Sessions: one permit that pays many times. Amounts are decimal text, never compared or added in SQL; times unix milliseconds but for `deadline`.

create table sessions (
  -- digest of the permit as it was first written
  id text primary key,
  -- erc2612:<chain>:<asset>:<owner>:<spender>:<nonce>
  permit_key text not null,
  -- digest of what was signed: two permits of one nonce differ in it
  fingerprint text not null,
  network text not null,
  wire_network text not null,
  asset text not null,
  owner text not null,
  spender text not null,
  pay_to text not null,
  caller text not null,
  payer text not null,
  cap text not null,
  -- last block time, unix seconds, at which the permit can be executed
  deadline bigint not null,
  permit text not null,
  -- who keeps the account of its calls: facilitator, or merchant
  keeper text not null,
  -- promised to calls that are under way; held + charged never exceed the cap
  held text not null,
  -- owed by the owner in all, settled or not; it only grows. What of it is in flight and settled is derived from the session's settlements.
  charged text not null,
  state text not null,
  -- counts every change: updating it first locks the row until commit
  version bigint not null,
  -- number of the next batch
  sequence bigint not null,
  last_activity bigint not null,
  -- settlements refused in a row, the last batch counted among them, and when the next may be tried
  failures bigint not null,
  failed_sequence bigint not null,
  next_attempt_at bigint not null,
  -- why the last batch was made, and why the last one failed
  last_reason text,
  last_failure text,
  -- somebody sent the permit before us
  permit_seen bigint not null,
  created_at bigint not null,
  updated_at bigint not null,
  archived_at bigint
);

-- The same permit is one session, however it is written.
create unique index sessions_permit on sessions (permit_key, fingerprint);
-- A permit sets the allowance of its owner and spender, so only one may be at work. A failed one is no part of this: one that was closed fails
-- when a reorg takes its last settlement away for good, and a newer permit may be at work by then.
create unique index sessions_live on sessions (network, asset, owner, spender) where state in ('open', 'closing') and archived_at is null;
create index sessions_owner on sessions (network, asset, owner, spender);
create index sessions_caller on sessions (caller, id);
create index sessions_due on sessions (state, archived_at, next_attempt_at);

-- What calls were promised and took. A held amount is released or charged once.
create table holds (
  id text primary key,
  session_id text not null references sessions (id),
  amount text not null,
  state text not null,
  expires_at bigint not null,
  charged text,
  caller text not null,
  -- Idempotency-Key of the request that held it, and of the one that charged it
  verify_key text,
  settle_key text,
  -- the settlement that a charge is settled by, where it has one of its own
  settlement_id text,
  created_at bigint not null,
  updated_at bigint not null
);
create unique index holds_verify_key on holds (session_id, verify_key);
create unique index holds_settle_key on holds (session_id, settle_key);
create index holds_state on holds (session_id, state, expires_at);
create index holds_expiry on holds (state, expires_at);

-- The session that a settlement is a batch of.
alter table settlements add column session_id text;
create index settlements_session on settlements (session_id, created_at);
