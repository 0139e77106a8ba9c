"""Models with the kinds of fields that PostHog's have (2026): UUID keys, arrays and JSON with a default in the database,
CHECK constraints, a long client_id, users without a name. Every model is swapped."""

import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Cast
from oauth2_provider.models import (
    AbstractAccessToken,
    AbstractApplication,
    AbstractGrant,
    AbstractIDToken,
    AbstractRefreshToken,
)


class Organization(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=64)


class User(AbstractBaseUser):
    uuid = models.UUIDField(default=uuid.uuid4, unique=True)
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    USERNAME_FIELD = "email"
    objects = BaseUserManager()


def no_scopes():
    return models.Value([], output_field=ArrayField(models.CharField(max_length=100)))


class OAuthApplication(AbstractApplication):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    client_id = models.CharField(max_length=2048, unique=True, default=uuid.uuid4)
    organization = models.ForeignKey(Organization, models.CASCADE, null=True)
    is_verified = models.BooleanField(default=False)
    is_dcr_client = models.BooleanField(default=False)
    is_cimd_client = models.BooleanField(default=False)
    logo_uri = models.URLField(blank=True, null=True)
    scopes = ArrayField(models.CharField(max_length=100), default=list, db_default=no_scopes())
    provisioning_config = models.JSONField(default=dict, db_default=Cast(models.Value("{}"), models.JSONField()))
    auth_brand = models.CharField(max_length=32, default="")

    class Meta(AbstractApplication.Meta):
        swappable = "OAUTH2_PROVIDER_APPLICATION_MODEL"
        constraints = [
            models.CheckConstraint(condition=models.Q(skip_authorization=False), name="never_skips"),
            models.CheckConstraint(condition=models.Q(algorithm="RS256"), name="enforce_rs256_algorithm"),
        ]


class OAuthAccessToken(AbstractAccessToken):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    scoped_teams = ArrayField(models.IntegerField(), null=True)
    scoped_organizations = ArrayField(models.CharField(max_length=36), null=True)


class OAuthRefreshToken(AbstractRefreshToken):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    scoped_teams = ArrayField(models.IntegerField(), null=True)


class OAuthIDToken(AbstractIDToken):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)


class OAuthGrant(AbstractGrant):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    scoped_teams = ArrayField(models.IntegerField(), null=True)
