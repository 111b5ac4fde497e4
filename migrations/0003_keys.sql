-- Who may call, what they used today, and what their payments cost us. Days are UTC days since 1970.

create table api_keys (
  -- the public prefix of the key, shown in lists, logs and records
  id text primary key,
  name text not null,
  -- SHA-256 of the whole key, hex
  hash text not null,
  -- comma-separated; empty `pay_to` and `networks`: any
  scopes text not null,
  pay_to text not null,
  networks text not null,
  -- requests per minute, payments per day; null: as the limits say
  rate bigint,
  daily bigint,
  created_at bigint not null,
  revoked_at bigint
);
create unique index api_keys_name on api_keys (name) where revoked_at is null;

-- Payments taken on per day, where a daily limit counts them.
create table quotas (
  day bigint not null,
  subject text not null,
  payments bigint not null,
  primary key (day, subject)
);

-- A payment's share of what its transaction cost, as it was booked: a reorg takes back exactly this.
create table fees (
  transaction_id text not null references transactions (id),
  settlement_id text not null references settlements (id),
  day bigint not null,
  -- billionths of the native coin
  gwei bigint not null,
  -- whether it paid nobody
  failed bigint not null,
  primary key (transaction_id, settlement_id)
);

-- The same, summed per day and whoever caused it: caller, payer, pay_to, or all.
create table fee_sums (
  day bigint not null,
  network text not null,
  level text not null,
  subject text not null,
  gwei bigint not null,
  failed_gwei bigint not null,
  primary key (day, network, level, subject)
);

-- Payments under way of one caller.
create index settlements_caller on settlements (caller) where state in ('queued', 'submitted');
