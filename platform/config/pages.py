"""The pages: static HTML from the front end's build, the same for everyone who reads its language; what a person may see the
API decides.

A page checks only that somebody is signed in and, where needed, is an administrator. It renders nothing, so it can leak nothing.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.decorators import method_decorator
from django.utils.http import parse_etags
from django.views import View
from django.views.decorators.csrf import ensure_csrf_cookie

from accounts.models import Role, User
from common import problems
from common.problems import Problem, problem_response
from config.languages import page_language


@functools.lru_cache(maxsize=64)
def _page_read(path: Path, modified_ns: int) -> tuple[bytes, str]:
    """A page's bytes and strong ETag; read again when the build replaces the file."""
    content = path.read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


class _Page(View):
    """One file of frontend/dist, in the reader's language, at one clean address."""

    http_method_names = ["get", "head"]
    file_name: ClassVar[str]
    needs_login: ClassVar[bool] = True
    for_administrators: ClassVar[bool] = False

    @method_decorator(ensure_csrf_cookie)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except (OperationalError, InterfaceError):
            answer = problem_response(request, problems.database_away())
            return _page_of_error(request, "unavailable.html", instead_of=answer)

    def get(self, request: HttpRequest, **_of_the_address: Any) -> HttpResponse:
        if self.needs_login and not request.user.is_authenticated:
            return HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode({'next': request.get_full_path()})}")
        allowed = not self.for_administrators or (isinstance(request.user, User) and request.user.role == Role.ADMINISTRATOR)
        language = page_language(request)
        path = settings.FRONTEND_DIST / language / (self.file_name if allowed else "forbidden.html")
        try:
            content, etag = _page_read(path, path.stat().st_mtime_ns)
        except FileNotFoundError:
            return problem_response(
                request,
                Problem.for_status(
                    503,
                    code="system:frontend_not_built",
                    detail="The pages are not built. The API works without them.",
                    action="Run “make frontend” on the server.",
                ),
            )
        seen = request.headers.get("If-None-Match", "")
        response: HttpResponse
        if allowed and any(candidate.removeprefix("W/") == etag for candidate in parse_etags(seen)):
            response = HttpResponseNotModified()
        else:
            response = HttpResponse(content, content_type="text/html; charset=utf-8", status=200 if allowed else 403)
        response["ETag"] = etag
        response["Cache-Control"] = "private, no-cache"
        response["Content-Language"] = language
        patch_vary_headers(response, ["Accept-Language", "Cookie"])
        return response


def _page_of_error(request: HttpRequest, file_name: str, *, instead_of: HttpResponse) -> HttpResponse:
    """The same answer as a page, for a person's browser; as it is for a program, an address of the API, or without the pages."""
    language = page_language(request)
    path = settings.FRONTEND_DIST / language / file_name
    # A program's “*/*” would take a page as well; only browsers say that they want one.
    if request.path.startswith("/api/") or "text/html" not in request.headers.get("Accept", "") or not path.is_file():
        return instead_of
    content, _ = _page_read(path, path.stat().st_mtime_ns)
    page = HttpResponse(content, content_type="text/html; charset=utf-8", status=instead_of.status_code)
    if "Retry-After" in instead_of:
        page["Retry-After"] = instead_of["Retry-After"]
    page["Cache-Control"] = "no-store"
    page["Content-Language"] = language
    patch_vary_headers(page, ["Accept", "Accept-Language", "Cookie"])
    return page


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler404."""
    return _page_of_error(request, "not-found.html", instead_of=problems.not_found(request, exception))


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500."""
    return _page_of_error(request, "server-error.html", instead_of=problems.server_error(request))


class LoginPage(_Page):
    """Open to all."""

    file_name = "login.html"
    needs_login = False


class GuidePage(_Page):
    """The integrator's guide. Open to all: it holds nothing of a site."""

    file_name = "guide.html"
    needs_login = False


class WorklistPage(_Page):
    """The live list of jobs."""

    file_name = "index.html"


class UploadPage(_Page):
    """Sending a study."""

    file_name = "upload.html"


class JobPage(_Page):
    """One job and its result. Whether the job exists for this site is the API's to say."""

    file_name = "job.html"


class BatchesPage(_Page):
    """The site's batches."""

    file_name = "batches.html"


class BatchPage(_Page):
    """One batch. Whether it exists for this site is the API's to say."""

    file_name = "batch.html"


class QuarantinePage(_Page):
    """Items kept aside."""

    file_name = "quarantine.html"


class JobComparePage(_Page):
    """Two results side by side."""

    file_name = "job-compare.html"
    for_administrators = True


class ModelsPage(_Page):
    """The installed packages, and sending one."""

    file_name = "models.html"
    for_administrators = True


class ModelPage(_Page):
    """One package."""

    file_name = "model.html"
    for_administrators = True


class ModelComparePage(_Page):
    """Two packages side by side."""

    file_name = "model-compare.html"
    for_administrators = True


class DeploymentsPage(_Page):
    """What serves, what runs beside it, what is asked for, what happened."""

    file_name = "deployments.html"
    for_administrators = True


class AgreementPage(_Page):
    """How a candidate agrees with the package in service."""

    file_name = "agreement.html"
    for_administrators = True


class MonitoringPage(_Page):
    """How what serves behaves over time."""

    file_name = "monitoring.html"
    for_administrators = True


class AuditPage(_Page):
    """Who changed what."""

    file_name = "audit.html"
    for_administrators = True


class PasswordPage(_Page):
    """Choosing a password of one's own."""

    file_name = "password.html"


class TokensPage(_Page):
    """API tokens: one's own, or for administrators the site's."""

    file_name = "tokens.html"


class PeoplePage(_Page):
    """Who may sign in, and as what."""

    file_name = "people.html"
    for_administrators = True


class WebhooksPage(_Page):
    """Who is told of events."""

    file_name = "webhooks.html"
    for_administrators = True


class WebhookPage(_Page):
    """One webhook and its deliveries. Whether it exists for this site is the API's to say."""

    file_name = "webhook.html"
    for_administrators = True


class SitesPage(_Page):
    """Hospitals and their limits. The API shows them to platform administrators alone."""

    file_name = "sites.html"
    for_administrators = True


class OperationsPage(_Page):
    """How the platform does."""

    file_name = "operations.html"
    for_administrators = True
