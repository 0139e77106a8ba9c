"""Runs that go on where the last one stopped: how often they read the index that is walked."""

import json
import os
import subprocess
import time

import contenders
import measure

INDEX = "oauth2_provider_accesstoken_pkey"


def read(cluster):
    """The pages of the walked index that were read into the server's memory."""
    sql = "SELECT idx_blks_read FROM pg_statio_user_indexes WHERE indexrelname = %s"
    with cluster.connect("run") as connection:
        return connection.execute(sql, [INDEX]).fetchone()[0]


def one(cluster, program, *flags):
    """A run on a server that has just been started: pages, seconds, and what it says."""
    cluster.restart()
    before = read(cluster)
    wall, said = run(cluster, program, *flags)
    # Statistics are sent when the connections end.
    time.sleep(1)
    return read(cluster) - before, wall, said


def run(cluster, program, *flags):
    """Seconds, and what it says."""
    command, environment, _ = contenders.oauthctl(program, "--format", "json", "--quiet", *flags)
    env = {**os.environ, **cluster.environment("run"), **environment}
    started = time.monotonic()
    said = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout
    return time.monotonic() - started, json.loads(said)


def fresh_copy(cluster, template):
    """A copy on which no vacuum makes the later runs cheaper."""
    cluster.copy(template, "run")
    with cluster.connect("run") as connection:
        for table in measure.there(connection):
            connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")


def resumed_from(said):
    """The sweep in which a run stopped, and the flag that goes on there."""
    place = said["run"]["position"]
    return (place.split(":")[0], ["--resume-from", place]) if place else (None, [])


def looked_up(cluster, template, program, step):
    """How many pages of the index are read after the sweep that walks it: the other sweeps look access tokens up."""
    fresh_copy(cluster, template)
    sweep, position = resumed_from(run(cluster, program, "--max-rows", str(step))[1])
    first = sweep
    while sweep == first and sweep is not None:
        sweep, position = resumed_from(run(cluster, program, "--max-rows", str(step), *position)[1])
    return one(cluster, program, *position)[0]


def report(cluster, template, given, say):
    """The table, and how often the sweep that walks the index has read it."""
    fresh_copy(cluster, template)
    with cluster.connect("run") as connection:
        pages = connection.execute("SELECT pg_relation_size(%s::regclass) / 8192", [INDEX]).fetchone()[0]
        before = measure.rows(connection)
    whole, seconds, said = one(cluster, given.oauthctl)
    deleted = sum(said["deleted"].values())
    say(f"one run: {seconds:.1f} s, {whole} pages")
    lookups = looked_up(cluster, template, given.oauthctl, -(-deleted // 40))
    say(f"sweeps that look access tokens up: {lookups} pages")
    fresh_copy(cluster, template)
    limit = ["--max-rows", str(-(-deleted // given.runs))]
    print(f"\nresume, {before:,} rows, {deleted:,} to delete, {pages:,} pages of {INDEX}\n")
    print("| run | rows | pages of the index read | s | stopped in |")
    print("|---|---|---|---|---|")
    print(f"| one run for all | {deleted:,} | {whole:,} | {seconds:.2f} | |")
    position, total = [], 0
    for number in range(1, given.runs + 1):
        read_now, wall, said = one(cluster, given.oauthctl, *limit, *position)
        total += read_now
        say(f"run {number}: {said['run']['stop']}, {read_now} pages")
        sweep, position = resumed_from(said)
        print(f"| {number} | {sum(said['deleted'].values()):,} | {read_now:,} | {wall:.2f} | {sweep or ''} |")
    fresh, wall, said = one(cluster, given.oauthctl)
    print(f"| from the beginning | {sum(said['deleted'].values()):,} | {fresh:,} | {wall:.2f} | |")
    print(
        f"\nThe sweep that walks the index read each page {(total - lookups) / pages:.2f} times. Later sweeps look access "
        f"tokens up in it: {lookups:,} pages, if the server has forgotten them."
    )
