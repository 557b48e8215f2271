"""Settings of the platform, read once from the environment (and an optional .env file).

Without any variable set this is the embedded default: SQLite, a private Redis, a local folder, CPU. Each part is replaced by a
URL. .env.example lists every variable.
"""

from __future__ import annotations

from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from common.logging import logging_config

REPOSITORY_ROOT = Path(__file__).resolve().parents[2]
env = environ.Env()
if (REPOSITORY_ROOT / ".env").is_file():
    env.read_env(str(REPOSITORY_ROOT / ".env"))

# ── Place and mode ────────────────────────────────────────────────────────────────────────────────────────────────────
DATA_DIR = Path(env.str("DATA_DIR", default=str(REPOSITORY_ROOT / "var"))).resolve()
#: Embedded mode makes its own secret key under DATA_DIR; production must give one.
EMBEDDED = env.bool("MAMMOSERVE_EMBEDDED", default=False)
DEBUG = env.bool("DEBUG", default=False)


def _secret_key() -> str:
    given = env.str("SECRET_KEY", default="")
    if given:
        return given
    stored = DATA_DIR / "secret-key"
    if stored.is_file():
        return stored.read_text().strip()
    if not EMBEDDED:
        raise ImproperlyConfigured("SECRET_KEY is not set. Set it to a long random string, or start with “make run”.")
    import os
    import secrets

    DATA_DIR.mkdir(parents=True, exist_ok=True)
    key = secrets.token_urlsafe(48)
    try:
        descriptor = os.open(stored, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # another process of the same start was quicker
        return stored.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        file.write(key)
    return key


SECRET_KEY = _secret_key()
#: Long random strings, newest first: columns are encrypted with the first and read with any. Without them SECRET_KEY serves.
FIELD_ENCRYPTION_KEYS = env.list("FIELD_ENCRYPTION_KEYS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
#: True behind TLS: secure cookies, HSTS. The embedded default serves plain HTTP on loopback.
BEHIND_TLS = env.bool("BEHIND_TLS", default=False)

# ── Parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "config",
    "common",
    "accounts",
    "studies",
    "catalog",
    "transfers",
    "jobs",
    "batches",
    "notifications",
    "monitoring",
]

MIDDLEWARE = [
    "common.middleware.RequestIdMiddleware",
    "common.middleware.CharsetMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "common.middleware.PermissionsPolicyMiddleware",
    "common.uploads.UploadCleanupMiddleware",
    "common.idempotency.IdempotencyMiddleware",  # last: it calls the view
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

FRONTEND_DIST = REPOSITORY_ROOT / "frontend" / "dist"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ]
        },
    }
]

# ── Database: the truth ───────────────────────────────────────────────────────────────────────────────────────────────
DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'mammoserve.sqlite3'}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # Write transactions take the lock when they begin, so that two writers wait for one another instead of failing.
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"]["CONN_MAX_AGE"] = 60
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ── Broker and object store ───────────────────────────────────────────────────────────────────────────────────────────
BROKER_URL = env.str("BROKER_URL", default="redis://127.0.0.1:6379/0")
OBJECT_STORE_URL = env.str("OBJECT_STORE_URL", default=f"file://{DATA_DIR / 'objects'}")
#: Below this much free space the store reports itself full, while there is still room to finish what runs.
OBJECT_STORE_MIN_FREE_BYTES = env.int("OBJECT_STORE_MIN_FREE_MB", default=512) * 1024 * 1024

# ── Packages ──────────────────────────────────────────────────────────────────────────────────────────────────────────
#: Folder of public keys (*.pem). With it, only packages signed by one of them are installed; without it, any package is.
PACKAGE_TRUSTED_KEYS = env.str("PACKAGE_TRUSTED_KEYS", default="").strip()
PACKAGE_MODEL_MAX_BYTES = env.int("PACKAGE_MODEL_MAX_MB", default=2048) * 1024 * 1024
#: A package as an archive, or an ONNX file, sent over HTTP.
PACKAGE_UPLOAD_MAX_BYTES = env.int("PACKAGE_UPLOAD_MAX_MB", default=2048) * 1024 * 1024

