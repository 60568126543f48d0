-- Campaigns: one template to many customers, each at most once per wave (docs/design/campaigns.md).

-- A file with recipients arrives before a command names it.
create table campaign_files (
  id uuid primary key,
  name text not null,
  size bigint not null,
  sha256 text not null,
  actor text not null,
  at timestamptz not null default clock_timestamp(),
  state text not null,             -- arriving, waiting, read, refused; imported: a campaign has its rows; deleted
  problem text,                    -- why it was refused: a code (docs/design/campaigns.md, Files)
  detail text,                     -- what was found in its place
  headings jsonb,                  -- what was read of it: headings, columns, the first rows
  rows integer                     -- below the headings
);
create index campaign_files_waiting on campaign_files (at, id) where state = 'waiting';
create index campaign_files_unused on campaign_files (at, id) where state <> 'deleted';
create table campaign_file_chunks (
  file_id uuid not null,
  number integer not null,
  content bytea not null,
  primary key (file_id, number)
);

create table campaigns (
  id uuid primary key,             -- derived from its command, so a repeat is the same row
  name text not null,
  phone_number_id text not null,
  account_id text not null,
  source jsonb not null,           -- the command's: a file with its mapping, or a filter of customers
  into_active boolean not null,    -- also to customers in an active conversation
  terms jsonb not null,            -- the command's: canary, quiet hours, cap, zone
  answers_to jsonb,                -- who gets the answers
  state text not null,
  reason text,                     -- why it is paused, missed or cancelled: a code
  detail text,
  changed_by text not null,        -- who brought it into this state: a person, or campaigns
  version integer not null default 0,
  wave smallint not null default 1,
  start_at timestamptz,
  in_own_time boolean not null default false,  -- start_at is a time of day in each recipient's own zone
  started_by text,                 -- who asked for the start
  actor text not null,
  created_at timestamptz not null,
  started_at timestamptz,
  ended_at timestamptz,            -- nothing is left to be posted
  work jsonb,                      -- how far import, plan, wave or cancellation has come
  zones jsonb,                     -- zone -> recipients, counted by the plan
  countries jsonb,                 -- variant -> country -> recipients, counted by the plan
  canary_until timestamptz,        -- when the outcome of the first messages is judged
  canary_passed boolean not null default false,
  watch jsonb,                     -- what was seen and said of it so far
  tolerated jsonb                  -- reason -> detail: what it is not paused for again
);
create index campaigns_page on campaigns (created_at desc, id desc);
create index campaigns_answered on campaigns (ended_at desc nulls first);
create index campaigns_at_work on campaigns (id) where state not in ('finished', 'ready');
create trigger hint_of_insert after insert on campaigns referencing new table as changed
  for each statement execute function hint_of_changed_rows();
create trigger hint_of_update after update on campaigns referencing new table as changed
  for each statement execute function hint_of_changed_rows();

-- The templates of a campaign as they were when it was created: what is sent is what was shown. Several are compared.
create table campaign_templates (
  campaign_id uuid not null,
  variant smallint not null,
  name text not null,
  language text not null,
  category text not null,
  parameter_format text not null,
  components jsonb not null,
  fingerprint text not null,
  delivered_within interval not null,
  primary key (campaign_id, variant)
);

-- Every row of the file, also those that nothing is sent to.
create table recipients (
  campaign_id uuid not null,
  row_no integer not null,         -- as a spreadsheet program numbers it
  phone_number_id text not null,
  address text,                    -- the phone in digits, or the user id; null: not readable
  address_kind text,               -- phone, user_id
  address_key text,                -- the same for national variants of a phone
  person text,                     -- the customer, or the address; given by the plan to the first row of each
  name text,
  language text,
  parameters jsonb,                -- variable -> value, frozen
  cells jsonb,                     -- the whole row as the file has it, if something is wrong with it
  repeats integer,                 -- the row that it repeats
  zone text,
  state text not null,
  reason text,
  wave smallint not null default 1,
  variant smallint not null default 0,
  attempt smallint not null default 0,  -- sends so far, in all waves
  due_at timestamptz not null default 'epoch',
  accepted_at timestamptz,         -- when Meta was last asked, of those that it accepted
  send_id uuid,                    -- the last one
  answered_at timestamptz,
  primary key (campaign_id, row_no)
) with (fillfactor = 80);
create unique index recipients_person on recipients (campaign_id, person) where person is not null;
create index recipients_to_do on recipients (campaign_id, zone, due_at, row_no) where state in ('planned', 'deferred');
create index recipients_bad on recipients (campaign_id, row_no) where cells is not null or repeats is not null;
create index recipients_listed on recipients (campaign_id, state, reason, row_no);
create index recipients_asked on recipients (phone_number_id, address_key, accepted_at)
  where state in ('claimed', 'accepted', 'sent', 'delivered', 'read', 'unknown', 'assumed_sent');
