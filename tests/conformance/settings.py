"""A Django project with nothing but users and OAuth. The database and DOT's settings come from the environment."""

import json
import os

SECRET_KEY = "not a secret: this project serves nobody"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "oauth2_provider",
    *json.loads(os.environ.get("OAUTHCTL_APPS", "[]")),
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["PGDATABASE"],
        "HOST": os.environ["PGHOST"],
        "PORT": os.environ["PGPORT"],
        "USER": os.environ["PGUSER"],
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "urls"
USE_TZ = True
ALLOWED_HOSTS = ["localhost"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
MIDDLEWARE = ["server.signed_in"]
OAUTH2_PROVIDER = json.loads(os.environ.get("OAUTH2_PROVIDER", "{}"))
