"""Puts the database of each package before every verb, and compares what is left with what its own code leaves.

`tests/packages` calls this. packages.toml says what is installed and what is expected: everything works, or a verb refuses
with this status and these words. The exit status is 1 where something is otherwise, also where it is better.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "benches"))

import environments  # noqa: E402
import schemas  # noqa: E402
from cluster import Cluster  # noqa: E402

PACKAGES = tomllib.loads((HERE / "packages.toml").read_text(encoding="utf-8"))
NOW = "2026-01-02T03:04:05.600000+00:00"
CLEANUP = ["--as-of", NOW.replace("+00:00", "Z"), "--refresh-token-expire", "1h"]


class Refusal(Exception):
    """A verb has ended with another status than the one that means success, or has said what is not so."""

    def __init__(self, verb, status, said):
        super().__init__(f"{verb}: exit {status}\n{said}")
        self.status, self.words = status, " ".join(str(self).split())


class World:
    """A package: its interpreter, its databases, and a directory with its oauth.toml."""

    def __init__(self, cluster, name, package, directory):
        self.cluster, self.name, self.package, self.directory = cluster, name, package, Path(directory)
        self.python = environments.python(
            package.get("environment", name),
            [*package["install"], environments.PSYCOPG],
            package["no_deps"],
            package["python"],
        )
        self.secrets, self.replaced, self.copies = {}, None, 0

    def peer(self, database, *words, given=None, script=HERE / "peer.py"):
        """What a script says, in the package's environment."""
        package = self.package
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            **self.cluster.environment(database),
            "DJANGO_SETTINGS_MODULE": package["settings_module"],
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{HERE / 'project'}:{self.directory}",
            "OAUTHCTL_PACKAGE": json.dumps(package),
            "OAUTHCTL_NOW": NOW,
            **({"OAUTHCTL_MIGRATIONS": str(self.directory)} if package["models"] else {}),
        }
        command = [self.python, "-X", "utf8", "-W", "ignore", *([script] if script else []), *words]
        run = subprocess.run(
            command, env=environment, input=given, capture_output=True, text=True, check=False, cwd=self.directory
        )
        if run.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, words))} of {self.name} failed:\n{run.stdout[-2000:]}\n{run.stderr[-6000:]}")
        return run.stdout

    def ask(self, database, *words, given=None):
        """The same for peer.py, whose answer is JSON in the last line."""
        return json.loads(self.peer(database, *words, given=given).splitlines()[-1])

    def oauthctl(self, database, *words, exits=0):
        """Runs a verb."""
        environment = {**self.cluster.environment(database), "PATH": os.environ["PATH"], "HOME": str(self.directory)}
        environment |= {"NEW_SECRET": self.secrets["new"]} if "new" in self.secrets else {}
        run = subprocess.run(
            [os.environ["OAUTHCTL_TEST_BINARY"], *words],
            env=environment, capture_output=True, text=True, check=False, cwd=self.directory, stdin=subprocess.DEVNULL,
        )
        if run.returncode != exits:
            raise Refusal(" ".join(words), run.returncode, run.stdout + run.stderr)
        return run.stdout

    def copy(self, database):
        """An identical database."""
        self.copies += 1
        name = f"{self.name}_{self.copies}"
        with self.cluster.connect() as server:
            server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{database}"')
        return name

    def rows(self, database):
        """Every row of every table."""
        with self.cluster.connect(database) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            every = lambda table: connection.execute(f'SELECT to_jsonb(t)::text FROM "{table}" t').fetchall()  # noqa: E731
            skip = self.package["signals"]
            return {(table, row) for (table,) in tables if table not in skip for (row,) in every(table)}

    def file(self, *more):
        """Writes oauth.toml: what the package needs in it, and more."""
        tables = "".join(f'{key} = "{value}"\n' for key, value in self.package["tables"].items())
        provider = f"[provider]\nclient_secret_iterations = 1000\n{self.package['provider']}\n"
        parts = [provider, f"[database.tables]\n{tables}" if tables else "", self.package["file"], *more]
        (self.directory / "oauth.toml").write_text("\n".join(parts), encoding="utf-8")

    def make(self):
        """The database as `migrate` leaves it, its schema, and then the rows."""
        with self.cluster.connect() as server:
            server.execute(f'CREATE DATABASE "{self.name}"')
        for app in self.package["models"]:
            (self.directory / f"{app}_migrations").mkdir()
            (self.directory / f"{app}_migrations/__init__.py").touch()
        if self.package["models"]:
            self.peer(self.name, "-m", "django", "makemigrations", script=None)
        self.peer(self.name, "-m", "django", "migrate", "--skip-checks", "--verbosity", "0", script=None)
        self.secrets = self.ask(self.name, "seed")


