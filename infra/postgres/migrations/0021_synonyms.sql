-- Other words for the choices of a number's menu.

alter table numbers add column synonyms json not null default '{}';
