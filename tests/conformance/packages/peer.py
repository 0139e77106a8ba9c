"""Runs a package's own code on a database, in the package's own environment. run.py calls it; JSON in, JSON out.

seed             applications, tokens around each of the instants that a cleanup looks at, and rows linked to them
read             loads every row of every model of DOT's and of those that refer to them
save             saves every application again
clear SOURCE     clear_expired() as the models.py at SOURCE has it, over the models here
cleartokens      the command of the DOT that is here
delete CLIENT    the ORM's deletion of an application
ask              the answers of the token endpoint to clients with their secrets
tables           the tables of the swappable models, and every table that belongs to them
"""

import ast
import json
import os
import sys
import time
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import django

django.setup()

import oauth2_provider.models as dot  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.auth.hashers import PBKDF2PasswordHasher  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import models  # noqa: E402
from django.utils import timezone as django_time  # noqa: E402

PBKDF2PasswordHasher.iterations = 1000
NOW = datetime.fromisoformat(os.environ["OAUTHCTL_NOW"])
# The package as packages.toml describes it.
PACKAGE = json.loads(os.environ["OAUTHCTL_PACKAGE"])
LIFETIME = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)

Application = dot.get_application_model()
Access, Refresh = dot.get_access_token_model(), dot.get_refresh_token_model()
Grant, IDToken = dot.get_grant_model(), dot.get_id_token_model()
MODELS = [Application, Access, Refresh, IDToken, Grant]


def filler(field):
    """A value for what has to have one and is not given."""
    if field.is_relation:
        return field.related_model._base_manager.first() or make(field.related_model)
    if isinstance(field, (models.DateTimeField, models.DateField)):
        return NOW
    if isinstance(field, (models.CharField, models.TextField)):
        filler.count += 1
        return f"text-{filler.count}" if field.unique else "text"
    return 1


filler.count = 0


def make(model, **given):
    """A row with everything that the model asks for."""
    for field in model._meta.concrete_fields:
        known = field.name in given or field.has_default() or getattr(field, "auto_now", False)
        optional = field.null or (field.blank and not field.unique)
        if not (known or optional or field.primary_key or getattr(field, "auto_now_add", False)):
            given[field.name] = filler(field)
    names = {field.name for field in model._meta.concrete_fields}
    return model._base_manager.create(**{name: value for name, value in given.items() if name in names})


def link(instance):
    """A row in every table of links that begins or ends here, and in every table of the project's own whose rows are deleted with them."""
    for field in instance._meta.many_to_many:
        target = field.related_model._base_manager.first() or make(field.related_model)
        getattr(instance, field.name).add(target)
    for relation in instance._meta.related_objects:
        if relation.many_to_many and relation.related_model._meta.get_field(relation.field.name).remote_field.through._meta.auto_created:
            getattr(make(relation.related_model), relation.field.name).add(instance)
        elif relation.related_model not in MODELS and relation.on_delete is not models.PROTECT:
            make(relation.related_model, **{relation.field.name: instance})
    return instance


def client(client_id, grant, secret, **fields):
    kinds = {"client_type": "confidential", "authorization_grant_type": grant, "algorithm": PACKAGE["algorithm"]}
    uris = "https://web.example/cb" if "code" in grant else ""
    return link(make(Application, client_id=client_id, name=client_id, client_secret=secret, redirect_uris=uris, **kinds, **fields))


