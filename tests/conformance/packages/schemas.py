"""The schema of a package: the tables of DOT's models, of users, and of whatever refers to DOT's rows. It is kept in
tests/data/schema/packages, where the tests load it that run without Python."""

import os
import re
import subprocess

import environments

KEPT = environments.ROOT / "tests/data/schema/packages"

REFERRING = """
    WITH base AS (SELECT to_regclass(quote_ident(name)) AS oid FROM unnest(%s::text[]) AS name)
    SELECT DISTINCT c.relname FROM pg_class c
    WHERE c.oid IN (SELECT oid FROM base)
       OR c.oid IN (SELECT conrelid FROM pg_constraint JOIN base ON confrelid = base.oid WHERE contype = 'f')
       OR c.relname = 'django_migrations'
    ORDER BY 1
"""


TARGETS = """
    SELECT DISTINCT t.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_constraint c
    JOIN pg_class o ON o.oid = c.conrelid JOIN pg_class t ON t.oid = c.confrelid
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = ANY (c.confkey)
    WHERE c.contype = 'f' AND o.relname = ANY (%s) AND t.relname <> ALL (%s) ORDER BY 1, 2
"""


def dump(world):
    """The statements, without owners, comments and settings. Of other tables to which they refer: the column that is meant."""
    found = world.ask(world.name, "tables")
    with world.cluster.connect(world.name) as connection:
        tables = [row[0] for row in connection.execute(REFERRING, [[*found["swappable"].values()]])]
        tables = sorted({*tables, found["user"]})
        others = connection.execute(TARGETS, [tables, tables]).fetchall()
    command = [os.path.join(world.cluster.bin, "pg_dump"), "--schema-only", "--no-owner", "--no-privileges", "--no-comments"]
    command += [f'--table=public."{table}"' for table in tables]
    environment = {**world.cluster.environment(world.name), "PATH": os.environ["PATH"]}
    text = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    lines = [line for line in text.splitlines() if line and not re.match(r"--|\\|SET |SELECT pg_catalog.set_config", line)]
    stubs = [f'CREATE TABLE public."{table}" ("{column}" {kind} PRIMARY KEY);' for table, column, kind in others]
    return "\n".join(stubs + lines) + "\n"


def compare(world, keep):
    """Whether the schema is the one that is kept; or keeps it."""
    file, text = KEPT / f"{world.name}.sql", dump(world)
    if keep:
        KEPT.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    good = file.exists() and file.read_text(encoding="utf-8") == text
    print(f"{world.name}: schema: {'the kept one' if good else 'NOT THE KEPT ONE: run with --keep-schemas, and read git diff'}")
    return good
