"""Very many applications: how long each verb takes and how much memory, beside an older build, in turns.

Updates change another two fields in every row. No secret is hashed: every declared one is a hash.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from applications import HASH
from measure import peak_memory


def measured(command, env):
    """Seconds and peak memory in MiB of a whole process that must end well."""
    with tempfile.TemporaryFile() as output:
        started, peak = time.monotonic(), 0
        process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        while process.poll() is None:
            peak = max(peak, peak_memory(process.pid))
            time.sleep(0.005)
        seconds = time.monotonic() - started
        if process.returncode != 0:
            output.seek(0)
            sys.exit(f"error: {' '.join(command)} failed:\n{output.read()[-2000:].decode()}")
    return seconds, peak


def toml(count, revision):
    """A file that declares so many applications; another revision has other names and redirect URIs."""
    blocks = ['[policy]\nmax_updates = "100%"\n']
    for n in range(count):
        blocks.append(
            f"[applications.client-{n:06}]\n"
            f'name = "Client {n} {revision}"\n'
            'client_type = "confidential"\n'
            'authorization_grant_type = "authorization-code"\n'
            f'redirect_uris = ["https://{n}.example.com/{revision}", "https://{n}.example.com/silent"]\n'
            f'client_secret = {{ hash = "{HASH}" }}\n'
        )
    return "\n".join(blocks)


def steps(program, cluster, template, directory, given):
    """Runs every verb; yields a name with seconds and MiB."""
    env = {**os.environ, **cluster.environment("run"), "NO_COLOR": "1"}
    file = {name: f"{directory}/{name}.toml" for name in ("few-a", "few-b", "many", "new")}
    run = lambda name, *verb: measured([program, "-f", file[name], *verb], env)  # noqa: E731
    cluster.copy(template, "run")
    run("few-a", "apply", "--yes")
    yield f"`apply`, {given.updates:,} to update", run("few-b", "apply", "--yes")
    cluster.copy(template, "run")
    many = f"{given.applications:,}"
    yield f"`validate`, {many} declared", run("many", "validate")
    yield f"`plan`, {many} to create", run("many", "plan")
    yield f"`apply`, {many} to create", run("many", "apply", "--yes")
    yield f"`plan`, {many} as declared", run("many", "plan")
    Path(file["new"]).write_text("", encoding="utf-8")
    yield f"`list`, {many} rows", run("new", "list")
    Path(file["new"]).unlink()
    yield f"`import --all`, {many} rows", run("new", "import", "--all")


def report(cluster, template, given, say):
    """Prints the table."""
    programs = {"older": given.older, "this": given.oauthctl} if given.older else {"this": given.oauthctl}
    costs = {}
    with tempfile.TemporaryDirectory(prefix="oauthctl-many-") as directory:
        for name, count, revision in [
            ("few-a", given.updates, "a"),
            ("few-b", given.updates, "b"),
            ("many", given.applications, "a"),
        ]:
            Path(f"{directory}/{name}.toml").write_text(toml(count, revision), encoding="utf-8")
        for turn in range(given.repeat):
            for name, program in programs.items():
                for step, cost in steps(program, cluster, template, directory, given):
                    say(f"{turn + 1}/{given.repeat} {name} {step}: {cost[0]:.2f} s, {cost[1]:.0f} MiB")
                    costs.setdefault(step, {}).setdefault(name, []).append(cost)
    titles = [f"{name}, {unit}" for name in programs for unit in ("s", "MiB")]
    ratios = ["times as fast", "memory"] if given.older else []
    print("| | " + " | ".join(titles + ratios) + " |")
    print("|---" * (1 + len(titles + ratios)) + "|")
    for step, by_name in costs.items():
        medians = {name: [statistics.median(column) for column in zip(*runs)] for name, runs in by_name.items()}
        cells = [f"{medians[name][0]:.2f} | {medians[name][1]:.0f}" for name in programs]
        if given.older:
            (slow, large), (fast, small) = medians["older"], medians["this"]
            cells.append(f"{slow / fast:.1f} | {small / large:.2f}")
        print(f"| {step} | " + " | ".join(cells) + " |", flush=True)
