-- What a number says by itself: language -> greeting, wrong_choice, out_of_hours -> text.

alter table numbers add column texts json not null default '{}';
