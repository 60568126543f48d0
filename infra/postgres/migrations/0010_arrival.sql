-- Facts of the same second stay in the order in which they arrived.

alter table entries add column arrival bigint not null default 0;
comment on column entries.arrival is
  'milliseconds since 1970 when the webhook received it, times 16384, plus its place in the body; 0: not known';
