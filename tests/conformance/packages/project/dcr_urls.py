"""DOT's endpoints, and the registration of django-oauth-toolkit-dcr."""

from django.urls import path
from oauth_dcr.views import DynamicClientRegistrationView
from urls import urlpatterns

urlpatterns = [*urlpatterns, path("register/", DynamicClientRegistrationView.as_view())]
