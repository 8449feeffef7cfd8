"""What programs of the exchange import from elsewhere: most of what their start costs.

`tests.forks` has it imported once, in the process from which they are forked. Nothing here may
read settings or the environment, or begin a loop, a thread or Twisted's reactor. The collector of
garbage leaves it alone: going through it takes a program a third of its start.
"""

import gc

import amqp
import argon2
import asgiref.sync
import autobahn.wamp.message
import autobahn.websocket.protocol
import celery
import celery.app.amqp
import celery.app.base
import celery.apps.worker
import celery.beat
import celery.bin.celery
import celery.schedules
import celery.worker
import channels.generic.websocket
import channels.layers
import channels_redis.core
import cryptography.fernet
import cryptography.hazmat.primitives.asymmetric.ed25519
import cryptography.hazmat.primitives.serialization
import cryptography.x509
import django.contrib.admin
import django.contrib.messages.storage.fallback
import django.contrib.postgres.fields
import django.core.handlers.asgi
import django.core.mail
import django.core.management.commands.migrate
import django.db.backends.postgresql.base
import django.db.backends.sqlite3.base
import django.forms
import django.template.defaulttags
import django.template.loader_tags
import django.views.generic
import environ
import fido2.webauthn
import httpx
import inflection
import jsonschema
import jwt
import kombu.transport.redis
import msgspec.inspect
import prometheus_client.openmetrics.exposition
import psycopg
import psycopg_pool
import redis
import redis.asyncio
import requests
import rest_framework.serializers
import rich.console
import rich.traceback
import service_identity
import sqlparse
import structlog
import twisted.internet.ssl
import twisted.internet.tcp
import twisted.web.http
import uritemplate
import uvicorn
import uvicorn.protocols.http.httptools_impl
import websockets.asyncio.server
import whitenoise
import yaml

gc.collect()
gc.freeze()
