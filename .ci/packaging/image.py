"""Writes a container image as a tar file: an OCI image layout, made without a daemon.

    python3 image.py --binary FILE --certificates FILE --version V --revision COMMIT --created EPOCH --output FILE

`docker load`, `podman load` and `skopeo copy oci-archive:FILE` read it. The same arguments make the same bytes, as long
as Python's zlib is the same.
"""

import argparse
import gzip
import hashlib
import io
import json
import tarfile
import time
from pathlib import Path

# The user of examples/kubernetes and examples/compose: `nobody`.
USER = 65534
ARCHITECTURES = {62: "amd64", 183: "arm64"}  # e_machine of ELF
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def add(archive, name, created, data=None, mode=0o644):
    """A file of root's, or a directory."""
    entry = tarfile.TarInfo(name)
    entry.mtime, entry.mode, entry.uname, entry.gname = created, mode, "", ""
    if data is None:
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
    else:
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))


def tar(entries, created):
    """The bytes of a tar file with (name, data or None, mode)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data, mode in entries:
            add(archive, name, created, data, mode)
    return buffer.getvalue()


def layer(binary, certificates):
    """What the image holds. There is no shell in it."""
    return [
        ("etc", None, 0o755),
        ("etc/group", f"root:x:0:\nnogroup:x:{USER}:\n".encode(), 0o644),
        ("etc/oauthctl", None, 0o755),
        ("etc/passwd", f"root:x:0:0::/:/\nnobody:x:{USER}:{USER}::/:/\n".encode(), 0o644),
        ("etc/ssl", None, 0o755),
        ("etc/ssl/certs", None, 0o755),
        (BUNDLE.removeprefix("/"), certificates, 0o644),
        ("tmp", None, 0o1777),
        ("usr", None, 0o755),
        ("usr/bin", None, 0o755),
        ("usr/bin/oauthctl", binary, 0o755),
    ]


def document(value):
    """JSON with one form."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class Blobs:
    """Files that are named by their digest."""

    def __init__(self):
        self.files = {}

    def put(self, media_type, data, **more):
        """Keeps it, and says how others refer to it."""
        digest = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{digest}"] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}


def layout(binary, certificates, arguments):
    """The entries of the layout."""
    oci = "application/vnd.oci.image"
    blobs = Blobs()
    content = tar(layer(binary, certificates), arguments.created)
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(arguments.created))
    architecture = ARCHITECTURES[int.from_bytes(binary[18:20], "little")]
    labels = {
        "org.opencontainers.image.title": "oauthctl",
        "org.opencontainers.image.description": arguments.description,
        "org.opencontainers.image.licenses": arguments.licence,
        "org.opencontainers.image.version": arguments.version,
        "org.opencontainers.image.revision": arguments.revision,
        "org.opencontainers.image.created": created,
    }
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": {
            "User": f"{USER}:{USER}",
            "Env": ["PATH=/usr/bin", f"SSL_CERT_FILE={BUNDLE}"],
            "Entrypoint": ["/usr/bin/oauthctl"],
            "WorkingDir": "/etc/oauthctl",
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}"]},
        "history": [{"created": created, "created_by": "oauthctl"}],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{oci}.manifest.v1+json",
        "config": blobs.put(f"{oci}.config.v1+json", document(config)),
        "layers": [blobs.put(f"{oci}.layer.v1.tar+gzip", gzip.compress(content, 9, mtime=0))],
        "annotations": labels,
    }
    index = {
        "schemaVersion": 2,
        "mediaType": f"{oci}.index.v1+json",
        "manifests": [
            blobs.put(
                manifest["mediaType"],
                document(manifest),
                platform={"architecture": architecture, "os": "linux"},
                annotations={
                    "org.opencontainers.image.ref.name": arguments.version,
                    # What `docker load` calls it.
                    "io.containerd.image.name": f"docker.io/library/oauthctl:{arguments.version}",
                },
            )
        ],
    }
    files = {"oci-layout": document({"imageLayoutVersion": "1.0.0"}), "index.json": document(index), **blobs.files}
    directories = [("blobs", None, 0o755), ("blobs/sha256", None, 0o755)]
    return directories + [(name, data, 0o644) for name, data in sorted(files.items())]


def main():
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("binary", "certificates", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("version", "revision", "description", "licence"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--created", type=int, required=True)
    arguments = parser.parse_args()
    entries = layout(arguments.binary.read_bytes(), arguments.certificates.read_bytes(), arguments)
    arguments.output.write_bytes(tar(entries, arguments.created))


if __name__ == "__main__":
    main()
