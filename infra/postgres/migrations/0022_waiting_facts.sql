-- The list of the facts that wait for a conversation, the latest first. They are few.

create index entries_without_conversation on entries (at desc, input_id desc) where conversation_id is null;
