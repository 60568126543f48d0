-- An open conversation shows the status of each message, so a changed status is also a hint.

create trigger hint_of_change after insert or update on message_status
  for each statement execute function hint_of_change();
