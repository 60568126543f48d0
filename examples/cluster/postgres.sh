#!/bin/sh
# Starts one of two PostgreSQL servers, one of which is the primary. PEER is the host of the other one; FIRST is "yes" for
# the one that makes the database. Who is promoted is decided by a person or by a tool, never here; but a server that was
# the primary and finds that its peer was promoted later becomes the standby of that one: its data is replaced by a copy.
# So is a server that lost its data: where the peer has a database, none is made.
set -eu
export PGPASSWORD="$POSTGRES_PASSWORD"
peer="host=$PEER user=$POSTGRES_USER connect_timeout=3"
trap 'exit 0' INT TERM # while it waits

is_there() {
    pg_isready --host="$PEER" --timeout=3 --quiet
    [ $? -le 1 ] # 1: it is starting
}

# The timeline of the peer, as eight hexadecimal digits, if it is a primary. Each promotion begins a new one.
peer_timeline() {
    psql "$peer dbname=$POSTGRES_DB" -At 2>/dev/null -c \
        'select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) where not pg_is_in_recovery()' || true
}

own_timeline() {
    latest=00000001
    for file in "$PGDATA"/pg_wal/*.history; do
        [ ! -e "$file" ] || latest=$(basename "$file" .history)
    done
    echo "$latest"
}

was_promoted_later() {
    [ $((0x0$(peer_timeline))) -gt $((0x$(own_timeline))) ]
}

copy() {
    rm -rf "$PGDATA.unfinished"
    mkdir -p "$PGDATA.unfinished"
    pg_basebackup --dbname="$peer" --pgdata="$PGDATA.unfinished" --write-recovery-conf --wal-method=stream --checkpoint=fast
    chmod 700 "$PGDATA.unfinished"
    rm -rf "$PGDATA"
    mv "$PGDATA.unfinished" "$PGDATA"
}

if [ -s "$PGDATA/PG_VERSION" ]; then
    if [ ! -e "$PGDATA/standby.signal" ] && was_promoted_later; then
        copy
    fi
elif [ "$FIRST" != yes ] || is_there; then
    until [ -n "$(peer_timeline)" ]; do sleep 1; done
    copy
fi
trap - INT TERM
exec docker-entrypoint.sh postgres -c hba_file=/etc/witiop/pg_hba.conf
