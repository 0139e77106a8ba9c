"""Installs each file of dist/ as its users do, and runs it on a database of its own. `tests/packaging` calls this.

The exit status is 1 where something is otherwise than a release promises. What the machine lacks is named at the end.
"""

import hashlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "benches"))

from cluster import Cluster  # noqa: E402

DIST = ROOT / "dist"
PACKAGE = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["package"]
VERSION = PACKAGE["version"]
MEGABYTE = 1_000_000
# What the README promises, and some room.
LIMITS = {"oauthctl": 15, ".whl": 8, ".deb": 6, ".tar": 8, ".tar.gz": 8, ".json": 2}

FILE = """\
[applications.web]
client_type = "confidential"
authorization_grant_type = "client-credentials"
"""
EXPIRED = """
    INSERT INTO oauth2_provider_accesstoken (token, token_checksum, expires, scope, resource, created, updated)
    VALUES ('t', 'c', '2020-01-01T00:00:00Z', '', '[]', now(), now())
"""

failures, not_run = [], []


def check(what, good, detail=""):
    """Prints what was looked at, and remembers what is wrong."""
    print(f"  {'ok  ' if good else 'FAIL'} {what}{f': {detail}' if detail and not good else ''}", flush=True)
    if not good:
        failures.append(what)


def only(pattern):
    """The one file of dist/ with such a name."""
    found = list(DIST.glob(pattern))
    if len(found) != 1:
        sys.exit(f"error: dist/ has {len(found)} files {pattern}; run .ci/dist again")
    return found[0]


