-- An open page of the console is told the result of a command, also of one that was rejected and changed nothing.

create trigger hint_of_change after insert on command_audit
  for each statement execute function hint_of_change();

create index console_audit_requests on console_audit (name, at) where event = 'asked';
