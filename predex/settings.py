"""Every setting, from the environment (or a git-ignored `.env`; the environment wins).

DATABASE_URL and REDIS_URL are the switches: without REDIS_URL the exchange is *embedded*, one
process with an in-memory channel layer, engine and scheduler inside. Secrets have no default.
What an operator decides (sign-up, fees, names) is not here but in the audited policy row.
"""

from pathlib import Path
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy as _

from predex.admin_site import UNFOLD as UNFOLD
from predex.attempts import ATTEMPT_LIMITS as ATTEMPT_LIMITS
from predex.browser import CONTENT_SECURITY_POLICY as CONTENT_SECURITY_POLICY
from predex.checks import DEBUG_SECRET_PREFIX, refuse_unsafe
from predex.environment import Environment
from predex.logging import build_logging
from predex.rest import REST_FRAMEWORK as REST_FRAMEWORK
from predex.rest import build_openapi
from predex.sign_on import configure_sign_on
from predex.stores import configure_caches, configure_channel_layers, configure_database

VERSION = "0.1.0"
BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()
env.read_env(env.str("PREDEX_ENV_FILE", default=str(BASE_DIR / ".env")))

# --- what this process is ---------------------------------------------------------------------
DEBUG = env.flag("DEBUG", default=False)
SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000")
SITE_URL_IS_SET = "SITE_URL" in env.ENVIRON  # else `serve` names where it listens
SITE_IS_HTTPS = SITE_URL.startswith("https://")
ALLOW_SIMULATOR = env.flag("ALLOW_SIMULATOR", default=False)
ALLOW_PLAIN_HTTP = env.flag("ALLOW_PLAIN_HTTP", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES")
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[SITE_URL])

# --- secrets ----------------------------------------------------------------------------------


def _secret(name: str) -> str:
    """A secret from the environment; with DEBUG on, the default is a publicly known one."""
    return env.str(name, default=f"{DEBUG_SECRET_PREFIX}{name.lower()}" * 2 if DEBUG else "")


SECRET_KEY = _secret("SECRET_KEY")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
API_KEY_PEPPER = _secret("API_KEY_PEPPER")
JWT_SIGNING_KEY = _secret("JWT_SIGNING_KEY")

# --- figures for Prometheus: who may read them, and where roles without a site serve them ---------
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
METRICS_NETWORKS = env.networks("METRICS_NETWORKS")
METRICS_HOST = env.str("METRICS_HOST", default="127.0.0.1")
METRICS_PORT = env.count("METRICS_PORT", default=0, at_least=0)  # 0: nowhere; see metrics_server.py

