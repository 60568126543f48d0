-- Setting an installation up (docs/design/set-up.md): what was last seen of the things outside.
create table sightings (
  kind text not null,
  name text not null,              -- of a number or a webhook field; '' if there is only one of its kind
  at timestamptz not null,
  primary key (kind, name)
);

-- Which apps get an account's webhooks, as Meta was last asked, and how far Meta's clock was ahead of ours.
alter table graph_accounts add column apps text[];
alter table graph_accounts add column clock_ahead double precision;
