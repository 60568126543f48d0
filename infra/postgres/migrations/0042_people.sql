-- People of the console: levels of their own, second factors, sign-ins by OpenID Connect, and the page of the audit log.

alter table sign_ins
  add column level text check (level in ('tenant_administrator', 'read_only', 'campaign_manager', 'supervisor', 'agent')),
  add column skillsets text[],                            -- those of a supervisor; null, like level: as in the directory
  add column disabled_at timestamptz,
  add column must_change boolean not null default false,  -- the password is an administrator's, for one sign-in
  add column signed_in_at timestamptz,                    -- the latest sign-in
  add column provider boolean not null default false,     -- signs in at the OpenID provider, which gives the level
  add column subject text,                                -- the provider's address and its id of the person
  alter column password drop not null;                    -- who signs in at the provider has none
update sign_ins set level = 'tenant_administrator' where administrator;
alter table sign_ins drop column administrator;
alter table sign_ins add column administrator boolean not null  -- for readers of before
  generated always as (coalesce(level = 'tenant_administrator', false)) stored;
create unique index sign_ins_subject on sign_ins (subject) where subject is not null;

alter table console_sessions
  add column awaits_code boolean not null default false,  -- the password was right, the second factor is missing
  add column id_token text;                               -- of the provider, which is told when the session ends

create table second_factors (
  name text primary key,
  secret text not null,                                   -- base32, for RFC 6238
  confirmed_at timestamptz,                               -- null: no code of it was entered yet, so it counts for nothing
  last_step bigint not null default 0,                    -- the step of the latest code, which counts once
  made_at timestamptz not null default now()
);

create table recovery_codes (
  name text not null,
  hash bytea not null,                                    -- SHA-256 of a code that was drawn at random; deleted by its use
  primary key (name, hash)
);

create index console_audit_at on console_audit (at desc, id desc);
create index console_audit_name on console_audit (name, event, at desc, id desc);
create index console_audit_event on console_audit (event, at desc, id desc);
create index console_audit_of on console_audit (conversation_id, at desc, id desc) where conversation_id is not null;
create index command_audit_at on command_audit (received_at desc, partition desc, "offset" desc);
create index command_audit_issuer on command_audit (issuer, received_at desc, partition desc, "offset" desc);
