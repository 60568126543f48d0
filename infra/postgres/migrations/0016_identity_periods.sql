-- Identities end: who has a phone or user id after Meta reported that its customer left it, or came to it. The table
-- identities holds the first period of each.

create table identity_periods (
  phone_number_id text not null,
  kind "char" not null,
  value text not null,
  since timestamptz not null,      -- time, arrival and id of the report: the period lasts until the next one begins
  arrival bigint not null,
  report uuid not null,
  customer_id uuid not null,
  at timestamptz not null,
  user_id text,
  left_for text,                   -- the phone or user id for which the previous customer left; null: somebody came to it
  primary key (phone_number_id, kind, value, since, arrival, report)
);
create index identity_periods_of on identity_periods (customer_id);
create index identity_periods_report on identity_periods (report);
