-- Records that name a conversation which another partition may still bring. They wait here while the position moves on.

create table early_records (
  topic text not null,
  partition integer not null,
  "offset" bigint not null,
  received_at timestamptz not null,
  raw bytea not null,
  conversation_id uuid not null,
  primary key (topic, partition, "offset", received_at)  -- a topic that was created again counts from 0
);
create index early_records_oldest on early_records (received_at);
