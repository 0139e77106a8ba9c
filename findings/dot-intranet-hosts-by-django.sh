#!/usr/bin/env bash
# The same release of Django OAuth Toolkit accepts a redirect URI on one Django and refuses it on the next.
#
# Versions: django-oauth-toolkit 3.4.1 with Django 4.2.30, 5.0.14, 5.1.15 and 5.2.19.
#
# Behaviour: a host of one label (an intranet's) that begins with a letter outside of ASCII is a valid redirect URI on some of these
# versions of Django and "Enter a valid URL" on the others. A host with a dot, or one written in Punycode, is valid on all.
#
# Belief: which redirect URIs are valid is the toolkit's own rule (it has a validator of its own, AllowedURIValidator), so
# an upgrade of Django alone changes no application.
#
# Matters: the toolkit's validator builds on Django's URLValidator, which used to try the Punycode form of a refused
# address. Where that second try is gone, an application that was saved before cannot be saved any more: every save in
# the admin and every full_clean() fails on a field that nobody has changed, while tokens go on working. Who upgrades
# Django looks for such hosts first; written in Punycode they are valid before and after.
#
# Seen:
#> Django 4.2.30: https://überall/callback valid, https://überall.example/callback valid, https://xn--berall-2ya/callback valid
#> Django 5.0.14: https://überall/callback valid, https://überall.example/callback valid, https://xn--berall-2ya/callback valid
#> Django 5.1.15: https://überall/callback valid, https://überall.example/callback valid, https://xn--berall-2ya/callback valid
#> Django 5.2.19: https://überall/callback refused, https://überall.example/callback valid, https://xn--berall-2ya/callback valid
set -euo pipefail

export LC_ALL=C.UTF-8
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

cat >"$scratch/validate.py" <<'END'
import django
from django.conf import settings

settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"])
django.setup()

from django.core.exceptions import ValidationError
from oauth2_provider.models import Application


def verdict(uri):
    application = Application(
        client_type="public", authorization_grant_type="authorization-code", redirect_uris=uri, name="Intranet"
    )
    try:
        application.clean()
    except ValidationError:
        return "refused"
    return "valid"


uris = ["https://überall/callback", "https://überall.example/callback"]
uris.append("https://" + "überall".encode("idna").decode() + "/callback")
print(f"Django {django.get_version()}: " + ", ".join(f"{uri} {verdict(uri)}" for uri in uris))
END

for version in 4.2.30 5.0.14 5.1.15 5.2.19; do
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile \
        --target "$scratch/$version" "django==$version" django-oauth-toolkit==3.4.1
done

# The lines of the header that begin with "#>" are what was seen.
seen=$(for version in 4.2.30 5.0.14 5.1.15 5.2.19; do PYTHONPATH=$scratch/$version python3 "$scratch/validate.py"; done)
echo "$seen"
if ! diff <(sed -n 's/^#> //p' "$0") <(echo "$seen"); then
    echo "This is not what the header says." >&2
    exit 1
fi
