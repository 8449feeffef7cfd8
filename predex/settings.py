"""Every setting, from the environment (or a git-ignored `.env`; the environment wins).

DATABASE_URL and REDIS_URL are the switches: without REDIS_URL the exchange is *embedded*, one
process with an in-memory channel layer, engine and scheduler inside. Secrets have no default.
What an operator decides (sign-up, fees, names) is not here but in the audited policy row.
"""

from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONCE, NONE, SELF

from predex.checks import DEBUG_SECRET_PREFIX, refuse_unsafe
from predex.logging import build_logging
from predex.stores import configure_caches, configure_channel_layers, configure_database

VERSION = "0.1.0"
BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(env.str("PREDEX_ENV_FILE", default=str(BASE_DIR / ".env")))

# --- what this process is ---------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000")
SITE_IS_HTTPS = SITE_URL.startswith("https://")
ALLOW_PLAIN_HTTP = env.bool("ALLOW_PLAIN_HTTP", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[SITE_URL])

# --- secrets ----------------------------------------------------------------------------------


def _secret(name: str) -> str:
    """A secret from the environment; while DEBUG is on, one that everybody knows."""
    return env.str(name, default=f"{DEBUG_SECRET_PREFIX}{name.lower()}" * 2 if DEBUG else "")


SECRET_KEY = _secret("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
API_KEY_PEPPER = _secret("API_KEY_PEPPER")
JWT_SIGNING_KEY = _secret("JWT_SIGNING_KEY")

# --- where the data is ------------------------------------------------------------------------
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / "data")))
DATABASE_URL = env.str("DATABASE_URL", default="")
if not DATABASE_URL:
    DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    DATABASE_URL = f"sqlite:///{DATA_DIR / 'predex.sqlite3'}"
REDIS_URL = env.str("REDIS_URL", default="")
REDIS_PREFIX = env.str("REDIS_PREFIX", default="predex")  # sites that share one Redis differ here
EMBEDDED = not REDIS_URL
DATABASES = {
    "default": configure_database(
        environ.Env.db_url_config(DATABASE_URL),
        pool_connections_max=env.int("DATABASE_POOL_MAX", default=16),
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS = configure_channel_layers(REDIS_URL, prefix=REDIS_PREFIX)
CACHES = configure_caches(REDIS_URL, prefix=REDIS_PREFIX)

# --- the engine and the doors -----------------------------------------------------------------
ENGINE_SHARDS = env.int("ENGINE_SHARDS", default=1)
BODY_BYTES_MAX = env.int("BODY_BYTES_MAX", default=256 * 1024)
DATA_UPLOAD_MAX_MEMORY_SIZE = BODY_BYTES_MAX
JWT_ACCESS_SECONDS = env.int("JWT_ACCESS_SECONDS", default=15 * 60)
JWT_REFRESH_SECONDS = env.int("JWT_REFRESH_SECONDS", default=30 * 24 * 3600)
FEED_FRAMES_PER_SECOND = env.int("FEED_FRAMES_PER_SECOND", default=20)
FEED_SOCKETS_PER_ADDRESS_MAX = env.int("FEED_SOCKETS_PER_ADDRESS_MAX", default=200)

# --- Celery: a trigger only; embedded, the scheduler inside `serve` calls the same functions -----
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_TASK_ALWAYS_EAGER = EMBEDDED
CELERY_TASK_EAGER_PROPAGATES = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"

# --- Django -----------------------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",  # first: its runserver serves `make dev`
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "simple_history",
    "accounts",
    "markets",
    "trading",
]
MIDDLEWARE = [
    "accounts.middleware.Door",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
]
ROOT_URLCONF = "predex.urls"
ASGI_APPLICATION = "predex.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

# With a manifest, pages name hashed files that `manage.py collectstatic` made; else as they lie.
STATIC_MANIFEST = env.bool("STATIC_MANIFEST", default=not DEBUG and not EMBEDDED)
STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(DATA_DIR / "static")) if STATIC_MANIFEST else None
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = not STATIC_MANIFEST
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_MANIFEST
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- people -----------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.Backend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.forms.SignupForm"
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = "handle"
ACCOUNT_USERNAME_VALIDATORS = "accounts.handles.VALIDATORS"
ACCOUNT_EMAIL_VERIFICATION = "optional"  # for log-in; trading asks for it:
EMAIL_VERIFICATION_REQUIRED = env.bool("EMAIL_VERIFICATION_REQUIRED", default=not EMBEDDED)
# Tries before a 429, as (count, seconds), by address and by account; pages and API share them.
# These replace allauth's own limits of the same names; its others (second factor) stay.
ACCOUNT_RATE_LIMITS = {"login": False, "signup": False, "reset_password": False}
ATTEMPT_LIMITS = {
    "log_in": {"address": (30, 60), "account": (5, 300)},
    "sign_up": {"address": (20, 3600)},
    "password_reset": {"address": (10, 3600), "account": (3, 3600)},
    "key_creation": {"address": (60, 3600), "account": (20, 3600)},
}
ACCOUNT_DEFAULT_HTTP_PROTOCOL = urlsplit(SITE_URL).scheme
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG

vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"predex@{urlsplit(SITE_URL).hostname}")

# --- what browsers may do ---------------------------------------------------------------------
if TRUSTED_PROXIES:  # the Door drops this header unless it comes from one of them
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SITE_IS_HTTPS
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=3600) if SITE_IS_HTTPS else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- the REST API -----------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.authentication.HeaderAuthentication",
        "accounts.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api.gates.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.api.gates.AccountThrottle"],
    "DEFAULT_PARSER_CLASSES": ["accounts.api.json_bodies.ExactJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["accounts.api.json_bodies.ExactJSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "accounts.api.errors.answer_exception",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "predex",
    "DESCRIPTION": "A self-hosted prediction-market exchange.",
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "trading.api.openapi.add_errors",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENFORCE_NON_BLANK_FIELDS": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

LOGGING_CONFIG = "predex.logging.configure"
LOGGING = build_logging(readable=DEBUG, level=env.str("LOG_LEVEL", default="INFO"))

refuse_unsafe(globals())
