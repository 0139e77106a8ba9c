#!/usr/bin/env bash
# With USE_TZ = False, Django OAuth Toolkit's introspection says "active" and an expiry that is hours off.
#
# Versions: django-oauth-toolkit 3.4.1, Django 5.2.19, oauthlib 4.0.1; SQLite in memory.
#
# Behaviour: the endpoint takes the wall-clock time of AccessToken.expires for UTC. With USE_TZ = False that column is in
# TIME_ZONE, so "exp" is wrong by the zone's offset. West of Greenwich a fresh one-hour token is introspected as
# {"active": true, "exp": <four hours ago>}. The token response ("expires_in") and the provider's own check of the token
# are right, so nothing is amiss on the provider itself.
#
# Belief: USE_TZ says how Django stores datetimes; what goes out is a Unix timestamp, the same in every zone. The
# toolkit's resource-server side handles both settings of USE_TZ, and its settings page does not ask for one.
#
# Matters: USE_TZ = False was Django's default until 5.0 and is what older projects set. A resource server of another
# make (a gateway that follows RFC 7662 and looks at "exp") refuses every token or caches it for the wrong time, and
# changes its mind twice a year. Tests in UTC, as CI runs, do not show it.
#
# Seen (seconds from now, rounded to a minute; the zones have no summer time):
#> USE_TZ=True, TIME_ZONE=America/Bogota: expires_in 3600, active true, exp in 3600
#> USE_TZ=False, TIME_ZONE=UTC: expires_in 3600, active true, exp in 3600
#> USE_TZ=False, TIME_ZONE=America/Bogota: expires_in 3600, active true, exp in -14400
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
cat >"$scratch/provider_settings.py" <<'END'
import os

SECRET_KEY = "not a secret"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = os.environ["ASKED_USE_TZ"] == "True"
TIME_ZONE = os.environ["ASKED_TIME_ZONE"]
OAUTH2_PROVIDER = {"ACCESS_TOKEN_EXPIRE_SECONDS": 3600, "SCOPES": {"introspection": "ask about tokens"}}
END
cat >"$scratch/provider.py" <<'END'
import base64
import time

import django

django.setup()

from django.core.management import call_command
from django.test import Client
from oauth2_provider.models import Application

call_command("migrate", verbosity=0)
application = Application(client_type="confidential", authorization_grant_type="client-credentials")
secret = application.client_secret
application.save()
credentials = base64.b64encode(f"{application.client_id}:{secret}".encode()).decode()
browser = Client(headers={"authorization": f"Basic {credentials}"})
issued = browser.post("/o/token/", {"grant_type": "client_credentials"}).json()
said = browser.post("/o/introspect/", {"token": issued["access_token"]}).json()
ahead = round((said["exp"] - time.time()) / 60) * 60
print(f"expires_in {issued['expires_in']}, active {str(said['active']).lower()}, exp in {ahead}")
END

export PYTHONPATH=$scratch:$scratch/python DJANGO_SETTINGS_MODULE=provider_settings
observe() {
    local use_tz zone
    while read -r use_tz zone; do
        echo "USE_TZ=$use_tz, TIME_ZONE=$zone:" \
            "$(ASKED_USE_TZ=$use_tz ASKED_TIME_ZONE=$zone python3 "$scratch/provider.py")"
    done <<<$'True America/Bogota\nFalse UTC\nFalse America/Bogota'
}

# The lines of the header that begin with "#>" are what was seen.
seen=$(observe)
echo "$seen"
if ! diff <(sed -n 's/^#> //p' "$0") <(echo "$seen"); then
    echo "This is not what the header says." >&2
    exit 1
fi
