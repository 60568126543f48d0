-- Additions to mails, agents' presence and commands.

alter table mails add column rejected boolean not null default false;  -- SES rejected it after accepting it

alter table agent_presence add column ready_since timestamptz;  -- `at` is the last report: desktops repeat their state
update agent_presence set ready_since = at where state = 'ready';

alter table commands add column recalled_by text;  -- issuer of a recall that arrived before the command; null after it
