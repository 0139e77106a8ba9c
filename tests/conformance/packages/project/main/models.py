"""Models with the kinds of fields that AWX' had (DOT 1.7.1): secrets that the field encrypts, and an activity stream that
is linked many to many with tokens and applications."""

from base64 import b64decode, b64encode

from django.db import models
from oauth2_provider.models import (
    AbstractAccessToken,
    AbstractApplication,
    AbstractGrant,
    AbstractIDToken,
    AbstractRefreshToken,
)

MARK = "$encrypted$UTF8$AESCBC$"


class EncryptedField(models.CharField):
    """Stored in another form than it has in Python. Here it can be read by everybody."""

    def get_db_prep_value(self, value, connection, prepared=False):
        return MARK + b64encode(value.encode()).decode()

    def from_db_value(self, value, *_):
        return b64decode(value.removeprefix(MARK)).decode() if value.startswith(MARK) else value


class Organization(models.Model):
    name = models.CharField(max_length=512)


class OAuth2Application(AbstractApplication):
    description = models.TextField(default="", blank=True)
    logo_data = models.TextField(default="", editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, null=True)
    client_secret = EncryptedField(max_length=1024, blank=True, default="")

    class Meta:
        unique_together = ("name", "organization")


class OAuth2AccessToken(AbstractAccessToken):
    description = models.TextField(default="", blank=True)
    last_used = models.DateTimeField(null=True)


class OAuth2RefreshToken(AbstractRefreshToken):
    pass


class OAuth2IDToken(AbstractIDToken):
    pass


class OAuth2Grant(AbstractGrant):
    pass


class ActivityStream(models.Model):
    operation = models.CharField(max_length=13)
    o_auth2_application = models.ManyToManyField(OAuth2Application)
    o_auth2_access_token = models.ManyToManyField(OAuth2AccessToken)
