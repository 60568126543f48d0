# The image runs this once, after it has made the database: from the next start on, every commit waits for the standby.
# These settings cannot be arguments of initdb, which commits as well and would wait for ever. They are in the file of the
# database, and so in the standby's copy of it, and `alter system` overrules them (docs/runbook.md, The standby is away).
cat >> "$PGDATA/postgresql.conf" << 'END'
synchronous_standby_names = '*'
wal_keep_size = 1GB
wal_sender_timeout = 10s
wal_receiver_timeout = 10s
END
