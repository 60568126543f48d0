-- A report of presence whose time lay after its arrival does not outlive the next report.

alter table agent_presence add column ordered_at timestamptz;
comment on column agent_presence.ordered_at is
  'what the time of the next report must exceed: that of the last one by a clock that was not ahead; null: at';
