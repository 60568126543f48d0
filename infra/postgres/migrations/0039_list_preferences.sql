-- What a person last chose for the console's list: its status, and whether a transfer opens the next conversation.

alter table sign_ins
  add column list_status text not null default 'active' check (list_status in ('active', 'closed', 'all')),
  add column moves_on boolean not null default false;
