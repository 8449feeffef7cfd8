"""The project: settings, URLs, the ASGI application and Celery. The apps never import it."""

from predex.celery import app as celery_app