create index recipients_of_wave on recipients (campaign_id, wave, state, reason, row_no) where wave > 1;
create index recipients_to_retry on recipients (campaign_id, due_at) include (reason) where state = 'failed' and due_at > 'epoch';

-- What is wrong with rows. A row may have several problems; its reason is the first.
create table import_problems (
  campaign_id uuid not null,
  row_no integer not null,
  place smallint not null,         -- of the column, from 0
  problem text not null,
  value text not null,
  primary key (campaign_id, row_no, place, problem)
);

-- How many rows are in which state: a page never counts them. The last write of a transaction, sorted by key.
create table campaign_counts (
  campaign_id uuid not null,
  wave smallint not null,
  variant smallint not null,
  state text not null,
  reason text not null,            -- empty: none
  n bigint not null,
  primary key (campaign_id, wave, variant, state, reason)
);

-- What recipients answered, and what became of the conversation.
create table campaign_answers (
  campaign_id uuid not null,
  row_no integer not null,
  wave smallint not null,
  variant smallint not null,
  conversation_id uuid not null,
  at timestamptz not null,
  proof text not null,             -- button, quote, likely
  outcome text not null,           -- waiting, unmanaged, human, resolved
  primary key (campaign_id, row_no)
);
create index campaign_answers_of on campaign_answers (conversation_id);
create index campaign_answers_listed on campaign_answers (campaign_id, outcome, row_no);
create table campaign_answer_counts (
  campaign_id uuid not null,
  wave smallint not null,
  variant smallint not null,
  outcome text not null,
  n bigint not null,
  primary key (campaign_id, wave, variant, outcome)
);

-- What Meta charges, from its statuses.
create table campaign_charges (
  campaign_id uuid not null,
  country text not null,           -- ISO 3166 of the phone, empty: unknown
  category text not null,
  billable boolean not null,
  n bigint not null,
  primary key (campaign_id, country, category, billable)
);

-- What Meta charges for a message, from a day on. Imported by an administrator.
create table prices (
  country text not null,           -- ISO 3166, or *: all others
  category text not null,
  currency text not null,
  price numeric not null,
  valid_from date not null,
  primary key (country, category, currency, valid_from)
);

-- Everything that happened to a campaign. Only added to.
create table campaign_log (
  campaign_id uuid not null,
  number integer generated always as identity,
  at timestamptz not null,
  event text not null,
  actor text not null,
  reason text,
  detail text,
  primary key (campaign_id, number)
);

-- Test messages of a campaign, to people of the company.
create table campaign_tests (
  campaign_id uuid not null,
  send_id uuid not null,
  primary key (campaign_id, send_id)
);

-- Customers who want no messages that they did not ask for: of each of their ids, source and scope, the latest opt-out
-- and the latest end, so that the order in which these become known does not matter.
create table opt_outs (
  phone_number_id text not null,   -- empty: all numbers
  kind "char" not null,            -- as in identities
  value text not null,
  source text not null,            -- meta, keyword, admin, import
  scope text not null,             -- marketing, or all templates
  address text not null,           -- the phone or user id as it was written
  at timestamptz,                  -- when the customer opted out; null: only an end is known
  input_id uuid,                   -- what told us
  actor text,
  evidence text,                   -- the wamid of the customer's word, or what a person wrote
  ended_at timestamptz,
  ended_id uuid,
  ended_by text,
  ended_evidence text,
  in_force boolean not null generated always as (
    coalesce((at, input_id) > (ended_at, ended_id), at is not null)
  ) stored,
  id uuid not null generated always as (
    md5(phone_number_id || ' ' || kind::text || ' ' || value || ' ' || source || ' ' || scope)::uuid
  ) stored,
  primary key (phone_number_id, kind, value, source, scope)
);
create index opt_outs_page on opt_outs (at desc, id desc) where at is not null;
create index opt_outs_of_number on opt_outs (phone_number_id, at desc, id desc) where at is not null;
create index opt_outs_of_source on opt_outs (source, at desc, id desc) where at is not null;
create index opt_outs_of_address on opt_outs (value);
create unique index opt_outs_id on opt_outs (id);
alter table numbers add column stop_words text[] not null default '{}';  -- further words by which customers opt out
alter table numbers add column start_words text[] not null default '{}'; -- and in again
insert into opt_outs (phone_number_id, kind, value, source, scope, address, at, input_id, actor, ended_at, ended_id,
  ended_by)
select phone_number_id, kind, value, 'meta', 'marketing', value, case when not wants then at end,
  case when not wants then input_id end, case when not wants then 'meta' end, case when wants then at end,
  case when wants then input_id end, case when wants then 'meta' end
from marketing_preferences;
drop table marketing_preferences;

alter table sends add column campaign_id uuid;
alter table sends add column row_no integer;
create index sends_single_templates on sends (requested_at desc, id desc) where kind = 'template' and campaign_id is null;
create index sends_of_campaign on sends (campaign_id) where state in ('queued', 'held_after_restore') and campaign_id is not null;
