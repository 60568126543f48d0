-- The template that the customer of a conversation answered is read with every page of it.

create index wishes_executed_in on wishes (executed_in) where executed_in is not null;
