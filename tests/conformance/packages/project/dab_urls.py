"""The endpoints of django-ansible-base."""

from ansible_base.oauth2_provider.urls import root_urls as urlpatterns  # noqa: F401