def seed():
    User = get_user_model()
    user = User._base_manager.first() or make(User, **{User.USERNAME_FIELD: PACKAGE["user"]})
    if hasattr(user, "set_password"):
        user.set_password("the password")
        user.save()
    if "registers" in PACKAGE:
        from django.test import Client

        asked = {"client_name": "Registered", "redirect_uris": ["https://registered.example/cb"]}
        answer = Client().post("/register/", json.dumps(asked), content_type="application/json")
        assert answer.status_code == 201, answer.content
    secrets = {name: f"the-first-secret-of-{name}" for name in ["web", "gone", "service", "rotated"]}
    for name, secret in secrets.items():
        client(name, "authorization-code" if name in ("web", "gone") else PACKAGE["grant"], secret, user=user)
    expiries = [NOW - LIFETIME, NOW - LIFETIME + MOMENT, NOW - MOMENT, NOW, NOW + LIFETIME]
    revocations = [None, NOW - 2 * LIFETIME, NOW, NOW + MOMENT]
    number = 0
    for client_id, expires, revoked, kind in product(["web", "gone"], expiries, revocations, ["alone", "pair", "orphan", "id"]):
        if kind in ("alone", "id") and revoked:
            continue
        number += 1
        common = {"user": user, "application": Application.objects.get(client_id=client_id)}
        id_token = None
        if kind in ("id", "pair"):
            id_token = link(make(IDToken, expires=expires, scope="read", **common))
        access = None
        if kind != "orphan":
            of = {} if kind == "id" else {"id_token": id_token}
            access = link(make(Access, token=f"access-{number}", expires=expires, scope="read", **of, **common))
        if kind in ("pair", "orphan"):
            refresh = link(make(Refresh, token=f"refresh-{number}", access_token=access, revoked=revoked, **common))
        if kind == "pair" and revoked:
            after = {"token": f"next-{number}", "source_refresh_token": refresh}
            link(make(Access, expires=expires, scope="read", **after, **common))
        if kind == "alone":
            link(make(Grant, code=f"code-{number}", expires=expires, redirect_uri="https://web.example/cb", scope="read", **common))
    return secrets


def read():
    seen = {model for model in MODELS}
    seen |= {relation.related_model for model in MODELS for relation in model._meta.related_objects}
    return sum(len([str(row) for row in model._base_manager.all()]) for model in seen)


def save():
    for application in Application.objects.all():
        application.save()
    return read()


def clear(source):
    """The functions as they stand there; their names are looked up in the models that are here."""
    tree = ast.parse(Path(source).read_text(encoding="utf-8"))
    wanted = ["clear_expired", "refresh_token_expire_timedelta"]
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in wanted]
    settings = SimpleNamespace(
        CLEAR_EXPIRED_TOKENS_BATCH_SIZE=10_000,
        CLEAR_EXPIRED_TOKENS_BATCH_INTERVAL=0,
        REFRESH_TOKEN_EXPIRE_SECONDS=LIFETIME.total_seconds(),
        REFRESH_TOKEN_GRACE_PERIOD_SECONDS=0,
        REFRESH_TOKEN_REUSE_PROTECTION=False,
    )
    clock = SimpleNamespace(now=lambda: NOW)
    names = {**vars(dot), "time": time, "timedelta": timedelta, "timezone": clock, "oauth2_settings": settings}
    exec(compile(tree, source, "exec"), names)  # noqa: S102
    names["clear_expired"]()


def cleartokens():
    django_time.now = lambda: NOW
    call_command("cleartokens", stdout=sys.stderr)


def delete(client_id):
    Application.objects.get(client_id=client_id).delete()


def ask():
    from django.conf import settings
    from django.test import Client

    settings.ALLOWED_HOSTS = ["*"]
    answers = []
    for client_id, secret in json.load(sys.stdin):
        answer = Client().post(PACKAGE["token_url"], {**PACKAGE["form"], "client_id": client_id, "client_secret": secret})
        answers.append([answer.status_code, answer.content.decode(errors="replace")[:200]])
    return answers


def tables():
    names = ["application", "access_token", "refresh_token", "id_token", "grant"]
    swappable = {name: model._meta.db_table for name, model in zip(names, MODELS)}
    if hasattr(dot, "get_device_grant_model"):
        swappable["device_grant"] = dot.get_device_grant_model()._meta.db_table
    return {"swappable": swappable, "user": get_user_model()._meta.db_table}


COMMANDS = {function.__name__: function for function in (seed, read, save, clear, cleartokens, delete, ask, tables)}
print(json.dumps(COMMANDS[sys.argv[1]](*sys.argv[2:])))
