-- What a position is the position of, so that a log that is another one than the one that was read is recognised.

alter table consumer_offsets
  add column last_at timestamptz,               -- time and hash of the record before next_offset
  add column last_hash bytea,
  add column breaks bigint not null default 0,  -- how often the log was cut back, restored or made again
  add column restored_until bigint;             -- records before it were processed before the database was restored

create table consumer_trail (                   -- one earlier record in a thousand
  group_name text not null,
  topic text not null,
  partition integer not null,
  "offset" bigint not null,
  at timestamptz not null,
  hash bytea not null,
  primary key (group_name, topic, partition, "offset")
);
