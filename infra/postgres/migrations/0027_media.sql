-- Files: those of customers, which are fetched while Meta keeps them, and Meta's ids of those that are to be sent.

create table media (
  message_id uuid primary key,     -- the fact of the message that has the file
  phone_number_id text not null,
  meta_id text not null,
  kind text not null,
  mime_type text,                  -- as Meta says it, like the next two
  file_name text,
  announced_sha256 text,
  expires_at timestamptz not null, -- Meta keeps the file until then
  state text not null default 'waiting',  -- waiting, stored, failed
  attempts integer not null default 0,
  next_at timestamptz not null default now(),
  reason text,                     -- why it was not fetched
  sha256 text,                     -- key of its bytes in the store of media
  size bigint,
  shown_type text,                 -- what its bytes prove, if browsers may show it
  has_thumbnail boolean not null default false,
  settled_at timestamptz
);
create index media_due on media (next_at, message_id) where state = 'waiting';
create index media_failed on media (settled_at desc) where state = 'failed';
create trigger hint_of_change after update of state on media for each statement execute function hint_of_change();

-- The `media` process waits for this hint, which has no data.
create function hint_of_media() returns trigger language plpgsql as $$
begin
  notify witiop_media;
  return null;
end
$$;
create trigger hint_of_media after insert on media for each statement execute function hint_of_media();

-- Under which id Meta has an uploaded file, by number: an id of one number is no use to another.
create table meta_uploads (
  upload_id uuid,
  phone_number_id text,
  attempts integer not null,
  next_at timestamptz not null,
  reason text,
  meta_id text,
  expires_at timestamptz,          -- null: Meta does not have it yet
  primary key (upload_id, phone_number_id)
);
create trigger hint_of_send after update of meta_id on meta_uploads
  for each statement execute function hint_of_send();

-- The file that a send needs at Meta before it can be posted.
alter table sends add column upload_id uuid;
update sends set upload_id = (content -> kind ->> 'upload')::uuid
where kind in ('image', 'video', 'audio', 'document', 'sticker') and content -> kind ? 'upload';
create index sends_needing_upload on sends (upload_id, phone_number_id) where state = 'queued' and upload_id is not null;
