-- What becomes of a message is shown beside it: whoever has the conversation open looks again.

create trigger hint_of_change after insert or update on message_status
  for each statement execute function hint_of_change();
