"""Who is measured: the real Django OAuth Toolkit, the SQL of a DBA, and oauthctl in its ways of working.

All get the same instant and the same lifetimes, so all must leave the same rows.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, NamedTuple

HERE = Path(__file__).parent
NOW = "2026-01-01T00:00:00+00:00"
LIFETIME = 14 * 86_400
GRACE = 10 * 86_400


class Contender(NamedTuple):
    """Whom to run, in which environment, and what a superuser does in the database before."""

    command: list
    environment: dict
    prepare: Callable | None = None


def literals(text, **values):
    """Puts SQL literals in the place of $names$."""
    for name, value in values.items():
        text = text.replace(f"${name}$", str(value))
    return text


def instants(text):
    """The three instants of a cleanup."""
    now = f"timestamptz '{NOW}'"
    ago = lambda seconds: f"({now} - interval '{seconds} seconds')"  # noqa: E731
    return literals(text, now=now, grace=ago(GRACE), lifetime=ago(LIFETIME))


def seed(sessions, dead):
    """The statements that fill an empty DOT 3.4.1 schema."""
    text = instants((HERE / "sql/seed.sql").read_text(encoding="utf-8"))
    return literals(text, sessions=sessions, dead=dead, users=max(sessions // 50, 10))


def links():
    """The statements that make the tables of `benches/links`."""
    return (HERE / "sql/links.sql").read_text(encoding="utf-8")


def dot(with_links=False):
    """`manage.py cleartokens`, with the clock at the instant."""
    settings = {"REFRESH_TOKEN_EXPIRE_SECONDS": LIFETIME, "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": GRACE}
    environment = {"OAUTH2_PROVIDER": json.dumps(settings), "OAUTHCTL_NOW": NOW}
    if with_links:
        environment |= {"OAUTHCTL_APPS": '["links"]', "PYTHONPATH": str(HERE)}
    manage = HERE.parent / "tests/conformance/manage.py"
    return Contender([sys.executable, str(manage), "cleartokens"], environment)


def best_sql(cluster):
    """One transaction, by psql."""
    settings = "SET jit = off; SET work_mem = '256MB'; SET max_parallel_workers_per_gather = 0;"
    text = instants((HERE / "sql/best.sql").read_text(encoding="utf-8"))
    psql = os.path.join(cluster.bin, "psql")
    return Contender([psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", settings, "-c", "", *each(text)], {})


def each(text):
    """A -c for each statement: psql would make one transaction of several."""
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return [part for sql in "\n".join(lines).split(";") if sql.strip() for part in ("-c", sql)]


def oauthctl(program, *flags):
    """`oauthctl cleartokens`, without a file."""
    command = [program, "cleartokens", "--refresh-token-expire", str(LIFETIME)]
    command += ["--refresh-token-grace-period", str(GRACE), "--as-of", NOW.replace("+00:00", "Z"), *flags]
    return Contender(command, {"NO_COLOR": "1"})


def definer(cluster, program, *flags):
    """The same by a role without privileges but those of `migrate --definer`."""

    def prepare(database):
        env = {**os.environ, **cluster.environment(database)}
        role = "DO $$ BEGIN CREATE ROLE cleaner LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        with cluster.connect(database) as connection:
            connection.execute(role)
            connection.execute("GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO cleaner")
        # The functions delete by the lifetimes of the file that they are printed for, and by no shorter ones.
        lifetimes = f'refresh_token_expire = "{LIFETIME}s"\nrefresh_token_grace_period = "{GRACE}s"\n'
        with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8") as policy:
            policy.write(f"[cleanup]\n{lifetimes}")
            policy.flush()
            command = [program, "-f", policy.name, "migrate", "--definer", "--for", "cleaner"]
            sql = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout
        psql = os.path.join(cluster.bin, "psql")
        subprocess.run([psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"], env=env, check=True, input=sql)

    command, environment, _ = oauthctl(program, "--fk-checks", "auto", "--allow", "fk-checks=set", *flags)
    return Contender(command, {**environment, "PGUSER": "cleaner"}, prepare)
