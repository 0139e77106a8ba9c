"""Judges URIs with the real Django OAuth Toolkit.

Reads JSON lines from stdin: {"purpose": "redirect_uri" | "allowed_origin", "uri": "…", "schemes": ["…"],
"wildcards": bool}. Prints first one line about this Python, then for each input a line: null where the validator
accepts, its message where it refuses.
"""

import json
import sys
import urllib.parse

from django.conf import settings

settings.configure(USE_I18N=False)

from django.core.exceptions import ValidationError  # noqa: E402
from oauth2_provider.validators import AllowedURIValidator  # noqa: E402


def ignore_text_beside_brackets():
    """Undoes a rule that newer patch releases of Python added to urlsplit and that the port does not have."""
    if hasattr(urllib.parse, "_check_bracketed_netloc"):
        check = urllib.parse._check_bracketed_host
        urllib.parse._check_bracketed_netloc = lambda netloc: check(netloc.partition("[")[2].partition("]")[0])


def splits(uri):
    try:
        return urllib.parse.urlsplit(uri)
    except ValueError:
        return None


def validator(purpose, schemes, wildcards):
    """As AbstractApplication.clean() makes them."""
    if purpose == "redirect_uri":
        return AllowedURIValidator(
            {scheme.lower() for scheme in schemes},
            name="redirect uri",
            allow_path=True,
            allow_query=True,
            allow_hostname_wildcard=wildcards,
        )
    return AllowedURIValidator(schemes, "allowed origin", allow_hostname_wildcard=wildcards)


def main():
    ignore_text_beside_brackets()
    about = {
        # Python before 3.11.4 does not look into brackets, nor drop leading controls.
        "checks_brackets": splits("https://[1.2.3.4]/") is None,
        "drops_leading_controls": splits("\x01https://x/").scheme == "https",
    }
    out = sys.stdout
    out.write(json.dumps(about) + "\n")
    validators = {}
    for line in sys.stdin:
        case = json.loads(line)
        key = (case["purpose"], tuple(case["schemes"]), case["wildcards"])
        if key not in validators:
            validators[key] = validator(case["purpose"], case["schemes"], case["wildcards"])
        try:
            validators[key](case["uri"])
            message = None
        except ValidationError as error:
            message = "\n".join(error.messages)
        out.write(json.dumps(message) + "\n")


main()
