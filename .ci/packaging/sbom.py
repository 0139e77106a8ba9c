"""Reads cargo-cyclonedx's bill of materials and prints one that is the same for each build of the same commit.

    python3 sbom.py FILE --source DIRECTORY --created EPOCH

The serial number is random and the time is that of the run: the first is left out, which the format allows, and the
second becomes that of the commit. The directory of the source is no one's business.
"""

import argparse
import json
import sys
import time
from pathlib import Path


def main():
    """Prints the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--source", required=True)
    parser.add_argument("--created", type=int, required=True)
    arguments = parser.parse_args()
    text = arguments.file.read_text(encoding="utf-8")
    bill = json.loads(text.replace(f"file://{arguments.source}", "file:///oauthctl"))
    bill.pop("serialNumber", None)
    bill["metadata"]["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(arguments.created))
    json.dump(bill, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
