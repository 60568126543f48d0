-- PostgreSQL fires a trigger of a statement also if the statement changes no row, and one of an update also for an
-- insert that might have become an update. So workers that looked for something to do woke each other, without an end.
drop trigger hint_of_send on meta_uploads;
create trigger hint_of_send after update of meta_id on meta_uploads
  for each row when (new.meta_id is not null) execute function hint_of_send();

drop trigger hint_of_change on media;
create trigger hint_of_change after update on media
  for each row when (old.state is distinct from new.state) execute function hint_of_change();

create function hint_of_changed_rows() returns trigger language plpgsql as $$
begin
  if exists (select from changed) then
    notify witiop_changed;
  end if;
  return null;
end
$$;
drop trigger hint_of_change on mails;
create trigger hint_of_insert after insert on mails referencing new table as changed
  for each statement execute function hint_of_changed_rows();
create trigger hint_of_update after update on mails referencing new table as changed
  for each statement execute function hint_of_changed_rows();
drop trigger hint_of_change on sends;
create trigger hint_of_insert after insert on sends referencing new table as changed
  for each statement execute function hint_of_changed_rows();
create trigger hint_of_update after update on sends referencing new table as changed
  for each statement execute function hint_of_changed_rows();
drop trigger hint_of_change on wishes;
create trigger hint_of_insert after insert on wishes referencing new table as changed
  for each statement execute function hint_of_changed_rows();
create trigger hint_of_update after update on wishes referencing new table as changed
  for each statement execute function hint_of_changed_rows();
