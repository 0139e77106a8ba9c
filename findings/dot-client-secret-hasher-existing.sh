#!/usr/bin/env bash
# Changing CLIENT_SECRET_HASHER changes nothing for a client that exists: its hash stays when it is used and when saved.
#
# Versions: django-oauth-toolkit 3.4.1, Django 5.2.19, oauthlib 4.0.1; SQLite in memory.
#
# Behaviour: the hash of a client secret is written once. Neither a successful token request nor saving the application
# renews it, whatever the setting says and however old its work factor is. A user's password, checked by Django with the
# same hashers, is hashed anew at the next login.
#
# Belief: the toolkit stores secrets with Django's hashers, and Django brings a hash up to the preferred hasher at each
# successful check ("password upgrading"); so clients follow the setting with their next token, as users do.
#
# Matters: the setting exists because a million rounds of PBKDF2 at each token request cost a good part of a second of
# CPU; an operator who sets a cheap hasher sees no change for any client that he has, only for new ones. The other way
# round, after hashes of old Djangos (20,000 rounds) were found, raising the work factor reaches no client either. In
# both directions only a new secret helps, so a client's owner is needed; SELECT client_secret LIKE 'pbkdf2_sha256$20000$%'
# says who is left.
#
# Seen:
#> a user's hash, before login: pbkdf2_sha256$20000
#> a user's hash, after login: pbkdf2_sha256$1000000
#> a client's hash, before its token: pbkdf2_sha256$20000
#> a client's hash, after its token (HTTP 200): pbkdf2_sha256$20000
#> a client's hash, after save(): pbkdf2_sha256$20000
#> with CLIENT_SECRET_HASHER=scrypt, a client's hash, after its token (HTTP 200) and save(): pbkdf2_sha256$20000
#> with CLIENT_SECRET_HASHER=scrypt, a new client's hash: scrypt
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile --target "$scratch/python" \
    django==5.2.19 django-oauth-toolkit==3.4.1 oauthlib==4.0.1

cat >"$scratch/urls.py" <<'END'
from django.urls import include, path

urlpatterns = [path("o/", include("oauth2_provider.urls"))]
END
cat >"$scratch/provider.py" <<'END'
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="not a secret",
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF="urls",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    PASSWORD_HASHERS=[
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.ScryptPasswordHasher",
    ],
)
django.setup()

from django.contrib.auth import authenticate
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, override_settings
from oauth2_provider.models import Application

call_command("migrate", verbosity=0)
old = PBKDF2PasswordHasher().encode("long and random", "some-salt", iterations=20_000)


def shown(stored):
    name, rounds = stored.split("$")[:2]
    return f"{name}${rounds}" if name.startswith("pbkdf2") else name


user = User.objects.create(username="someone", password=old)
print("a user's hash, before login:", shown(user.password))
authenticate(username="someone", password="long and random")
user.refresh_from_db()
print("a user's hash, after login:", shown(user.password))

client = Application.objects.create(
    client_type="confidential", authorization_grant_type="client-credentials", client_secret=old
)


def token():
    body = {"grant_type": "client_credentials", "client_id": client.client_id, "client_secret": "long and random"}
    status = Client().post("/o/token/", body).status_code
    client.refresh_from_db()
    return status


print("a client's hash, before its token:", shown(client.client_secret))
print(f"a client's hash, after its token (HTTP {token()}):", shown(client.client_secret))
client.save()
client.refresh_from_db()
print("a client's hash, after save():", shown(client.client_secret))
with override_settings(OAUTH2_PROVIDER={"CLIENT_SECRET_HASHER": "scrypt"}):
    status = token()
    client.save()
    client.refresh_from_db()
    print(
        f"with CLIENT_SECRET_HASHER=scrypt, a client's hash, after its token (HTTP {status}) and save():",
        shown(client.client_secret),
    )
    new = Application.objects.create(client_type="confidential", authorization_grant_type="client-credentials")
    new.refresh_from_db()
    print("with CLIENT_SECRET_HASHER=scrypt, a new client's hash:", shown(new.client_secret))
END

# The lines of the header that begin with "#>" are what was seen.
seen=$(PYTHONPATH=$scratch:$scratch/python python3 "$scratch/provider.py")
echo "$seen"
if ! diff <(sed -n 's/^#> //p' "$0") <(echo "$seen"); then
    echo "This is not what the header says." >&2
    exit 1
fi
