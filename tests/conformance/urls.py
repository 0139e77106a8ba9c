"""The endpoints of DOT, for server.py and for DOT's checks."""

from django.urls import include, path

urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]