def same(world, ours, theirs):
    """Fails where two databases differ."""
    ours, theirs = world.rows(ours), world.rows(theirs)
    assert ours == theirs, f"only ours: {sorted(ours - theirs)[:5]}\nonly theirs: {sorted(theirs - ours)[:5]}"


def doctor(world):
    """No problem."""
    world.file()
    world.oauthctl(world.name, "doctor")


def read(world):
    """list and show, of each application; what has tokens has been used."""
    listed = json.loads(world.oauthctl(world.name, "list", "--format", "json"))["applications"]
    assert set(world.secrets) <= {one["client_id"] for one in listed}, listed
    for one in listed:
        world.oauthctl(world.name, "show", one["client_id"])
        if one["access_tokens"]["total"] and not one["last_use"]:
            raise Refusal("list", 0, f"{one['client_id']} has tokens and no last use")


def import_(world):
    """Everything into the file; then nothing differs."""
    world.oauthctl(world.name, "import", "--all")
    world.oauthctl(world.name, "validate")
    world.oauthctl(world.name, "plan", "--detailed-exitcode")


def apply(world):
    """One application changes, one is new with a secret of its own."""
    file = world.directory / "oauth.toml"
    text = file.read_text(encoding="utf-8")
    assert 'name = "web"' in text, text
    own = "".join(f"columns.{name} = {value}\n" for name, value in world.package["columns"].items())
    new = f'client_type = "confidential"\nauthorization_grant_type = "{world.package["grant"]}"\n'
    more = f'\n[applications.new]\nname = "New"\n{new}{own}client_secret = {{ env = "NEW_SECRET" }}\n'
    if world.package["algorithm"]:
        more += f'algorithm = "{world.package["algorithm"]}"\n'
    if "code" in world.package["grant"]:
        more += 'redirect_uris = ["https://web.example/cb"]\n'
    file.write_text(text.replace('name = "web"', 'name = "Web"') + more, encoding="utf-8")
    world.secrets["new"] = "a secret: of + the file?"
    try:
        world.oauthctl(world.used, "plan", "--detailed-exitcode", exits=2)
        world.oauthctl(world.used, "apply", "--yes", "--no-cleanup")
    except Refusal:
        file.write_text(text, encoding="utf-8")
        del world.secrets["new"]
        raise
    world.oauthctl(world.used, "plan", "--detailed-exitcode")


def save(world):
    """Each application is opened and saved in the admin; nothing differs afterwards."""
    world.ask(world.used, "save")
    world.oauthctl(world.used, "plan", "--detailed-exitcode")


def createapplication(world):
    """Another one, with a generated secret."""
    flags = ["--redirect-uris", "https://web.example/cb"] if "code" in world.package["grant"] else []
    flags += ["--algorithm", world.package["algorithm"]] if world.package["algorithm"] else []
    flags += world.package["createapplication"]
    words = ["createapplication", "--client-id", "made", "--name", "Made", *flags, "confidential", world.package["grant"]]
    made = world.oauthctl(world.used, *words)
    world.secrets["made"] = re.search(r"client_secret: (\S+)", made)[1]
    world.ask(world.used, "read")


def rotate(world):
    """A new secret for one that has one."""
    world.oauthctl(world.used, "rotate-secret", "rotated", "--yes", "--secrets-out", "rotated.json")
    secrets = json.loads((world.directory / "rotated.json").read_text(encoding="utf-8"))
    assert secrets["rotated"] != world.secrets["rotated"]
    world.replaced = world.secrets["rotated"]
    world.secrets["rotated"] = secrets["rotated"]


def token(world):
    """Unchanged, rotated, created and by file: each is accepted. What was replaced, or never was, is not."""
    right = [(name, world.secrets[name]) for name in ("service", "rotated", "made", "new") if name in world.secrets]
    wrong = [*([("rotated", world.replaced)] if world.replaced else []), *((name, secret + "x") for name, secret in right)]
    answers = world.ask(world.used, "ask", given=json.dumps(right + wrong))
    for (name, _), (status, body), expected in zip(right + wrong, answers, ["accepted"] * len(right) + ["denied"] * len(wrong)):
        assert status == world.package[expected], f"{name} is to be {expected}: {status} {body}"


