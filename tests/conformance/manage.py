"""Django's manage.py; with OAUTHCTL_NOW in the environment the clock stands still at that instant (ISO 8601)."""

import os
import sys
from datetime import datetime

from django.core.management import execute_from_command_line
from django.utils import timezone

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
    if instant := os.environ.get("OAUTHCTL_NOW"):
        frozen = datetime.fromisoformat(instant)
        timezone.now = lambda: frozen
    execute_from_command_line(sys.argv)
