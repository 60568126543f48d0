-- Each sign-in attempt deletes some of the counts whose time is over, the oldest first.

create index sign_in_tries_old on sign_in_tries (began_at);
