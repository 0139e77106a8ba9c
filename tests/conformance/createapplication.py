"""Runs createapplication of the real Django OAuth Toolkit, in the database that libpq's variables name.

The argument is a JSON list of command lines. Prints a JSON list with an object for each: {"stdout": "…", "errors": null,
or a list of [field, message] where validation failed}.
"""

import ast
import io
import json
import os
import sys

from django.conf import settings

settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ["PGHOST"],
            "PORT": os.environ["PGPORT"],
            "USER": os.environ["PGUSER"],
            "NAME": os.environ["PGDATABASE"],
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_I18N=False,
    USE_TZ=True,
)

import django  # noqa: E402

django.setup()

from django.contrib.auth.hashers import PBKDF2PasswordHasher  # noqa: E402
from django.core.management import call_command  # noqa: E402

TITLE = "Please correct the following errors:\n"


def errors(text):
    """Reads ` - field: ['message', …]` lines."""
    found = []
    for line in text[len(TITLE) :].splitlines():
        field, messages = line.strip().removeprefix("- ").split(": ", 1)
        found.extend([field, message] for message in ast.literal_eval(messages))
    return found


def main():
    PBKDF2PasswordHasher.iterations = 1
    answers = []
    for line in json.loads(sys.argv[1]):
        out = io.StringIO()
        call_command("createapplication", *line, stdout=out, no_color=True)
        text = out.getvalue()
        answers.append({"stdout": text, "errors": errors(text) if text.startswith(TITLE) else None})
    print(json.dumps(answers))


main()
