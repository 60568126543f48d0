-- Indexes for the lists of active conversations that are not unmanaged: waiting, offered to an agent, managed.

create index conversations_desk on conversations (owner_state, last_at desc, id desc)
  where status = 'a' and owner_state in ('q', 'r', 'a');
create index conversations_managed on conversations (last_at desc, id desc) where status = 'a' and managed;
create index conversations_managed_number on conversations (phone_number_id, last_at desc, id desc)
  where status = 'a' and managed;
