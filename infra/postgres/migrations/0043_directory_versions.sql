-- The directory as versions: each change is kept as a whole, with its author.

create table directory_versions (
  version bigint primary key,
  at timestamptz,                  -- null: from before versions were kept
  author text,                     -- a sign-in of the console, or an operating system's user; null: as above
  note text not null default '',
  changes json not null,           -- the first changes: [[added|changed|removed, kind, id], ...]
  changed integer not null,        -- how many there were
  text text not null,              -- the whole directory as a directory file
  draft_id uuid                    -- the draft that it was made from
);
create unique index directory_versions_draft on directory_versions (draft_id) where draft_id is not null;
create trigger hint_of_change after insert on directory_versions
  for each statement execute function hint_of_change();

-- Changes that somebody prepares in the console. A draft never changes: another look at it is another draft.
create table directory_drafts (
  id uuid primary key,
  author text not null,
  at timestamptz not null default now(),
  base bigint not null,            -- the version that it began with
  note text not null default '',
  text text not null               -- the whole directory as it is to be
);
create index directory_drafts_old on directory_drafts (at);
