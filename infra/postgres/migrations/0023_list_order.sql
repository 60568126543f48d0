-- The order of the console's list that a person chose last.

alter table sign_ins add column list_order text not null default 'urgent' check (list_order in ('urgent', 'newest'));
