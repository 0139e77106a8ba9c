"""pretix' own settings, which it takes from the environment."""

import os

os.environ |= {
    "PRETIX_DATABASE_BACKEND": "postgresql",
    "PRETIX_DATABASE_NAME": os.environ["PGDATABASE"],
    "PRETIX_DATABASE_HOST": os.environ["PGHOST"],
    "PRETIX_DATABASE_PORT": os.environ["PGPORT"],
    "PRETIX_DATABASE_USER": os.environ["PGUSER"],
    "PRETIX_PRETIX_DATADIR": os.getcwd(),
    "PRETIX_PRETIX_URL": "http://testserver",
}

from pretix.settings import *  # noqa: E402, F403
