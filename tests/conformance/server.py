"""Serves Django with DOT at /o/ on a free port of localhost; prints the port. Ends with its standard input."""

import os
import socketserver
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


def signed_in(get_response):
    """Whoever asks is the first user: how people sign in is no business of DOT's."""

    def middleware(request):
        from django.contrib.auth import get_user_model

        request.user = get_user_model().objects.order_by("pk").first()
        # There is no form to protect here, and without a session no token for one.
        request._dont_enforce_csrf_checks = True
        return get_response(request)

    return middleware


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
    from django.core.wsgi import get_wsgi_application

    server = make_server("localhost", 0, get_wsgi_application(), server_class=Server, handler_class=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
