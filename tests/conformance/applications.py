"""What Django and DOT make of the applications that are in the database.

`judge` reads a JSON object of secrets by client id from stdin and prints one of verdicts by client id: the errors of
full_clean(), and whether check_password accepts the secret. It saves every application again, as an admin would who
opens one and changes nothing. `fill` makes applications in the ways that Django has for it, with odd data, and prints
how many there are.
"""

import json
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")

import django  # noqa: E402

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.auth.hashers import check_password, identify_hasher  # noqa: E402
from django.core.exceptions import ValidationError  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.forms import modelform_factory  # noqa: E402
from oauth2_provider.models import get_application_model  # noqa: E402

Application = get_application_model()
COLUMNS = {field.name for field in Application._meta.get_fields()}


def known(fields):
    """The ones that this release of DOT has."""
    return {name: value for name, value in fields.items() if name in COLUMNS}


def accepts(stored, secret):
    try:
        identify_hasher(stored)
    except ValueError:
        return stored == secret
    return check_password(secret, stored)


def judge():
    verdicts = {}
    secrets = json.load(sys.stdin)
    for application in Application.objects.all():
        stored = application.client_secret
        verdict = {"errors": None, "accepted": None}
        try:
            application.full_clean()
        except ValidationError as error:
            verdict["errors"] = error.message_dict
        application.save()
        application.refresh_from_db()
        assert application.client_secret == stored, application.client_id
        if application.client_id in secrets:
            verdict["accepted"] = accepts(stored, secrets[application.client_id])
        verdicts[application.client_id] = verdict
    print(json.dumps(verdicts))


def by_command():
    say = {"stdout": sys.stderr}
    code = ["public", "authorization-code"]
    uris = " ".join(f"https://{n}.example/cb?n={n}" for n in range(100))
    call_command("createapplication", "--client-id", "command", "--redirect-uris", uris, *code, **say)
    words = ["--client-id", "ünïcode 日本 💩", "--name", "Ünï\u200bcode \u202e日本 💩"]
    call_command("createapplication", *words, "confidential", "client-credentials", **say)
    call_command("createapplication", "--redirect-uris", "\n https://b.example/\x1c https://a.example/ ", *code, **say)
    if "hash_client_secret" in COLUMNS and "allowed_origins" in COLUMNS:
        words = ["--client-id", "in clear", "--client-secret", "hunter2", "--no-hash-client-secret", "--user", "7"]
        call_command("createapplication", *words, "--algorithm", "HS256", "confidential", "password", **say)


def by_form():
    """As the admin does it: text areas send CR LF, and every field is there."""
    fields = known(
        {
            "client_id": "form",
            "user": "7",
            "client_type": "confidential",
            "authorization_grant_type": "authorization-code",
            "client_secret": "hunter2",
            "name": "  Form\u3000",
            "redirect_uris": "https://b.example/\r\nhttps://a.example/\r\n\r\nhttps://b.example/",
            "post_logout_redirect_uris": "https://b.example/out\r\n\thttps://a.example/out",
            "allowed_origins": "https://a.example\r\nhttps://b.example",
            "hash_client_secret": "on",
            "skip_authorization": "on",
            "algorithm": "",
            "registration_source": "manual",
        }
    )
    form = modelform_factory(Application, fields=sorted(fields))(fields)
    assert form.is_valid(), form.errors
    form.save()


def by_orm():
    """What nobody validates."""
    kinds = {"client_type": "confidential", "authorization_grant_type": "client-credentials"}
    user = get_user_model().objects.get(pk=7)
    odd = [
        {"client_id": "plain", "client_secret": "hunter2", "hash_client_secret": False},
        {"client_id": "looks hashed", "client_secret": "argon2"},
        {"client_id": "empty", "client_secret": ""},
        {"client_id": "a.b \"c\" \\d 'e'", "name": "'''\"\"\"\\u0041\\", "user": user},
        {"client_id": "line\nbreak\ttab\x01\x7f\x85", "name": "a\r\nb\x1b[31m # c"},
        {"client_id": "# not a comment", "name": "x" * 255},
        {"client_id": "white space", "redirect_uris": " \n", "allowed_origins": "\t"},
        {"client_id": "no uris", "authorization_grant_type": "authorization-code"},
        {"client_id": "bad uri", "redirect_uris": "javascript:alert(1) com.example:/cb", "allowed_origins": "x"},
        {"client_id": "bad grant", "authorization_grant_type": "magic\n"},
        {"client_id": "dynamic", "registration_source": "dcr", "name": "Dynamic"},
        {"client_id": "rs256", "algorithm": "RS256"},
    ]
    for fields in odd:
        Application.objects.create(**{**kinds, **known(fields)})
    Application.objects.bulk_create([Application(client_id=f"bulk {n}", **kinds) for n in range(3)])


def fill():
    get_user_model().objects.create(pk=7, username='öps "7"')
    by_command()
    by_form()
    by_orm()
    print(Application.objects.count())


{"judge": judge, "fill": fill}[sys.argv[1]]()
