-- What mails have to remember beside their state.

alter table mails add column rejected boolean not null default false;  -- SES took its last post and threw it away
