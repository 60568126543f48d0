-- Conversations and mails that a worker could not process and leaves alone for some minutes; read by witiop doctor.

create table parked (
  worker text not null,
  item uuid not null,
  reason text not null,
  since timestamptz not null,
  until timestamptz not null,
  primary key (worker, item)
);
