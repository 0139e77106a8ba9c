"""Hashing: one hash beside OpenSSL's, and many beside one. Both in turns, because the machine may be busy."""

import hashlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def measured(command, env=None, text=None):
    """Wall and CPU seconds of a whole process that must end well."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env=env, input=text, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def toml(count, iterations):
    """A file that declares so many applications, each with a secret in a file."""
    blocks = [f"[provider]\nclient_secret_iterations = {iterations}\n"]
    for n in range(count):
        blocks.append(
            f"[applications.client-{n:05}]\n"
            'client_type = "confidential"\n'
            'authorization_grant_type = "client-credentials"\n'
            f'client_secret = {{ file = "{n}.txt" }}\n'
        )
    return "\n".join(blocks)


def openssl(iterations):
    """CPU seconds of one PBKDF2-SHA256 by the OpenSSL that Python is linked to: what Django uses."""
    started = time.process_time()
    hashlib.pbkdf2_hmac("sha256", b"a secret of some length", b"R3vyT0aCOWOBzXtlXZVJWX", iterations)
    return time.process_time() - started


def per_core(given, directory, say):
    """CPU seconds of one hash: OpenSSL's and ours."""
    file = directory / "hash.toml"
    theirs, ours = [], []
    for turn in range(given.repeat):
        say(f"one hash, {turn + 1}/{given.repeat}")
        theirs.append(openssl(given.iterations) - openssl(1))
        costs = []
        for iterations in (given.iterations, 1):
            file.write_text(f"[provider]\nclient_secret_iterations = {iterations}\n", encoding="utf-8")
            command = [given.oauthctl, "-f", str(file), "hash-secret"]
            costs.append(measured(command, text="a secret of some length")[1])
        ours.append(costs[0] - costs[1])
    return min(theirs), min(ours)


def report(cluster, template, given, say):
    """Prints both tables."""
    with tempfile.TemporaryDirectory(prefix="oauthctl-secrets-") as name:
        directory = Path(name)
        theirs, ours = per_core(given, directory, say)
        print(f"\nPBKDF2-SHA256, {given.iterations:,} iterations, one core\n")
        print("| | CPU, s | × OpenSSL |")
        print("|---|---|---|")
        print(f"| OpenSSL, by `hashlib.pbkdf2_hmac` | {theirs:.3f} | 1.00 |")
        print(f"| `oauthctl hash-secret` | {ours:.3f} | {theirs / ours:.2f} |", flush=True)

        cores = len(os.sched_getaffinity(0))
        for n in range(given.secrets):
            (directory / f"{n}.txt").write_text(f"the secret of client {n}\n", encoding="utf-8")
        cluster.copy(template, "run")
        env = {**os.environ, **cluster.environment("run"), "NO_COLOR": "1"}
        files = {}
        for count in (given.secrets, 1, 0):
            files[count] = directory / f"{count}.toml"
            files[count].write_text(toml(count, given.iterations), encoding="utf-8")
        command = lambda count, verb: [given.oauthctl, "-f", str(files[count]), *verb]  # noqa: E731
        older = {count: [given.older, *command(count, ["plan", "--detailed-exitcode"])[1:]] for count in files}
        before = {count: [] for count in files}
        say(f"apply with {given.secrets} declared secrets")
        applied = measured(command(given.secrets, ["apply", "--yes"]), env)
        walls = {count: [] for count in files}
        cpus = {count: [] for count in files}
        for turn in range(given.repeat):
            say(f"plan with {given.secrets} declared secrets, {turn + 1}/{given.repeat}")
            for count in files:
                wall, cpu = measured(command(count, ["plan", "--detailed-exitcode"]), env)
                walls[count].append(wall)
                cpus[count].append(cpu)
                if given.older:
                    before[count].append(measured(older[count], env))
        wall = lambda count: statistics.median(walls[count])  # noqa: E731
        cpu = lambda count: statistics.median(cpus[count])  # noqa: E731
        one = wall(1) - wall(0)
        expected = wall(0) + one * given.secrets / cores
        print(f"\n{given.secrets} declared secrets, {given.iterations:,} iterations, {cores} cores\n")
        print("| | s | CPU, s |")
        print("|---|---|---|")
        print(f"| `plan`, one secret | {wall(1):.2f} | {cpu(1):.2f} |")
        print(f"| `plan`, {given.secrets} secrets | {wall(given.secrets):.2f} | {cpu(given.secrets):.2f} |")
        print(f"| one, times {given.secrets}, by {cores} cores | {expected:.2f} | {cpu(1) * given.secrets:.2f} |")
        print(f"| `apply`, {given.secrets} secrets to hash | {applied[0]:.2f} | {applied[1]:.2f} |")
        work = (cpu(given.secrets) - cpu(0)) / ((cpu(1) - cpu(0)) * given.secrets)
        print(f"\n`plan` took {wall(given.secrets) / expected:.2f} of that time, and {work:.2f} of that CPU time.")
        if given.older:
            print(f"\n| `plan`, beside an older build | older, s | s | older, CPU, s | CPU, s | times as fast per core |")
            print("|---|---|---|---|---|---|")
            empty = statistics.median(cost[1] for cost in before[0])
            for count in (1, given.secrets):
                then = [statistics.median(column) for column in zip(*before[count])]
                ratio = (then[1] - empty) / (cpu(count) - cpu(0))
                name = "1 secret" if count == 1 else f"{count} secrets"
                print(f"| {name} | {then[0]:.2f} | {wall(count):.2f} | {then[1]:.2f} | {cpu(count):.2f} | {ratio:.2f} |")
