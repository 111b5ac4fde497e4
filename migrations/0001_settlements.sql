-- One text for Postgres and SQLite. Times are unix milliseconds, amounts and fees decimal text (never compared or added in SQL), ids uuid v7.

create table settlements (
  id text primary key,
  payment_key text not null,
  fingerprint text not null,
  proof text not null,
  caller text not null,
  scheme text not null,
  network text not null,
  wire_network text not null,
  asset text not null,
  payer text not null,
  pay_to text not null,
  amount text not null,
  work text not null,
  expect text not null,
  required_sender text,
  batchable bigint not null,
  state text not null,
  reason text,
  message text,
  deadline bigint not null,
  -- first block time, unix seconds, at which the authorization can no longer be executed
  expires_at bigint not null,
  created_at bigint not null,
  updated_at bigint not null,
  claimed_by text,
  claimed_until bigint not null,
  transaction_hash text,
  log_index bigint,
  block_number bigint,
  block_hash text,
  settled_at bigint,
  final_at bigint,
  delivered_at bigint,
  delivered_to text,
  delivery_key text,
  delivery_id text
);

-- A payment is on record once; a released row keeps its history and frees its key.
create unique index settlements_key on settlements (payment_key) where state <> 'released';
-- One log proves one payment, whatever the scheme.
create unique index settlements_proof on settlements (network, transaction_hash, log_index);
create index settlements_transaction on settlements (transaction_hash);
create index settlements_queue on settlements (network, state, created_at);
create index settlements_payer on settlements (network, asset, payer, state);

create table transactions (
  id text primary key,
  network text not null,
  signer text not null,
  -- null where the chain has none; nulls are distinct
  account_nonce bigint,
  state text not null,
  created_at bigint not null,
  updated_at bigint not null,
  mined_hash text,
  block_number bigint,
  block_hash text,
  succeeded bigint,
  gas_used bigint,
  gas_price text,
  -- what it cost, gwei: booked back when a reorg takes its block away
  cost_gwei bigint,
  final_at bigint,
  unique (network, signer, account_nonce)
);
create index transactions_state on transactions (network, state, final_at);

-- Every signed form of a transaction; append-only. A row is here before its bytes are sent.
create table attempts (
  transaction_id text not null references transactions (id),
  number bigint not null,
  role text not null,
  hash text not null unique,
  raw bytea not null,
  max_fee text not null,
  priority_fee text not null,
  created_at bigint not null,
  primary key (transaction_id, number)
);

create table settlement_transactions (
  settlement_id text not null references settlements (id),
  transaction_id text not null references transactions (id),
  role text not null,
  primary key (settlement_id, transaction_id)
);
create index settlement_transactions_transaction on settlement_transactions (transaction_id);

-- Who owns a signer's account nonce. Every lane transaction starts by updating this row where the generation is its own.
create table lanes (
  network text not null,
  signer text not null,
  generation bigint not null,
  heartbeat bigint not null,
  holder text,
  next_nonce bigint not null,
  paused text,
  primary key (network, signer)
);

-- Gas paid per UTC day in billionths of the native coin, gwei or lamports, so that it can be added.
create table spending (
  network text not null,
  signer text not null,
  day bigint not null,
  gwei bigint not null,
  primary key (network, signer, day)
);

-- Serialises what is in flight per payer and asset: its row is locked while the sum is taken.
create table exposures (
  network text not null,
  asset text not null,
  payer text not null,
  version bigint not null,
  primary key (network, asset, payer)
);