# --- where the data is ------------------------------------------------------------------------
DATA_DIR = env.folder("DATA_DIR", default=BASE_DIR / "data")
DATABASE_URL = env.str("DATABASE_URL", default="") or f"sqlite:///{DATA_DIR / 'predex.sqlite3'}"
REDIS_URL = env.redis("REDIS_URL")
REDIS_PREFIX = env.str("REDIS_PREFIX", default="predex")  # sites that share one Redis differ here
EMBEDDED = not REDIS_URL
DATABASES = {
    "default": configure_database(
        env.database(DATABASE_URL, password=env.str("DATABASE_PASSWORD", default="")),
        pool_connections_max=env.count("DATABASE_POOL_MAX", default=16, at_least=4),
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CHANNEL_LAYERS = configure_channel_layers(REDIS_URL, prefix=REDIS_PREFIX)
CACHES = configure_caches(REDIS_URL, prefix=REDIS_PREFIX)

# --- the engine and the entry points ----------------------------------------------------------
ENGINE_SHARDS = env.count("ENGINE_SHARDS", default=1)
BODY_BYTES_MAX = env.count("BODY_BYTES_MAX", default=256 * 1024)
DATA_UPLOAD_MAX_MEMORY_SIZE = BODY_BYTES_MAX
JWT_ACCESS_SECONDS = env.count("JWT_ACCESS_SECONDS", default=15 * 60)
SIGNED_REQUEST_SECONDS = env.count("SIGNED_REQUEST_SECONDS", default=30)  # a clock may be off by
JWT_REFRESH_SECONDS = env.count("JWT_REFRESH_SECONDS", default=30 * 24 * 3600)
FEED_FRAMES_PER_SECOND = env.count("FEED_FRAMES_PER_SECOND", default=20)
FEED_SOCKETS_PER_ADDRESS_MAX = env.count("FEED_SOCKETS_PER_ADDRESS_MAX", default=200)
CONNECTIONS_MAX = env.count("CONNECTIONS_MAX", default=10_000)  # of one process; see connections.py
CONNECTIONS_PER_ADDRESS_MAX = env.count("CONNECTIONS_PER_ADDRESS_MAX", default=500)
REQUEST_SECONDS_MAX = env.count("REQUEST_SECONDS_MAX", default=30)
RESOLVER_TRUSTED_HOSTS = env.list("RESOLVER_TRUSTED_HOSTS", default=[])  # see web/outbound.py
WEBHOOK_TRUSTED_HOSTS = env.list("WEBHOOK_TRUSTED_HOSTS", default=[])
SIMULATOR = env.flag("SIMULATOR", default=False)  # a bench for programs: docs/simulator.md
DJANGO_AT_ONCE = env.count("DJANGO_AT_ONCE", default=1 if EMBEDDED else 8)  # pages; see turns.py

# --- Celery: a trigger only; embedded, the scheduler inside `serve` calls the same functions -----
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_TASK_ALWAYS_EAGER = EMBEDDED
CELERY_TASK_EAGER_PROPAGATES = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # wait for a Redis that is full, as for one that is down
CELERY_TIMEZONE = "UTC"

# --- Django -----------------------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",  # first: its runserver serves `make dev`
    "unfold.apps.BasicAppConfig",  # before the admin, whose templates it replaces
    "predex.admin_site.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",  # the widgets' templates, for the renderer below
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "csp",
    "accounts",
    "markets",
    "trading",
    "simulator",
]
MIDDLEWARE = [
    "accounts.middleware.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "web.viewer.ViewerLanguage",
    "web.viewer.ViewerZone",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "accounts.middleware.SessionUser",
    "accounts.middleware.AnonymousRateLimit",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "accounts.pages.errors.PageErrors",
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
                "accounts.context.site",
                "markets.context.exchange",
                "trading.context.trading",
            ]
        },
    }
]
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("de", _("German"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "predex.formats"
TIME_ZONE = "UTC"
USE_TZ = True

# With a manifest, pages refer to the hashed files made by `manage.py collectstatic`.
STATIC_MANIFEST = env.flag("STATIC_MANIFEST", default=not DEBUG and not EMBEDDED)
STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(DATA_DIR / "static")) if STATIC_MANIFEST else None
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"  # ours replace the admin's widgets
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = not STATIC_MANIFEST
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "predex.staticfiles.HashedStaticFiles"
        if STATIC_MANIFEST
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- people -----------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.Backend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}Validator"}
    for name in ("UserAttributeSimilarity", "MinimumLength", "CommonPassword", "NumericPassword")
]
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.forms.SignupForm"
ACCOUNT_FORMS = {
    "login": "accounts.pages.allauth_forms.LogInForm",
    "signup": "accounts.pages.allauth_forms.SignUpForm",
    "add_email": "accounts.pages.allauth_forms.AddEmailForm",
}
ACCOUNT_SIGNUP_FIELDS = ["email*", "username*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = "handle"
ACCOUNT_USERNAME_VALIDATORS = "accounts.handles.VALIDATORS"
ACCOUNT_EMAIL_VERIFICATION = "optional"  # for log-in; trading asks for it:
EMAIL_VERIFICATION_REQUIRED = env.flag("EMAIL_VERIFICATION_REQUIRED", default=not EMBEDDED)
ACCOUNT_REAUTHENTICATION_REQUIRED = True  # before address, password, factor or key change
# ATTEMPT_LIMITS replace allauth's of the same names; its others (second factor) stay.
ACCOUNT_RATE_LIMITS = {"login": False, "signup": False, "reset_password": False}
ACCOUNT_DEFAULT_HTTP_PROTOCOL = urlsplit(SITE_URL).scheme
MFA_ADAPTER = "accounts.adapter.MfaAdapter"
MFA_FORMS = {"add_webauthn": "accounts.pages.allauth_forms.PasskeyForm"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not SITE_IS_HTTPS  # browsers do so on localhost only
SOCIALACCOUNT_ADAPTER = "accounts.sign_on.SignOnAdapter"
SOCIALACCOUNT_FORMS = {"signup": "accounts.pages.allauth_forms.SignOnForm"}
SOCIALACCOUNT_AUTO_SIGNUP = False  # people choose their handle
SOCIALACCOUNT_LOGIN_ON_GET = True  # our CSP forbids forms that redirect to another host
SOCIALACCOUNT_PROVIDERS = configure_sign_on(
    name=env.str("OIDC_NAME", default="single sign-on"),
    server_url=env.str("OIDC_SERVER_URL", default=""),
    client_id=env.str("OIDC_CLIENT_ID", default=""),
    secret=env.str("OIDC_CLIENT_SECRET", default=""),
)

EMAIL_TIMEOUT = 10  # seconds that a page waits for a mail server that hangs
vars().update(env.mail("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"predex@{urlsplit(SITE_URL).hostname}")

# Operators need a second factor on a real site, which is one reached by https.
ADMIN_REQUIRE_MFA = env.flag("ADMIN_REQUIRE_MFA", default=SITE_IS_HTTPS and not DEBUG)

# --- browser security -------------------------------------------------------------------------
if TRUSTED_PROXIES:  # the middleware drops this header unless one of them sent it
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SITE_IS_HTTPS
SECURE_HSTS_SECONDS = env.count("HSTS_SECONDS", default=3600, at_least=0) if SITE_IS_HTTPS else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "accounts.pages.errors.csrf_failed"

SPECTACULAR_SETTINGS = build_openapi(VERSION)
LOGGING_CONFIG = "predex.logging.configure"
LOGGING = build_logging(readable=DEBUG, level=env.log_level("LOG_LEVEL"))
refuse_unsafe(globals())
