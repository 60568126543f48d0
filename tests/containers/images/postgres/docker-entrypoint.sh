#!/bin/bash
# What the published image does with its variables: POSTGRES_USER, POSTGRES_DB, POSTGRES_PASSWORD, each also as ..._FILE,
# POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, PGDATA, and files in /docker-entrypoint-initdb.d.
set -euo pipefail

value() { # of a variable, of the file that VARIABLE_FILE names, or the default
  local file="$1_FILE"
  if [ -n "${!file-}" ]; then cat "${!file}"; else printf '%s' "${!1-${2-}}"; fi
}

create() {
  local password user database
  password=$(value POSTGRES_PASSWORD)
  user=$(value POSTGRES_USER postgres)
  database=$(value POSTGRES_DB "$user")
  if [ -z "$password" ] && [ "${POSTGRES_HOST_AUTH_METHOD-}" != trust ]; then
    echo "the database has no password: set POSTGRES_PASSWORD" >&2
    exit 1
  fi
  eval "initdb --username=\"\$user\" --pwfile=<(printf '%s\n' \"\$password\") ${POSTGRES_INITDB_ARGS-}"
  printf "listen_addresses = '*'\nunix_socket_directories = '/var/run/postgresql, /tmp'\n" >> "$PGDATA/postgresql.conf"
  echo "host all all all ${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >> "$PGDATA/pg_hba.conf"
  pg_ctl --wait --options="-c listen_addresses='' $*" start # until everything is there, on its socket only
  [ "$database" = postgres ] || createdb --username="$user" --maintenance-db=postgres "$database"
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sh) . "$file" ;;
      *.sql) psql --no-psqlrc --set=ON_ERROR_STOP=1 --username="$user" --dbname="$database" --file="$file" ;;
    esac
  done
  pg_ctl --wait --mode=fast stop
}

[ "${1:0:1}" != - ] || set -- postgres "$@"
if [ "$1" = postgres ]; then
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA"
  if [ "$(id -u)" = 0 ]; then
    chown -R postgres: "$PGDATA" /var/run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
  fi
  [ -s "$PGDATA/PG_VERSION" ] || create "${@:2}"
fi
exec "$@"
