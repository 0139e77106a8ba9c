"""The Django project of a package, which OAUTHCTL_PACKAGE holds as packages.toml describes it."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from settings import *  # noqa: E402, F403 - what every project of these tests has
from settings import INSTALLED_APPS, OAUTH2_PROVIDER  # noqa: E402

PACKAGE = json.loads(os.environ["OAUTHCTL_PACKAGE"])

INSTALLED_APPS = [*INSTALLED_APPS, *PACKAGE["apps"]]
OAUTH2_PROVIDER = {**OAUTH2_PROVIDER, "REFRESH_TOKEN_EXPIRE_SECONDS": 3600, "SCOPES": {"read": "Read"}, "PKCE_REQUIRED": False}
globals().update(PACKAGE["settings"])
if migrations := os.environ.get("OAUTHCTL_MIGRATIONS"):
    # Of the models that stand here; made anew for each run.
    sys.path.insert(0, migrations)
    MIGRATION_MODULES = {app: f"{app}_migrations" for app in PACKAGE["models"]}
