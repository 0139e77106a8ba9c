"""Ten thousand applications: planned against as many rows, and created, beside what Django offers for that.

Hashing is left out on both sides: it is PBKDF2's time, not the tool's. Every declared secret is a hash, and Django is
told not to hash.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
HASH = "pbkdf2_sha256$1200000$QuickstartReporting022$nLPyANlLXAK2oZzrQzKOll4O0F8RDN/XdQBRyM9Silw="


def toml(count, revision):
    """A file that declares so many applications; another revision has other redirect URIs in every hundredth."""
    blocks = []
    for n in range(count):
        host = f"{n}-{revision}" if n % 100 == 0 else str(n)
        blocks.append(
            f"[applications.client-{n:05}]\n"
            f'name = "Client {n}"\n'
            'client_type = "confidential"\n'
            'authorization_grant_type = "authorization-code"\n'
            f'redirect_uris = ["https://{host}.example.com/callback", "https://{host}.example.com/silent"]\n'
            f'client_secret = {{ hash = "{HASH}" }}\n'
        )
    return "\n".join(blocks) + '\n[policy]\nmax_updates = "100%"\n'


def timed(command, env):
    """Seconds of a whole process that must end well."""
    started = time.monotonic()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds, done.stdout


def report(cluster, template, given, say):
    """Prints the table."""
    count = given.applications
    with tempfile.TemporaryDirectory(prefix="oauthctl-applications-") as directory:
        file = f"{directory}/oauth.toml"

        def ours(*arguments):
            return timed([given.oauthctl, "-f", file, *arguments], env())[0]

        def env():
            return {**os.environ, **cluster.environment("run"), "NO_COLOR": "1"}

        def write(revision):
            Path(file).write_text(toml(count, revision), encoding="utf-8")

        apply, nothing, drift = [], [], []
        for turn in range(given.repeat):
            say(f"oauthctl, {turn + 1}/{given.repeat}")
            cluster.copy(template, "run")
            write("a")
            apply.append(ours("apply", "--yes"))
            nothing.append(ours("plan", "--detailed-exitcode"))
            write("b")
            drift.append(ours("plan"))
        print("| | applications | s | a second |")
        print("|---|---|---|---|")

        def row(name, applications, seconds):
            print(f"| {name} | {applications:,} | {seconds:.2f} | {applications / seconds:,.0f} |", flush=True)

        row("`oauthctl plan`, nothing to do", count, statistics.median(nothing))
        row("`oauthctl plan`, every hundredth drifted", count, statistics.median(drift))
        row("`oauthctl apply`, all to create", count, statistics.median(apply))
        say("the ORM")
        for way in ["full_clean and save", "bulk_create"]:
            cluster.copy(template, "run")
            script = [sys.executable, str(HERE / "orm.py"), way, str(count)]
            row(f"Django, one process: {way}", count, float(timed(script, env())[1]))
        say("manage.py createapplication")
        cluster.copy(template, "run")
        manage = [sys.executable, str(HERE.parent / "tests/conformance/manage.py"), "createapplication"]
        arguments = ["--redirect-uris", "https://a.example.com/cb", "--no-hash-client-secret"]
        kinds = ["confidential", "authorization-code"]
        loop = sum(timed([*manage, *arguments, *kinds], env())[0] for _ in range(given.loop))
        row(f"`manage.py createapplication` in a loop, from {given.loop} runs", count, loop * count / given.loop)
