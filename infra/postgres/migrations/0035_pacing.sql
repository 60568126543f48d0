-- What a number may send: less by what comes in, and templates to a limited number of people a day. And what became of
-- messages that Meta gave up without a word.

-- Messages a second that come in: a mean that fades within seconds. One row for each partition of the inbound topic.
create table inbound_rates (
  phone_number_id text not null,
  partition integer not null,
  rate double precision not null,
  at timestamptz not null,
  primary key (phone_number_id, partition)
);

alter table sends add column delivered_within interval not null default '30 days'; -- how long Meta tries to deliver it
alter table sends add column gives_up_at timestamptz;  -- when Meta does not try any more
alter table sends add column reaches_person boolean not null default false; -- a template outside the customer's window
update sends set gives_up_at = claimed_at + delivered_within where state in ('accepted', 'sent');
create index sends_undelivered on sends (gives_up_at) where state in ('accepted', 'sent');
create index sends_reaching on sends (claimed_at, recipient) where reaches_person;

alter table templates add column ttl_seconds integer;  -- as Meta reports it; null: as long as usual
