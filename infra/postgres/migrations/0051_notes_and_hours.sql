-- Whether colleagues' notes about the conversation are in a mail.
alter table mails add column with_notes boolean not null default false;

-- For how long agents were ready or paused, by day. Their presence is looked at once a minute.
create table stat_agent_hours (
  day date not null,               -- at the place of most numbers
  agent_id text not null,
  ready_s integer not null,
  paused_s integer not null,
  primary key (day, agent_id)
);
-- One row: when presence was looked at last.
create table stat_presence_look (
  at timestamptz not null
);
insert into stat_presence_look values ('epoch');
