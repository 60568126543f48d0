-- Whether colleagues' notes about the conversation are in a mail.
alter table mails add column with_notes boolean not null default false;
