-- What agents choose from on their page: texts that a slash inserts, reasons of a pause, and outcomes.

-- `owner`: the user, the skillset or the phone number id; of `all` it is empty.
create table quick_replies (
  id uuid primary key,
  scope text not null check (scope in ('user', 'skillset', 'number', 'all')),
  owner text not null,
  shortcut text not null,          -- without the slash
  text text not null,
  unique (scope, owner, shortcut)
);

create table pause_reasons (
  reason text primary key,         -- as the fact says it
  position integer generated always as identity
);
insert into pause_reasons (reason) values ('break'), ('meeting'), ('training'), ('other work');

-- `skillset`: whose members may choose it; empty: everybody.
create table outcomes (
  skillset text not null,
  outcome text not null,           -- as the fact says it
  position integer generated always as identity,
  primary key (skillset, outcome)
);
insert into outcomes (skillset, outcome)
values ('', 'solved'), ('', 'no answer'), ('', 'elsewhere'), ('', 'not for us');