def cleartokens(world):
    """As DOT 3.4.1's clear_expired() over these models; the package's own command leaves more rows, as packages.toml says."""
    ours, theirs, own = (world.copy(world.name) for _ in range(3))
    world.file()
    source = next(Path(environments.dot()).parents[1].glob("lib/python*/site-packages/oauth2_provider/models.py"))
    world.ask(theirs, "clear", source)
    world.ask(own, "cleartokens")
    rows = lambda database: {table: sum(1 for name, _ in world.rows(database) if name == table) for table in world.known}  # noqa: E731
    world.known = sorted({table for table, _ in world.rows(world.name)})
    more = {table: count - rows(theirs)[table] for table, count in rows(own).items() if count != rows(theirs)[table]}
    assert more == world.package["own_command_leaves"], f"its own command leaves {more} more rows"
    before = len(world.rows(world.name)) - len(world.rows(theirs))
    assert before > 20, "the seed makes something to delete"
    world.oauthctl(ours, "cleartokens", "--dry-run", *CLEANUP)
    world.oauthctl(ours, "cleartokens", "--batch-size", "7", *CLEANUP)
    same(world, ours, theirs)


def removal(world):
    """As the ORM's deletion of an application."""
    ours, theirs = (world.copy(world.name) for _ in range(2))
    world.ask(theirs, "delete", "gone")
    world.file('[[removed]]\nclient_id = "gone"\n')
    world.oauthctl(ours, "apply", "--yes", "--no-cleanup")
    same(world, ours, theirs)


# In the order in which they run, by the name of the column in docs/packages.md.
STEPS = {
    "doctor": doctor,
    "list": read,
    "import": import_,
    "apply": apply,
    "save": save,
    "createapplication": createapplication,
    "rotate-secret": rotate,
    "token": token,
    "cleartokens": cleartokens,
    "removal": removal,
}


def attempt(step, world, expected):
    """Runs a step. Returns what is to be said of it, and whether that was expected."""
    try:
        step(world)
    except Refusal as refusal:
        fits = expected and expected["exit"] == refusal.status and expected["says"] in refusal.words
        return (f"refused, as expected ({expected['says']})", True) if fits else (f"REFUSED: {refusal}", False)
    except (AssertionError, RuntimeError) as error:
        return f"FAILED: {error}", False
    return ("works", True) if not expected else (f"WORKS, and was expected to be refused ({expected['says']})", False)


def try_package(cluster, name, keep_schemas):
    """Every step on one package; whether all went as expected."""
    package = {**PACKAGES["default"], **PACKAGES[name]}
    started, good = time.monotonic(), True
    with tempfile.TemporaryDirectory(prefix="oauthctl-packages-") as directory:
        world = World(cluster, name, package, directory)
        world.make()
        good = not package["keeps_schema"] or schemas.compare(world, keep_schemas)
        world.used = world.copy(name)
        for column, step in STEPS.items():
            said, fits = attempt(step, world, package["refused"].get(column))
            print(f"{name}: {column}: {said}", flush=True)
            good &= fits
    print(f"{name}: {'as expected' if good else 'NOT AS EXPECTED'}, {time.monotonic() - started:.0f} s", flush=True)
    return good


def main():
    # Whatever ends this ends the server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(prog="tests/packages", description=__doc__.splitlines()[0])
    names = [name for name in PACKAGES if name != "default"]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--fast", action="store_true", help="those that .ci/run tries")
    parser.add_argument("--keep-schemas", action="store_true", help="writes them to tests/data/schema/packages")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names):
        parser.error(f"no such package: {', '.join(sorted(unknown))}")
    chosen = options.names or [name for name in names if not options.fast or PACKAGES[name].get("fast")]
    good, not_run = True, []
    cluster = Cluster("128MB")
    cluster.settings |= {"fsync": "off", "full_page_writes": "off", "max_wal_size": "'1GB'"}
    with cluster:
        for name in chosen:
            try:
                good &= try_package(cluster, name, options.keep_schemas)
            except environments.NotHere as reason:
                not_run.append(f"{name} ({reason})")
            except RuntimeError as error:
                print(f"{name}: FAILED: {error}", flush=True)
                good = False
    if not_run:
        print(f"Not run on this machine: {'; '.join(not_run)}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
