-- The result of a command is a change that the console is notified of, also if the command was rejected and changed nothing else.

create trigger hint_of_change after insert on command_audit
  for each statement execute function hint_of_change();

create index console_audit_requests on console_audit (name, at) where event = 'asked';
