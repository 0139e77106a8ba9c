"""Creates applications in one Django process; prints the seconds without Django's start. Arguments: the way, how many."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests/conformance"))
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"

import django  # noqa: E402

django.setup()

from django.db import transaction  # noqa: E402
from oauth2_provider.models import get_application_model  # noqa: E402

Application = get_application_model()


def application(n):
    return Application(
        client_id=f"client-{n:05}",
        name=f"Client {n}",
        client_type="confidential",
        authorization_grant_type="authorization-code",
        redirect_uris=f"https://{n}.example.com/callback https://{n}.example.com/silent",
        hash_client_secret=False,
    )


way, count = sys.argv[1], int(sys.argv[2])
started = time.monotonic()
with transaction.atomic():
    if way == "bulk_create":
        Application.objects.bulk_create([application(n) for n in range(count)], batch_size=1000)
    else:
        for n in range(count):
            one = application(n)
            one.full_clean()
            one.save()
print(time.monotonic() - started)
