"""A throwaway PostgreSQL on a Unix socket, with the settings that every contender gets. Knows nothing of tokens."""

import contextlib
import glob
import os
import pwd
import re
import shutil
import subprocess
import tempfile

import psycopg

SETTINGS = {
    "listen_addresses": "''",
    "max_wal_size": "'8GB'",
    "max_connections": "100",
}


def programs():
    """Where initdb and postgres are: the newest version that is installed."""
    if named := os.environ.get("OAUTHCTL_PG_BINDIR"):
        return named
    installed = glob.glob("/usr/lib/postgresql/*/bin") + glob.glob("/opt/homebrew/opt/postgresql@*/bin")
    if installed:
        return max(installed, key=lambda path: [int(number) for number in re.findall(r"[0-9]+", path)])
    if found := shutil.which("initdb"):
        return os.path.dirname(found)
    raise SystemExit("error: no initdb; `sh tests/setup postgresql` installs it")


class Cluster:
    """Databases that are gone when the block is left."""

    def __init__(self, shared_buffers):
        self.settings = {**SETTINGS, "shared_buffers": f"'{shared_buffers}'"}
        self.bin = programs()
        self.dir = tempfile.mkdtemp(prefix="oauthctl-bench-")
        # initdb refuses root.
        self.user = pwd.getpwnam("postgres").pw_name if os.geteuid() == 0 else None

    def __enter__(self):
        if self.user:
            shutil.chown(self.dir, self.user)
        os.chmod(self.dir, 0o755)
        self.run("initdb", "-D", f"{self.dir}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
        with open(f"{self.dir}/data/postgresql.conf", "a", encoding="utf-8") as conf:
            conf.writelines(f"{name} = {value}\n" for name, value in self.settings.items())
            conf.write(f"unix_socket_directories = '{self.dir}'\n")
        self.run("pg_ctl", "-D", f"{self.dir}/data", "-l", f"{self.dir}/log", "-w", "start")
        return self

    def __exit__(self, *_):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.run("pg_ctl", "-D", f"{self.dir}/data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.dir, ignore_errors=True)

    def restart(self):
        """Forgets all pages, but for those that the operating system keeps; statistics stay."""
        self.run("pg_ctl", "-D", f"{self.dir}/data", "-l", f"{self.dir}/log", "-m", "fast", "-w", "restart")

    def run(self, program, *arguments):
        """Runs a program of PostgreSQL's as whoever may."""
        subprocess.run(
            [os.path.join(self.bin, program), *arguments],
            check=True, user=self.user, cwd=self.dir, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def environment(self, database):
        """What libpq, Django and oauthctl need to find a database."""
        return {"PGHOST": self.dir, "PGPORT": "5432", "PGUSER": "postgres", "PGDATABASE": database}

    def connect(self, database="postgres"):
        """A connection that commits every statement."""
        return psycopg.connect(host=self.dir, user="postgres", dbname=database, autocommit=True)

    def drop(self, database):
        """Gives its room back."""
        with self.connect() as server:
            server.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def copy(self, template, database):
        """Makes an identical copy with warm caches, and a checkpoint, so that all start alike."""
        self.drop(database)
        with self.connect() as server:
            strategy = " STRATEGY file_copy" if server.info.server_version >= 150000 else ""
            server.execute(f"CREATE DATABASE {database} TEMPLATE {template}{strategy}")
        with self.connect(database) as copy:
            copy.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
            copy.execute(
                "SELECT pg_prewarm(oid::regclass) FROM pg_class "
                "WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace"
            ).fetchall()
            copy.execute("CHECKPOINT")
