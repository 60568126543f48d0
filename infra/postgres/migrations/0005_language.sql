-- The language of the mails about a number's conversations, as a BCP 47 tag.

alter table numbers add column language text not null default 'en';
