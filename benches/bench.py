"""The benchmarks; `benches/run` calls this. Prints Markdown; what it is doing goes to stderr."""

import argparse
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

import applications
import contenders
import counting
import many_applications
import measure
import resume
import secret_hashes
import traffic
from cluster import Cluster

SCHEMA = Path(__file__).parent.parent / "tests/data/schema/dot-3.4.1.sql"

SET = ("--fk-checks", "set", "--allow", "fk-checks=set")


def arguments():
    parser = argparse.ArgumentParser(prog="benches/run")
    parser.add_argument("--oauthctl", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--older", metavar="PROGRAM", help="an older build of oauthctl, measured beside this one")
    parser.add_argument("--shared-buffers", default="2GB")
    benchmarks = parser.add_subparsers(dest="benchmark", required=True)
    for name, sessions in [("cleanup", 100_000), ("links", 100_000), ("nightly", 1_000_000), ("traffic", 100_000)]:
        one = benchmarks.add_parser(name)
        one.add_argument("--sessions", type=int, nargs="+", default=[sessions])
        one.add_argument("--repeat", type=int, default=3, help="runs of each contender; the table has medians")
        one.add_argument("--only", nargs="+", default=[], help="these contenders, or those whose name contains one")
        if name == "traffic":
            one.add_argument("--rate", type=int, default=200, help="transactions per second")
    resumed = benchmarks.add_parser("resume")
    resumed.add_argument("--sessions", type=int, nargs="+", default=[100_000])
    resumed.add_argument("--runs", type=int, default=10, help="runs that each delete an equal part")
    several = benchmarks.add_parser("applications")
    several.add_argument("--applications", type=int, default=10_000)
    several.add_argument("--repeat", type=int, default=3)
    several.add_argument("--loop", type=int, default=10, help="how often createapplication runs")
    many = benchmarks.add_parser("many")
    many.add_argument("--applications", type=int, default=100_000)
    many.add_argument("--updates", type=int, default=10_000)
    many.add_argument("--repeat", type=int, default=3)
    count = benchmarks.add_parser("count")
    count.add_argument("--sessions", type=int, nargs="+", default=[1_000_000])
    count.add_argument("--repeat", type=int, default=3)
    count.add_argument("--budgets", nargs="+", default=["300ms", "1s", "5s"], help="what a forecast may take")
    large = benchmarks.add_parser("scale")
    large.add_argument("--sessions", type=int, nargs="+", default=[10_000_000])
    large.add_argument("--budgets", nargs="+", default=["300ms"], help="what a forecast may take")
    large.add_argument("--runs", type=int, default=10, help="runs that each delete an equal part")
    large.add_argument("--workers-sessions", type=int, default=1_000_000, help="for --workers auto beside --workers 2")
    large.add_argument("--applications", type=int, default=100_000)
    large.add_argument("--updates", type=int, default=10_000)
    large.add_argument("--repeat", type=int, default=3)
    secrets = benchmarks.add_parser("secrets")
    secrets.add_argument("--secrets", type=int, default=200)
    secrets.add_argument("--iterations", type=int, default=1_200_000)
    secrets.add_argument("--repeat", type=int, default=3)
    return parser.parse_args()


def say(text):
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def make_schema(cluster, name):
    """An empty database of DOT 3.4.1."""
    with cluster.connect() as server:
        server.execute(f"CREATE DATABASE {name}")
    # The dump empties the search path of its session.
    with cluster.connect(name) as database:
        database.execute(SCHEMA.read_text(encoding="utf-8"))
    with cluster.connect(name) as database:
        database.execute("CREATE EXTENSION pg_prewarm")
    return name


def make_template(cluster, sessions, dead, links):
    say(f"seeding {sessions:,} sessions")
    name = make_schema(cluster, f"tokens_{sessions}_{'backlog' if dead == 1 else 'nightly'}")
    with cluster.connect(name) as database:
        database.execute(contenders.seed(sessions, dead))
    with cluster.connect(name) as database:
        if links:
            database.execute(contenders.links())
        database.execute("VACUUM ANALYZE")
    return name


WAYS = {
    "oauthctl": (),
    "oauthctl --batch-size 500": ("--batch-size", "500"),
    "oauthctl --workers 2": ("--workers", "2"),
    "oauthctl --workers auto": ("--workers", "auto"),
    "oauthctl, set": SET,
    "oauthctl, set, --workers 2": (*SET, "--workers", "2"),
    "oauthctl, rewrite": ("--strategy", "rewrite", "--allow", "rewrite"),
}


def field(cluster, program, older, links):
    """The contenders by name, the peer first."""
    contestants = {
        "manage.py cleartokens": contenders.dot(links),
        "best SQL, one transaction": contenders.best_sql(cluster),
    }
    if links:
        # It knows nothing of these tables, and a rewrite refuses them.
        del contestants["best SQL, one transaction"]
    for name, flags in WAYS.items():
        if links and "rewrite" in name:
            continue
        if older and "auto" not in name:
            contestants[f"older {name}"] = contenders.oauthctl(older, *flags)
        contestants[name] = contenders.oauthctl(program, *flags)
    contestants["oauthctl, definer"] = contenders.definer(cluster, program)
    return contestants


def chosen(field, only):
    """Those that are named, or else those whose name contains what is given."""
    named = {name: run for name, run in field.items() if name in only}
    return named or {name: run for name, run in field.items() if not only or any(part in name for part in only)}


def race(cluster, template, runners, repeat):
    """Every contender in turn, and that again, so that a busy minute does not hit one of them only."""
    costs = {name: [] for name in runners}
    for turn in range(repeat):
        for name, (command, environment, prepare) in runners.items():
            cluster.copy(template, "run")
            if prepare:
                prepare("run")
            cost = measure.run(cluster, "run", command, environment)
            costs[name].append(cost)
            say(f"{turn + 1}/{repeat} {name}: {cost.wall:.2f} s")
    return costs


def table(costs):
    median = lambda name, what: statistics.median(getattr(cost, what) for cost in costs[name])  # noqa: E731
    first = next(iter(costs))
    peer, reference = median(first, "wall"), costs[first][0].end_state
    print(f"| | s | × {first} | rows/s | WAL, MiB | freed, MiB | locked, s | client CPU, s | client memory, MiB | end state |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, runs in costs.items():
        wall = median(name, "wall")
        same = "equal" if all(run.end_state == reference for run in runs) else "DIFFERENT"
        print(
            f"| {name} | {wall:.2f} | {peer / wall:.1f} | {runs[0].deleted / wall:,.0f} | {median(name, 'wal'):.0f} "
            f"| {median(name, 'freed'):.0f} | {median(name, 'locked'):.2f} | {median(name, 'client_cpu'):.2f} | {median(name, 'client_memory'):.0f} | {same} |"
        )


WORKERS = ["oauthctl", "older oauthctl", "oauthctl --workers 2", "older oauthctl --workers 2", "oauthctl --workers auto"]


def scale(cluster, given):
    """What large tables need: forecasts, runs that are resumed, the number of workers, many applications."""
    for sessions in given.sessions:
        template = make_template(cluster, sessions, 1, links=False)
        print(f"\ncount, {sessions:,} sessions\n")
        counting.report(cluster, template, given, say)
        resume.report(cluster, template, given, say)
        for database in (template, "run"):
            cluster.drop(database)
    template = make_template(cluster, given.workers_sessions, 1, links=False)
    print(f"\ncleanup, {given.workers_sessions:,} sessions\n")
    contestants = field(cluster, given.oauthctl, given.older, links=False)
    table(race(cluster, template, {name: contestants[name] for name in WORKERS if name in contestants}, given.repeat))
    print("\nmany applications\n")
    many_applications.report(cluster, make_schema(cluster, "many"), given, say)


def room(given):
    """Says what `scale` needs, and ends it if that is not there."""
    # A session is 1.2 kB with its indexes; one original, one copy, and the write-ahead log.
    needed = 2 * 1.2e3 * max(*given.sessions, given.workers_sessions) + 9e9
    there = shutil.disk_usage(tempfile.gettempdir()).free
    say(f"needs about {needed / 1e9:.0f} GB in {tempfile.gettempdir()}, which has {there / 1e9:.0f} GB, and an hour")
    if there < needed:
        sys.exit("error: not enough room; take fewer --sessions, or another TMPDIR")


def main():
    given = arguments()
    if given.benchmark == "scale":
        room(given)
    # An exception, so that the server is stopped and its files go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Cluster(given.shared_buffers) as cluster:
        if given.benchmark == "many":
            many_applications.report(cluster, make_schema(cluster, "many"), given, say)
            return
        if given.benchmark == "applications":
            applications.report(cluster, make_schema(cluster, "applications"), given, say)
            return
        if given.benchmark == "scale":
            scale(cluster, given)
            return
        if given.benchmark == "secrets":
            secret_hashes.report(cluster, make_schema(cluster, "secrets"), given, say)
            return
        for sessions in given.sessions:
            dead = 0.02 if given.benchmark == "nightly" else 1
            links = given.benchmark == "links"
            template = make_template(cluster, sessions, dead, links)
            if given.benchmark == "resume":
                resume.report(cluster, template, given, say)
                continue
            if given.benchmark == "count":
                print(f"\ncount, {sessions:,} sessions\n")
                counting.report(cluster, template, given, say)
                continue
            runners = chosen(field(cluster, given.oauthctl, given.older, links), given.only)
            print(f"\n{given.benchmark}, {sessions:,} sessions\n")
            if given.benchmark == "traffic":
                traffic.report(cluster, template, given, say)
            else:
                table(race(cluster, template, runners, given.repeat))


main()
