"""Models with the kinds of fields that pretix' have (2026): every token is linked to organizers, many to many; users have
no name; a log that protects what it is about."""

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from oauth2_provider.models import (
    AbstractAccessToken,
    AbstractApplication,
    AbstractGrant,
    AbstractIDToken,
    AbstractRefreshToken,
)


class Organizer(models.Model):
    slug = models.SlugField(unique=True)


class User(AbstractBaseUser):
    email = models.EmailField(unique=True, null=True)
    is_active = models.BooleanField(default=True)
    USERNAME_FIELD = "email"
    objects = BaseUserManager()


class OAuthApplication(AbstractApplication):
    active = models.BooleanField(default=True)

    class Meta(AbstractApplication.Meta):
        swappable = "OAUTH2_PROVIDER_APPLICATION_MODEL"


class OAuthGrant(AbstractGrant):
    organizers = models.ManyToManyField(Organizer)


class OAuthIDToken(AbstractIDToken):
    organizers = models.ManyToManyField(Organizer)


class OAuthAccessToken(AbstractAccessToken):
    organizers = models.ManyToManyField(Organizer)


class OAuthRefreshToken(AbstractRefreshToken):
    pass


class LogEntry(models.Model):
    oauth_application = models.ForeignKey(OAuthApplication, models.PROTECT, null=True)
