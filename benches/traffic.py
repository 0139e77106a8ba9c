"""Live traffic beside a cleaner: what do the users of the server notice?

pgbench plays the server at a fixed rate: look-ups, logins and refreshes with rotation, with the statements that DOT
sends. Latency counts from when a transaction was due, so that one that had to wait for its turn is not forgotten.
"""

import glob
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import contenders

SQL = Path(__file__).parent / "sql"
MIX = [("lookup", 80), ("login", 8), ("rotate", 12)]
WARM_UP = 5
QUIET = 30


def field(cluster, program):
    ours = lambda *flags: contenders.oauthctl(program, *flags)  # noqa: E731
    return {
        "nobody": None,
        "manage.py cleartokens": contenders.dot(),
        "best SQL, one transaction": contenders.best_sql(cluster),
        "oauthctl": ours(),
        "oauthctl --workers auto": ours("--workers", "auto"),
        "oauthctl --batch-size 1000": ours("--batch-size", "1000"),
        "oauthctl --batch-size 1000 --nice-ratio 1": ours("--batch-size", "1000", "--nice-ratio", "1"),
        "oauthctl --batch-size 1000 --nice-ratio 4": ours("--batch-size", "1000", "--nice-ratio", "4"),
        "oauthctl --batch-size 200 --nice-ratio 4": ours("--batch-size", "200", "--nice-ratio", "4"),
        "oauthctl --batch-size 100 --nice-ratio 9": ours("--batch-size", "100", "--nice-ratio", "9"),
    }


def report(cluster, template, given, say):
    print(f"{given.rate} transactions per second; milliseconds.\n")
    print("| beside | cleaner, s | transactions | p50 | p95 | p99 | slowest | failed |")
    print("|---|---|---|---|---|---|---|---|")
    for name, cleaner in field(cluster, given.oauthctl).items():
        if given.only and not any(part in name for part in given.only):
            continue
        cluster.copy(template, "run")
        say(f"traffic beside {name}")
        seconds, latencies, failed = beside(cluster, cleaner, given.rate)
        at = lambda share: latencies[min(len(latencies) - 1, int(share * len(latencies)))]  # noqa: B023,E731
        print(
            f"| {name} | {seconds:.1f} | {len(latencies)} | {at(0.5):.1f} | {at(0.95):.1f} | {at(0.99):.1f} "
            f"| {latencies[-1]:.0f} | {failed} |",
            flush=True,
        )


def beside(cluster, cleaner, rate):
    """How long the cleaner took, the latencies meanwhile in order, and how many transactions failed."""
    directory = tempfile.mkdtemp(prefix="oauthctl-traffic-")
    try:
        with cluster.connect("run") as database:
            database.execute(contenders.instants((SQL / "traffic_prepare.sql").read_text(encoding="utf-8")))
            live = database.execute("SELECT count(*) FROM live").fetchone()[0]
            most = database.execute("SELECT max(id) FROM oauth2_provider_accesstoken").fetchone()[0]
        command = [os.path.join(cluster.bin, "pgbench"), "-n", "-c", "16", "-j", "1", "-T", "3600", "--rate", str(rate)]
        command += ["--log", "--log-prefix", f"{directory}/latency", "-D", f"live={live}", "-D", f"most={most}"]
        for script, weight in MIX:
            command += ["-f", f"{SQL}/traffic_{script}.sql@{weight}"]
        env = {**os.environ, **cluster.environment("run")}
        with open(f"{directory}/said", "wb") as said:
            server = subprocess.Popen(command, env=env, cwd=directory, stdout=said, stderr=said)
            time.sleep(WARM_UP)
            started = time.time()
            if cleaner is None:
                time.sleep(QUIET)
            else:
                subprocess.run(
                    cleaner.command, env={**env, **cleaner.environment}, check=True,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )
            ended = time.time()
            time.sleep(1)
            server.terminate()
            server.wait()
        found = latencies(directory, started, ended)
        if not found:
            with open(f"{directory}/said", encoding="utf-8") as said:
                raise SystemExit(f"error: pgbench did nothing:\n{said.read()}")
        with open(f"{directory}/said", encoding="utf-8") as said:
            failed = sum("ERROR" in line or "aborted" in line for line in said)
        return ended - started, found, failed
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def latencies(directory, started, ended):
    """pgbench's log: client, number, microseconds, script, second, microsecond of the end, lag."""
    found = []
    for path in glob.glob(f"{directory}/latency*"):
        with open(path, encoding="utf-8") as log:
            for line in log:
                part = line.split()
                if len(part) >= 6 and part[2].isdigit():
                    end = int(part[4]) + int(part[5]) / 1e6
                    if end >= started and end - int(part[2]) / 1e6 <= ended:
                        found.append(int(part[2]) / 1000)
    return sorted(found)
