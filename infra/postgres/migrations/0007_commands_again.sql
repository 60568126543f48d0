-- What mails, agents and commands have to remember besides.

alter table mails add column rejected boolean not null default false;  -- SES took its last post and threw it away

alter table agent_presence add column ready_since timestamptz;  -- a desk repeats its state: `at` is when it last did
update agent_presence set ready_since = at where state = 'ready';

alter table commands add column recalled_by text;  -- who recalled its mail before the command itself came; then null
