-- In which language letters about a number's conversations are written, as in BCP 47.

alter table numbers add column language text not null default 'en';
