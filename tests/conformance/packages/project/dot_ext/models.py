"""Models with the kinds of fields that BlueButton's have (2026): the application alone is swapped, has a text whose name
announces a secret, files and scopes many to many; what is deleted is archived by a signal."""

from django.db import models
from django.db.models.signals import post_delete
from django.dispatch import receiver
from oauth2_provider.models import AbstractApplication


class ProtectedCapability(models.Model):
    slug = models.SlugField(unique=True)


class Application(AbstractApplication):
    scope = models.ManyToManyField(ProtectedCapability)
    agree = models.BooleanField(default=False)
    op_tos_uri = models.CharField(max_length=512, blank=True, default="")
    client_secret_plain = models.CharField(max_length=255, blank=True, default="")
    logo_uri = models.FileField(blank=True, default="")
    active = models.BooleanField(default=True)
    first_active = models.DateTimeField(blank=True, null=True)
    require_demographic_scopes = models.BooleanField(default=True, null=True)

    class Meta(AbstractApplication.Meta):
        swappable = "OAUTH2_PROVIDER_APPLICATION_MODEL"


class ArchivedToken(models.Model):
    token = models.TextField()


@receiver(post_delete, sender="oauth2_provider.AccessToken")
def archive(instance, **_):
    ArchivedToken.objects.create(token=instance.token)
