-- Rescue rules: what they say, which conversations they look at, and what they did (docs/design/rules.md).

alter table directory_version add column rules json not null default '[]';

-- Conversations on the list, as rules looked at them last. Rows of those that have left it are deleted.
create table rule_watch (
  conversation_id uuid primary key,
  version integer not null,
  entries integer not null,
  directory bigint not null,       -- version of the directory, whose rules were asked
  window_ends_at timestamptz not null,
  due_at timestamptz               -- when a rule may begin to fit; null: none will unless something changes
);
create index rule_watch_due on rule_watch (due_at) where due_at is not null;

-- Each action of a rule on a conversation: one row, however often its command was issued.
create table rule_acts (
  conversation_id uuid not null,
  rule_id text not null,
  action text not null,            -- mail, text, alarm, transfer, dismiss
  rule_name text not null,         -- as it was then
  phone_number_id text not null,
  state text not null,             -- asked, done, refused, again, unknown
  attempt smallint not null,
  mode text,                       -- of a transfer: immediate, exclusive
  version integer not null,        -- of the conversation that the rule saw
  command_id uuid,                 -- of the latest attempt; null: an alarm
  rejection text,
  detail jsonb,                    -- to whom: target, addresses, channel
  at timestamptz not null,         -- when the rule fitted
  asked_at timestamptz not null,   -- when the latest command was issued
  primary key (conversation_id, rule_id, action)
);
create index rule_acts_page on rule_acts (at desc, conversation_id);
create index rule_acts_of_rule on rule_acts (rule_id, at desc);
create index rule_acts_asked on rule_acts (asked_at) where state = 'asked';
create index rule_acts_lately on rule_acts (asked_at);
create trigger hint_of_insert after insert on rule_acts referencing new table as changed
  for each statement execute function hint_of_changed_rows();
create trigger hint_of_update after update on rule_acts referencing new table as changed
  for each statement execute function hint_of_changed_rows();

-- Rules that fitted together with one before them, which acted: they are not asked again while the conversation stays
-- on the list.
create table rule_passes (
  conversation_id uuid not null,
  rule_id text not null,
  stay integer not null,           -- the event with which the conversation came to the list
  primary key (conversation_id, rule_id, stay)
);

-- One row: whether all rules are stopped.
create table rule_switch (
  id boolean primary key default true check (id),
  stopped_at timestamptz,
  stopped_by text
);
insert into rule_switch default values;
