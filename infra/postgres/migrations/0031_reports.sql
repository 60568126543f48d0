-- What Meta's webhooks report about customers, templates, numbers and accounts. Of each thing the latest is kept, by
-- Meta's time; it counts until a later synchronisation.

create table marketing_preferences (
  phone_number_id text not null,
  kind "char" not null,            -- as in identities
  value text not null,
  wants boolean not null,          -- whether the customer wants marketing messages
  at timestamptz not null,
  input_id uuid not null,
  primary key (phone_number_id, kind, value)
);

create table meta_reports (
  account_id text not null,
  kind text not null,              -- template, number, account
  name text not null,              -- the template's name, the number's phone in digits, or empty
  language text not null,          -- the template's, or empty
  aspect text not null,            -- status, quality, category, throughput, people_per_day, restriction
  value text not null,
  at timestamptz not null,
  input_id uuid not null,
  primary key (account_id, kind, name, language, aspect)
);

-- Meta's webhooks name a number by its phone.
alter table graph_numbers add column phone text generated always as (regexp_replace(display, '\D', '', 'g')) stored;

-- Whether it is a template of the category marketing, which is not sent to customers who want none.
alter table sends add column is_marketing boolean not null default false;
