"""Checks client secrets as the real Django OAuth Toolkit does.

Reads JSON lines from stdin: {"stored": "…", "secret": "…"}. Prints for each a line:
{"identified": name of the hasher or null, "accepted": bool, "failed": bool}; failed where the server would answer 500.
Every hasher that Django 5.2 ships is installed.
"""

import json
import sys

from django.conf import settings

HASHERS = ["PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt", "MD5"]
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}PasswordHasher" for name in HASHERS],
    USE_I18N=False,
)

import django  # noqa: E402

django.setup()

from django.contrib.auth.hashers import identify_hasher  # noqa: E402
from oauth2_provider.oauth2_validators import OAuth2Validator  # noqa: E402


def identified(stored):
    try:
        return identify_hasher(stored).algorithm
    except ValueError:
        return None


def main():
    # Whatever its setting for new hashes: a failed look-up must not cost a million iterations.
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    PBKDF2PasswordHasher.iterations = 1
    check = OAuth2Validator()._check_secret
    for line in sys.stdin:
        case = json.loads(line)
        answer = {"identified": identified(case["stored"]), "accepted": False, "failed": False}
        try:
            answer["accepted"] = check(case["secret"], case["stored"])
        except Exception:
            answer["failed"] = True
        sys.stdout.write(json.dumps(answer) + "\n")


main()
