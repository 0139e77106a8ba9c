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
    command, environment, _ = contenders.oauthctl(program, "--format", "json", "--quiet", *flags)
    env = {**os.environ, **cluster.environment("run"), **environment}
    started = time.monotonic()
    said = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout
    wall = time.monotonic() - started
    # Statistics are sent when the connections end.
    time.sleep(1)
    return read(cluster) - before, wall, json.loads(said)


def report(cluster, template, given, say):
    """The table, and the sum."""
    cluster.copy(template, "run")
    with cluster.connect("run") as connection:
        pages = connection.execute("SELECT pg_relation_size(%s::regclass) / 8192", [INDEX]).fetchone()[0]
        before = measure.rows(connection)
        # Vacuum would make the later runs cheaper.
        for table in measure.there(connection):
            connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    whole = one(cluster, given.oauthctl)[2]["deleted"]
    deleted = sum(whole.values())
    cluster.copy(template, "run")
    with cluster.connect("run") as connection:
        for table in measure.there(connection):
            connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    limit = ["--max-rows", str(-(-deleted // given.runs))]
    print(f"\nresume, {before:,} rows, {deleted:,} to delete, {pages:,} pages of {INDEX}\n")
    print("| run | rows | pages of the index read | s |")
    print("|---|---|---|---|")
    position, total = [], 0
    for number in range(1, given.runs + 1):
        read_now, wall, said = one(cluster, given.oauthctl, *limit, *position)
        total += read_now
        say(f"run {number}: {said['run']['stop']}, {read_now} pages")
        print(f"| {number} | {sum(said['deleted'].values()):,} | {read_now:,} | {wall:.2f} |")
        place = said["run"]["position"]
        position = ["--resume-from", place] if place else []
    fresh, wall, said = one(cluster, given.oauthctl)
    print(f"| from the beginning | {sum(said['deleted'].values()):,} | {fresh:,} | {wall:.2f} |")
    print(f"\nThe runs read each page {total / pages:.2f} times.")
