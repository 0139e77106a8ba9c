"""DOT's checks want a URL configuration."""

urlpatterns = []
