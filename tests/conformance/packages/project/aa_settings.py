"""Alliance Auth as its own template has it, with a Redis that is none."""

from allianceauth.project_template.project_name.settings.base import *  # noqa: F403
from allianceauth.project_template.project_name.settings.base import INSTALLED_APPS
from fakeredis import FakeConnection
from package_settings import DATABASES, DEFAULT_AUTO_FIELD, OAUTH2_PROVIDER  # noqa: F401

INSTALLED_APPS = [*INSTALLED_APPS, "allianceauth_oidc", "oauth2_provider"]
POOL = {"CONNECTION_POOL_KWARGS": {"connection_class": FakeConnection}}
CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://none/0", "OPTIONS": POOL}}
ROOT_URLCONF = "urls"
MIDDLEWARE = ["server.signed_in"]
CELERY_ALWAYS_EAGER = True
SITE_URL = "https://auth.example"
CSRF_TRUSTED_ORIGINS = [SITE_URL]
ESI_USER_CONTACT_EMAIL = "ops@auth.example"
ESI_SSO_CLIENT_ID = ESI_SSO_CLIENT_SECRET = "none"
ESI_SSO_CALLBACK_URL = f"{SITE_URL}/sso/callback"
OAUTH2_PROVIDER_APPLICATION_MODEL = "allianceauth_oidc.AllianceAuthApplication"
