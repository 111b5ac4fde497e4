-- Who verified a metered authorization first. Read only to refuse another caller; a payment that is not here is refused by nothing.
create table claims (
  payment_key text primary key,
  caller text not null,
  -- in the chain's normal form
  payer text not null,
  created_at bigint not null,
  expires_at bigint not null
);
create index claims_caller on claims (caller, payer, expires_at);
create index claims_expiry on claims (expires_at);
