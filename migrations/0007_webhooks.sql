-- Messages to receivers of webhooks, one row per message and receiver. Written in the transaction of what they tell. Times are unix
-- milliseconds.

create table webhooks (
  id text primary key,
  -- `webhook-id`: the same for every receiver and every attempt
  message_id text not null,
  -- the beginning of the digest of the receiver's URL
  endpoint text not null,
  event text not null,
  settlement_id text,
  -- as it is sent, byte for byte
  body text not null,
  -- waiting, delivered, or dead
  state text not null,
  attempts bigint not null,
  -- not sent before this
  due_at bigint not null,
  -- somebody is sending it until this
  leased_until bigint not null,
  -- what the last attempt met
  problem text,
  created_at bigint not null,
  updated_at bigint not null
);
create index webhooks_due on webhooks (endpoint, due_at) where state = 'waiting';
create index webhooks_ended on webhooks (updated_at) where state <> 'waiting';
create index webhooks_settlement on webhooks (settlement_id);
