"""WSGI entry point of the web processes."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django_application = get_wsgi_application()

from common.bodies import BodyPace  # noqa: E402  it reads the settings, which stand only now

application = BodyPace(django_application)