def output(command, **more):
    """What a program says, and its status."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)
    return done.returncode, done.stdout.strip()


def in_root(root, user=None):
    """The words that run a program in a root of its own, where nothing of this machine is."""
    words = ["chroot", *([f"--userspec={user}"] if user else []), str(root)]
    return words if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "chroot", str(root)]


class Databases:
    """A cluster on loopback, because a socket of this machine is not in another root."""

    def __init__(self):
        self.cluster = Cluster("16MB")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.cluster.settings |= {"listen_addresses": "'127.0.0.1'", "port": str(self.port)}
        self.made = 0

    def new(self):
        """An empty database, and the variables that name it."""
        self.made += 1
        name = f"packaging{self.made}"
        with self.connect("postgres") as server:
            server.execute(f"CREATE DATABASE {name}")
        return name, {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "postgres", "PGDATABASE": name}

    def connect(self, name):
        """A connection that commits every statement."""
        import psycopg

        return psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", dbname=name, autocommit=True)


def works(title, words, directory, databases, environment=None):
    """Runs the verbs. The directory is where oauth.toml has to be; inside a root it is what the program sees as /project."""
    (directory / "oauth.toml").write_text(FILE, encoding="utf-8")
    database, variables = databases.new()
    environment = {"PATH": os.environ["PATH"], **variables, **(environment or {})}

    file = "/project/oauth.toml" if "chroot" in words else "oauth.toml"

    def run(*arguments, exits=0):
        status, said = output([*words, "-f", file, *arguments], env=environment, cwd=directory)
        check(f"{title}: {' '.join(arguments)}", status == exits, f"exit {status}: {said}")
        return said

    said = json.loads(run("version", "--format", "json"))["tool_version"]
    check(f"{title}: the version", said == VERSION, said)
    run("migrate", "--provider")
    run("plan", "--detailed-exitcode", exits=2)
    secrets = str(Path(file).parent / "secrets.json")
    run("apply", "--no-cleanup", "--secrets-out", secrets, "--yes")
    run("plan", "--detailed-exitcode")
    with databases.connect(database) as connection:
        connection.execute(EXPIRED)
        run("cleartokens")
        left = connection.execute("SELECT count(*) FROM oauth2_provider_accesstoken").fetchone()[0]
        made = connection.execute("SELECT count(*) FROM oauth2_provider_application").fetchone()[0]
    check(f"{title}: the rows", (left, made) == (0, 1), f"{left} tokens, {made} applications")


def files():
    """Hashes, sizes, and what the binary does not hold."""
    print("== dist")
    status, said = output(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=DIST)
    check("SHA256SUMS", status == 0, said)
    summed = {line.split()[1] for line in (DIST / "SHA256SUMS").read_text(encoding="utf-8").splitlines()}
    there = {path.name for path in DIST.iterdir()} - {"SHA256SUMS"}
    check("every file has a sum", summed == there, f"{summed ^ there}")
    for path in sorted(DIST.iterdir()):
        suffix = next((end for end in sorted(LIMITS, key=len, reverse=True) if path.name.endswith(end)), None)
        if suffix:
            size = path.stat().st_size
            check(f"{path.name}: {size:,} bytes", size < LIMITS[suffix] * MEGABYTE, f"{LIMITS[suffix]} MB are allowed")
    bill = json.loads(only("*.cdx.json").read_text(encoding="utf-8"))
    check("bill of materials: the version", bill["metadata"]["component"]["version"] == VERSION)
    names = {part["name"] for part in bill["components"]}
    dependencies = {name for name in tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["dependencies"]}
    check("bill of materials: every dependency", dependencies <= names, f"{dependencies - names}")


def of_the_binary(binary):
    """What is true of the program in all of them."""
    check(f"the binary: {len(binary):,} bytes", len(binary) < LIMITS["oauthctl"] * MEGABYTE)
    headers = int.from_bytes(binary[32:40], "little")
    size, count = (int.from_bytes(binary[at : at + 2], "little") for at in (54, 56))
    kinds = {int.from_bytes(binary[headers + size * n : headers + size * n + 4], "little") for n in range(count)}
    check("the binary: needs no loader and no library", not kinds & {2, 3}, f"program headers {kinds}")  # DYNAMIC, INTERP
    paths = {str(ROOT), os.path.expanduser("~/.cargo"), os.environ.get("CARGO_HOME", "")} - {""}
    named = [path for path in paths if path.encode() in binary]
    check("the binary: no path of this machine", not named, f"{named}")


def archive(scratch, databases):
    """The binary in a root that holds nothing else."""
    print("== archive")
    with tarfile.open(only("*-linux-musl.tar.gz")) as opened:
        opened.extractall(scratch / "archive", filter="data")
    (directory,) = (scratch / "archive").iterdir()
    root = scratch / "alone"
    (root / "project").mkdir(parents=True)
    shutil.copy(directory / "oauthctl", root)
    works("archive", [*in_root(root), "/oauthctl"], root / "project", databases)
    verbs = re.findall(r"^  ([a-z-]+)  ", output([directory / "oauthctl", "--help"])[1], re.M)
    verbs = [verb for verb in verbs if verb != "help"]
    missing = [verb for verb in verbs if not (directory / f"man/oauthctl-{verb}.1").exists()]
    check(f"archive: manual pages of {len(verbs)} verbs", len(verbs) > 10 and not missing, f"{missing}")
    return (directory / "oauthctl").read_bytes()


def wheel(scratch, databases, binary):
    """pip without an index in an empty environment, and uv, which runs it without installing."""
    print("== wheel")
    path = only("*.whl")
    with zipfile.ZipFile(path) as opened:
        name = next(name for name in opened.namelist() if name.endswith("/scripts/oauthctl"))
        check("wheel: the same binary", opened.read(name) == binary)
        metadata = opened.read(f"oauthctl-{VERSION}.dist-info/METADATA").decode()
        licences = {name.rsplit("/", 1)[1] for name in opened.namelist() if "/licenses/" in name}
        named = [name for name in opened.namelist() if str(ROOT).encode() in opened.read(name)]
    check("wheel: the licences", licences == {"LICENSE-APACHE", "LICENSE-MIT"}, f"{licences}")
    check("wheel: no path of this machine", not named, f"{named}")
    check("wheel: the version", f"\nVersion: {VERSION}\n" in metadata)
    check("wheel: the description", f"\nSummary: {PACKAGE['description']}\n" in metadata)
    check("wheel: for glibc and musl", "manylinux2014" in path.name and "musllinux" in path.name, path.name)
    status, said = output([Path(sys.executable).with_name("twine"), "check", "--strict", path])
    check("wheel: twine check --strict", status == 0, said)

    environment = scratch / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = [environment / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
    status, said = output([*pip, "--no-index", "--find-links", DIST, "oauthctl"])
    check("wheel: pip install", status == 0, said)
    for name in ("pip", "uvx"):
        (scratch / name).mkdir()
    works("wheel with pip", [environment / "bin/oauthctl"], scratch / "pip", databases)
    uvx = [Path(sys.executable).with_name("uvx"), "--quiet", "--no-index", "--find-links", DIST, "oauthctl"]
    works("wheel with uvx", uvx, scratch / "uvx", databases, {"HOME": str(scratch), "UV_PYTHON": sys.executable})


def deb(scratch, databases, binary):
    """dpkg in an empty root."""
    print("== Debian package")
    path = only("*.deb")
    if not shutil.which("dpkg"):
        not_run.append("the Debian package (dpkg is not installed)")
        return
    fields = {field: output(["dpkg-deb", "-f", path, field])[1] for field in ("Package", "Version", "Depends", "Description")}
    check("deb: the version", re.fullmatch(re.escape(VERSION) + r"(-\d+)?", fields["Version"]) is not None, fields["Version"])
    check("deb: needs no other package", fields["Depends"] == "", fields["Depends"])
    root = scratch / "deb"
    for directory in ("project", "var/lib/dpkg/updates", "var/lib/dpkg/info"):
        (root / directory).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    if os.geteuid() == 0:
        status, said = output(["dpkg", f"--root={root}", "--log=/dev/null", "-i", path])
    else:
        not_run.append("dpkg --install (needs root); the package was unpacked instead")
        status, said = output(["dpkg-deb", "-x", path, root])
    check("deb: dpkg -i", status == 0, said)
    program = root / "usr/bin/oauthctl"
    check("deb: the same binary", program.read_bytes() == binary)
    works("deb", [*in_root(root), "/usr/bin/oauthctl"], root / "project", databases)
    units = root / "usr/lib/systemd/system"
    check("deb: units", {unit.name for unit in units.iterdir()} == {unit.name for unit in (ROOT / "examples/systemd").iterdir()})
    if shutil.which("systemd-analyze"):
        # Their paths are those of an installed system.
        copies = scratch / "units"
        copies.mkdir()
        for unit in units.iterdir():
            text = unit.read_text(encoding="utf-8").replace("/usr/bin/oauthctl", str(program))
            (copies / unit.name).write_text(text, encoding="utf-8")
        verify = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no"]
        status, said = output([*verify, *sorted(map(str, copies.iterdir()))])
        check("deb: systemd-analyze verify", status == 0, said)
    else:
        not_run.append("systemd-analyze (not installed)")
    if shutil.which("lintian"):
        status, said = output(["lintian", "--allow-root", "--fail-on", "error,warning", path])
        check("deb: lintian", status == 0, said)
    else:
        not_run.append("lintian (not installed)")


def image(scratch, databases, binary):
    """The layout's digests, and its program in its own root as its own user."""
    print("== image")
    path = only("*-image-*.tar")
    with tarfile.open(path) as opened:
        blobs = {entry.name: opened.extractfile(entry).read() for entry in opened if entry.isfile()}

    def blob(descriptor):
        data = blobs[descriptor["digest"].replace("sha256:", "blobs/sha256/")]
        good = f"sha256:{hashlib.sha256(data).hexdigest()}" == descriptor["digest"] and len(data) == descriptor["size"]
        check(f"image: the digest of {descriptor['mediaType']}", good)
        return data

    manifest = json.loads(blob(json.loads(blobs["index.json"])["manifests"][0]))
    config = json.loads(blob(manifest["config"]))
    root = scratch / "image"
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(blob(layer))) as opened:
            opened.extractall(root, filter="fully_trusted")
    check("image: the version", config["config"]["Labels"]["org.opencontainers.image.version"] == VERSION)
    check("image: the same binary", (root / "usr/bin/oauthctl").read_bytes() == binary)
    user = config["config"]["User"]
    (root / "project").mkdir()
    if os.geteuid() == 0:
        os.chown(root / "project", *map(int, user.split(":")))
    environment = dict(variable.split("=", 1) for variable in config["config"]["Env"])
    entry = config["config"]["Entrypoint"]
    # `chroot` itself is not in the image's PATH.
    environment["PATH"] = os.environ["PATH"]
    works("image", [*in_root(root, user), *entry], root / "project", databases, environment)
    if shutil.which("skopeo"):
        status, said = output(["skopeo", "inspect", f"oci-archive:{path}"])
        check("image: skopeo inspect", status == 0 and VERSION in said, said)
    else:
        not_run.append("skopeo (not installed)")


def main():
    """Everything, and what did not work."""
    with tempfile.TemporaryDirectory(prefix="oauthctl-packaging-") as scratch:
        scratch = Path(scratch)
        # Another user than root runs the image.
        scratch.chmod(0o755)
        databases = Databases()
        with databases.cluster:
            files()
            binary = archive(scratch, databases)
            of_the_binary(binary)
            wheel(scratch, databases, binary)
            deb(scratch, databases, binary)
            image(scratch, databases, binary)
    if not_run:
        print(f"Not run on this machine: {'; '.join(not_run)}")
    if failures:
        sys.exit(f"FAILED: {len(failures)}: {'; '.join(failures)}")
    print("Everything in dist/ works.")


if __name__ == "__main__":
    main()
