"""Runs a command on a database and says what it cost and what it left. Knows no contender."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

TABLES = [f"oauth2_provider_{name}" for name in ("refreshtoken", "accesstoken", "idtoken", "grant")]

# Those of benches/links, where they are.
LINKS = ["organizer_access_tokens", "organizer_id_tokens", "organizer_grants"]


@dataclass
class Cost:
    """One run: seconds, mebibytes, rows."""

    wall: float
    client_cpu: float
    client_memory: float
    wal: float
    deleted: int
    freed: float
    locked: float
    end_state: tuple


def fingerprint(connection):
    """Every column of every row that is left, whatever its order and place."""
    tables = []
    for table in there(connection):
        sql = f"SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM {table} t"
        connection.execute("SET max_parallel_workers_per_gather = 0; SET TimeZone = 'UTC'")
        tables.append(connection.execute(sql).fetchone())
    return tuple(tables)


def there(connection):
    """The tables that lose rows."""
    sql = "SELECT t FROM unnest(%s::text[]) t WHERE to_regclass('public.' || t) IS NOT NULL"
    return [name for (name,) in connection.execute(sql, [TABLES + LINKS]).fetchall()]


def rows(connection):
    """How many rows these tables have."""
    return sum(connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in there(connection))


def size(connection):
    """These tables with their indexes, in mebibytes."""
    sql = "SELECT sum(pg_total_relation_size(t::regclass)) FROM unnest(%s::text[]) t"
    return float(connection.execute(sql, [there(connection)]).fetchone()[0]) / 2**20


def peak_memory(pid):
    """The most that a process has had resident. What the kernel says at its end includes the parent before exec()."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as status:
            return max((int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")), default=0.0)
    except OSError:
        return 0.0


class LockedTime:
    """How long a table was locked against writers, in seconds, by looking a hundred times a second."""

    SQL = """SELECT count(*) > 0 FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
        WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND c.relname = ANY (%s)
            AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')"""

    def __init__(self, cluster, database):
        self.connection = cluster.connect(database)
        self.seconds, self.ended = 0.0, threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        """Until the end: the time since the last look counts, if there is a lock now."""
        last = time.monotonic()
        while not self.ended.wait(0.01):
            locked = self.connection.execute(self.SQL, [TABLES]).fetchone()[0]
            now = time.monotonic()
            self.seconds += now - last if locked else 0
            last = now

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.connection.close()


def run(cluster, database, command, environment=None):
    """Times the command as a whole process."""
    with cluster.connect(database) as connection, LockedTime(cluster, database) as locks:
        before, size_before = rows(connection), size(connection)
        start_of_wal = connection.execute("SELECT pg_current_wal_insert_lsn()").fetchone()[0]
        env = {**os.environ, **cluster.environment(database), **(environment or {})}
        with tempfile.TemporaryFile() as said:
            started = time.monotonic()
            process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=said)
            memory, pid = 0.0, 0
            while pid == 0:
                memory = max(memory, peak_memory(process.pid))
                time.sleep(0.01)
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            wall = time.monotonic() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                said.seek(0)
                text = said.read().decode(errors="replace")
                sys.exit(f"error: {' '.join(command)} ended with {process.returncode}:\n{text}")
        wal = connection.execute("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", [start_of_wal]).fetchone()[0]
        return Cost(
            wall=wall,
            client_cpu=usage.ru_utime + usage.ru_stime,
            client_memory=memory,
            wal=float(wal) / 2**20,
            deleted=before - rows(connection),
            freed=size_before - size(connection),
            locked=locks.seconds,
            end_state=fingerprint(connection),
        )
