-- When work that one replica does for all was last begun. Claiming it is moving its time.
create table jobs (
  name text primary key,
  ran_at bigint not null
);

-- Where the ledger and the chain disagree, as the last comparison found it.
create table differences (
  network text not null,
  kind text not null,
  -- a settlement's or transaction's id, or a signer
  subject text not null,
  detail text not null,
  found_at bigint not null,
  seen_at bigint not null,
  primary key (network, kind, subject)
);