# ── People ────────────────────────────────────────────────────────────────────────────────────────────────────────────
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.sessions.PersonBackend"]
SESSION_ENGINE = "accounts.sessions"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login"
#: Failed sign-ins within the window: per user name and address, and per address over all names.
LOGIN_FAILURES_PER_USER = env.int("LOGIN_FAILURES_PER_USER", default=5)
LOGIN_FAILURES_PER_ADDRESS = env.int("LOGIN_FAILURES_PER_ADDRESS", default=30)
LOGIN_WINDOW_SECONDS = env.int("LOGIN_WINDOW_SECONDS", default=900)
#: Reverse proxies in front that append to X-Forwarded-For. 0: the connection's own address is the caller's.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
CSRF_FAILURE_VIEW = "common.problems.csrf_failure"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# ── Language, time, files ─────────────────────────────────────────────────────────────────────────────────────────────
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(DATA_DIR / "static")))
STATICFILES_DIRS = [FRONTEND_DIST / "static"] if (FRONTEND_DIST / "static").is_dir() else []

# ── Intake ────────────────────────────────────────────────────────────────────────────────────────────────────────────
INTAKE_MAX_FILE_BYTES = env.int("INTAKE_MAX_FILE_MB", default=256) * 1024 * 1024
INTAKE_MAX_REQUEST_BYTES = env.int("INTAKE_MAX_REQUEST_MB", default=1024) * 1024 * 1024
INTAKE_MAX_FILES = env.int("INTAKE_MAX_FILES", default=32)
INTAKE_MAX_PIXELS = env.int("INTAKE_MAX_MEGAPIXELS", default=64) * 1_000_000
INTAKE_MIN_SIDE = 64
#: How long the hospital's own identifiers of a study are kept, encrypted, to be restored in its results. 0: never kept.
IDENTITY_KEPT_DAYS = env.int("IDENTITY_KEPT_DAYS", default=365)
#: Made when the first file comes; Django refuses to start without it, which is right for a setting and wrong for a fresh folder.
FILE_UPLOAD_TEMP_DIR = str(DATA_DIR / "incoming")
SILENCED_SYSTEM_CHECKS = ["files.E001"]
#: The only way in for files: streamed to disk under the caps above, whoever first touches the request's body.
FILE_UPLOAD_HANDLERS = ["common.uploads.CappedUploadHandler"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = INTAKE_MAX_FILES + 1  # one over the cap, so that our own refusal is the one that is read

# ── Transfers: files in pieces, archives, places to import from ──────────────────────────────────────────────────────────
#: Where uploads grow. Every web process, and whatever reads uploads, must see the same folder.
UPLOAD_SPOOL_DIR = env.str("UPLOAD_SPOOL_DIR", default=str(DATA_DIR / "transfers"))
UPLOAD_MAX_ARCHIVE_BYTES = env.int("UPLOAD_MAX_ARCHIVE_MB", default=16_384) * 1024 * 1024
#: What the uploads of one site may hold on disk together, whether complete or not.
UPLOAD_SITE_MAX_BYTES = env.int("UPLOAD_SITE_MAX_MB", default=65_536) * 1024 * 1024
#: Below this much free space no more bytes are taken.
UPLOAD_MIN_FREE_BYTES = env.int("UPLOAD_MIN_FREE_MB", default=1024) * 1024 * 1024
UPLOAD_MAX_OPEN = env.int("UPLOAD_MAX_OPEN", default=1000)
#: Requests of one site that send bytes at the same time, over all processes.
UPLOAD_MAX_STREAMS_PER_SITE = env.int("UPLOAD_MAX_STREAMS_PER_SITE", default=6)
#: An upload that receives nothing for this long, or that nobody takes up when it is complete, is removed.
UPLOAD_MAX_IDLE_HOURS = env.float("UPLOAD_MAX_IDLE_HOURS", default=24.0)
ARCHIVE_MAX_ENTRIES = env.int("ARCHIVE_MAX_ENTRIES", default=20_000)
ARCHIVE_MAX_UNPACKED_BYTES = env.int("ARCHIVE_MAX_UNPACKED_MB", default=65_536) * 1024 * 1024
#: Unpacked over packed size of one entry. An ordinary mammogram has 2 to 10, an image of one colour 1000.
ARCHIVE_MAX_RATIO = env.int("ARCHIVE_MAX_RATIO", default=200)
#: {site slug: [fsspec URLs]}: below these a site may import by reference. Empty: nowhere.
IMPORT_PREFIXES: dict[str, list[str]] = env.json("IMPORT_PREFIXES", default={})

# ── Bodies of requests, whatever they hold ────────────────────────────────────────────────────────────────────────────
#: A piece of 64 KiB may take the grace and the time that the least pace allows; then the request ends.
BODY_GRACE_SECONDS = env.float("BODY_GRACE_SECONDS", default=10.0)
BODY_MIN_BYTES_PER_SECOND = env.int("BODY_MIN_KB_PER_SECOND", default=8) * 1024
#: Large bodies on their way in at the same time in one web process; the rest of its threads (8) answers everybody else.
BODY_MAX_STREAMS_PER_PROCESS = env.int("BODY_MAX_STREAMS_PER_PROCESS", default=5)

# ── Limits: defaults for every site; a site's own come first. 0: no limit ────────────────────────────────────────────
#: Submissions a minute, counted in Redis; while Redis is away nobody is limited.
RATE_LIMIT_PER_TOKEN = env.int("RATE_LIMIT_PER_TOKEN", default=3000)
RATE_LIMIT_PER_SITE = env.int("RATE_LIMIT_PER_SITE", default=6000)
#: Counted in the database, exactly.
QUOTA_QUEUED_JOBS = env.int("QUOTA_QUEUED_JOBS", default=0)
QUOTA_STUDIES_PER_DAY = env.int("QUOTA_STUDIES_PER_DAY", default=0)
QUOTA_STORAGE_BYTES = env.int("QUOTA_STORAGE_MB", default=0) * 1024 * 1024

# ── Models ────────────────────────────────────────────────────────────────────────────────────────────────────────────
#: A second administrator must approve what changes a deployment; roll-backs never wait.
DEPLOYMENT_APPROVAL_REQUIRED = env.bool("DEPLOYMENT_APPROVAL_REQUIRED", default=False)

# ── Monitoring ────────────────────────────────────────────────────────────────────────────────────────────────────────
#: GET /metrics answers callers with this token; without one, callers on the machine itself.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
STATISTICS_KEPT_DAYS = env.int("STATISTICS_KEPT_DAYS", default=400)
#: Above these, over the last hours of a deployment, an alert is raised. 0 turns one off.
ALERT_FAILURE_SHARE = env.float("ALERT_FAILURE_SHARE", default=0.1)
ALERT_LATENCY_P95_SECONDS = env.float("ALERT_LATENCY_P95_SECONDS", default=120.0)
ALERT_NOT_ASSESSABLE_SHARE = env.float("ALERT_NOT_ASSESSABLE_SHARE", default=0.2)
ALERT_DRIFT_PSI = env.float("ALERT_DRIFT_PSI", default=0.25)
ALERT_QUEUE_WAIT_SECONDS = env.float("ALERT_QUEUE_WAIT_SECONDS", default=900.0)

# ── Jobs ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
#: Bounds the attempts of every kind; jobs.policy allows fewer where the job itself is the likely cause.
JOB_MAX_ATTEMPTS = env.int("JOB_MAX_ATTEMPTS", default=10)
JOB_LEASE_SECONDS = env.int("JOB_LEASE_SECONDS", default=60)
#: How many orders per queue may wait in the broker at most (of which the workers' pace decides): the rest waits in the database,
#: where turns and cancel are exact.
DISPATCH_WINDOW = env.int("DISPATCH_WINDOW", default=200)
#: So many may wait there even while nothing is known of the workers' pace. Small: whoever comes later waits behind them.
DISPATCH_WINDOW_MINIMUM = env.int("DISPATCH_WINDOW_MINIMUM", default=16)
DISPATCH_INTERVAL_SECONDS = env.float("DISPATCH_INTERVAL_SECONDS", default=0.1)
REAPER_INTERVAL_SECONDS = env.float("REAPER_INTERVAL_SECONDS", default=15.0)
#: An order overtaken by later ones in its own queue for this long was lost by the broker and is published again.
ORDER_LOST_AFTER_SECONDS = env.float("ORDER_LOST_AFTER_SECONDS", default=60.0)
WORKER_SILENT_AFTER_SECONDS = env.float("WORKER_SILENT_AFTER_SECONDS", default=20.0)

# ── Batches ───────────────────────────────────────────────────────────────────────────────────────────────────────────
BATCH_MAX_ITEMS = env.int("BATCH_MAX_ITEMS", default=50_000)
#: A manifest's JSON; every other JSON body keeps DATA_UPLOAD_MAX_MEMORY_SIZE.
BATCH_MANIFEST_MAX_BYTES = env.int("BATCH_MANIFEST_MAX_MB", default=32) * 1024 * 1024
#: How many jobs of one batch may wait or run at once; the rest of its items wait in the batch.
BATCH_WINDOW = env.int("BATCH_WINDOW", default=500)
BATCH_INTERVAL_SECONDS = env.float("BATCH_INTERVAL_SECONDS", default=0.5)
QUARANTINE_KEPT_DAYS = env.int("QUARANTINE_KEPT_DAYS", default=30)

# ── Webhooks ──────────────────────────────────────────────────────────────────────────────────────────────────────────
#: Where deliveries may go: https to public addresses, unless the operator knows better. Networks as 10.20.0.0/16; no ports: any.
WEBHOOKS_ALLOW_HTTP = env.bool("WEBHOOKS_ALLOW_HTTP", default=False)
WEBHOOKS_ALLOW_PRIVATE = env.bool("WEBHOOKS_ALLOW_PRIVATE", default=False)
WEBHOOKS_ALLOWED_NETWORKS = env.list("WEBHOOKS_ALLOWED_NETWORKS", default=[])
WEBHOOKS_PORTS = [int(port) for port in env.list("WEBHOOKS_PORTS", default=["80", "443", "8080", "8443"])]
WEBHOOKS_MAX_PER_SITE = env.int("WEBHOOKS_MAX_PER_SITE", default=20)
#: One attempt as a whole, and how many are under way at once.
WEBHOOKS_TIMEOUT_SECONDS = env.float("WEBHOOKS_TIMEOUT_SECONDS", default=15.0)
WEBHOOKS_CONCURRENCY = env.int("WEBHOOKS_CONCURRENCY", default=64)
#: How long a delivery is tried, and how long an endpoint may do nothing but fail before it is switched off.
WEBHOOKS_RETRY_HOURS = env.float("WEBHOOKS_RETRY_HOURS", default=72.0)
WEBHOOKS_DISABLE_AFTER_HOURS = env.float("WEBHOOKS_DISABLE_AFTER_HOURS", default=72.0)
WEBHOOKS_ROTATION_HOURS = env.float("WEBHOOKS_ROTATION_HOURS", default=24.0)
WEBHOOKS_KEPT_DAYS = env.float("WEBHOOKS_KEPT_DAYS", default=30.0)

# ── Repeated requests ─────────────────────────────────────────────────────────────────────────────────────────────────
#: How long the answer to a request with an Idempotency-Key is kept.
IDEMPOTENCY_KEPT_HOURS = env.float("IDEMPOTENCY_KEPT_HOURS", default=24.0)
#: A request that has not been answered for this long is believed dead, and its key is free for a repetition.
IDEMPOTENCY_LEASE_SECONDS = env.float("IDEMPOTENCY_LEASE_SECONDS", default=60.0)

# ── API ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.BearerAuthentication",
        "accounts.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["common.parsers.CappedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "common.openapi.Schema",
    "DEFAULT_PAGINATION_CLASS": "common.pagination.CursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "PAGE_SIZE": 50,
    "EXCEPTION_HANDLER": "common.problems.problem_exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "MammoServe API",
    "DESCRIPTION": "Asynchronous mammography inference. Research software, not a medical device.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "common.openapi.conditional_describe",
        "common.openapi.failures_describe",
        "common.openapi.queries_describe",
        "common.openapi.idempotency_describe",
        "common.openapi.problems_describe",
        "common.openapi.examples_describe",
    ],
    # Sets of choices whose fields share a name with others.
    "ENUM_NAME_OVERRIDES": {
        "JobStatusEnum": "jobs.models.JobStatus",
        "BatchItemStatusEnum": "batches.states.ItemStatus",
        "CheckKindEnum": "catalog.models.CheckKind",
        "CheckStateEnum": "catalog.models.CheckState",
        "DeploymentRequestKindEnum": "catalog.models.RequestKind",
        "DeploymentRequestStateEnum": "catalog.models.RequestState",
        "PackageUploadKindEnum": "catalog.models.UPLOAD_KINDS",
    },
    # The documentation page loads nothing from other hosts.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# ── What a page may load: itself only ─────────────────────────────────────────────────────────────────────────────────
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
        "manifest-src": ["'self'"],
        "worker-src": ["'self'"],
    }
}

# ── Logs ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
LOGGING = logging_config(
    log_format=env.str("LOG_FORMAT", default="console" if EMBEDDED or DEBUG else "json"),
    level=env.str("LOG_LEVEL", default="INFO"),
)

#: Shown by the API and the pages; the git tag of a release build.
SOFTWARE_VERSION = env.str("SOFTWARE_VERSION", default="0.1.0")
DISCLAIMER = (
    "Research use only. MammoServe is not a medical device; its results must not be used for diagnosis "
    "or for any decision about a patient."
)
