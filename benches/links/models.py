"""Many-to-many fields to DOT's models. Django makes their tables, and deletes their rows with the tokens."""

from django.db import models
from oauth2_provider.models import AccessToken, Grant, IDToken


class Organizer(models.Model):
    access_tokens = models.ManyToManyField(AccessToken)
    id_tokens = models.ManyToManyField(IDToken)
    grants = models.ManyToManyField(Grant)

    class Meta:
        db_table = "organizer"
