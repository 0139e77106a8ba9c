"""What it costs to know how much there is to delete: exact counts beside forecasts of one database."""

import json
import os
import re
import statistics
import subprocess
import time

import contenders


def dry_run(cluster, program, database, *flags):
    """Seconds of the whole process, and its answer."""
    command, environment, _ = contenders.oauthctl(program, "--dry-run", "--format", "json", *flags)
    start = time.perf_counter()
    done = subprocess.run(
        command, env={**os.environ, **cluster.environment(database), **environment}, check=True, capture_output=True,
    )
    return time.perf_counter() - start, json.loads(done.stdout)


def report(cluster, database, given, say):
    """Exact counts, then forecasts in each budget, all at the same instant."""
    # An older build knows no other way of counting.
    ways = [("older, exact", given.older, ())] if given.older else []
    ways.append(("exact", given.oauthctl, ("--count", "exact")))
    costs, exact = {name: [] for name, *_ in ways}, None
    for turn in range(given.repeat):
        for name, program, flags in ways:
            took, answer = dry_run(cluster, program, database, *flags)
            costs[name].append(took)
            exact = sum(answer["to_delete"].values())
            say(f"{turn + 1}/{given.repeat} {name}: {took:.2f} s")
    whole = statistics.median(costs[ways[0][0]])
    print(f"| | s | longest, s | × {ways[0][0]} | rows | bounds, ± % | blocks read, % |")
    print("|---|---|---|---|---|---|---|")
    for name, seconds in costs.items():
        median = statistics.median(seconds)
        print(f"| {name} | {median:.2f} | {max(seconds):.2f} | {whole / median:.1f} | {exact:,} | 0 | 100 |", flush=True)
    for budget in given.budgets:
        runs = [
            dry_run(cluster, given.oauthctl, database, "--count", "forecast", "--count-budget", budget)
            for _ in range(given.repeat)
        ]
        took = [seconds for seconds, _ in runs]
        answer = runs[0][1]
        forecast = answer["forecast"]
        if forecast is None:
            print(f"| forecast, {budget} | {statistics.median(took):.2f} | {max(took):.2f} | all read | {exact:,} | 0 | 100 |")
            continue
        total = forecast["total"]
        held = "" if total["low"] <= exact <= total["high"] else " (NOT HELD)"
        width = (total["high"] - total["low"]) / 2 / max(exact, 1) * 100
        read = forecast["blocks_read"] / max(forecast["blocks"], 1) * 100
        print(
            f"| forecast, {budget} | {statistics.median(took):.2f} | {max(took):.2f} | {whole / statistics.median(took):.1f} "
            f"| {total['estimate']:,}{held} | {width:.1f} | {read:.2f} |"
        )
        limit = float(re.match(r"[0-9]+", budget)[0]) / (1000 if budget.endswith("ms") else 1) + 0.2
        if max(took) > limit:
            say(f"{budget}: the longest run took {max(took):.2f} s, more than the budget and 0.2 s")
