"""Read side of packages and deployments. Never saves."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Prefetch, Q, QuerySet

from accounts.models import Site, User
from catalog.models import (
    Deployment,
    DeploymentChange,
    DeploymentRequest,
    ModelPackage,
    PackageCheck,
    PackageUpload,
    RequestKind,
    RequestState,
)
from inference_worker.contract.failures import CodedError

DEFAULT_DEPLOYMENT = "default"
HISTORY_SHOWN = 20
CHECKS_SHOWN = 20


def deployments_visible_to(*, user: User) -> list[Deployment]:
    """One deployment for each name a user's site can submit to, by name: the site's own hides the one for every site."""
    rows = Deployment.objects.filter(Q(site=None) | Q(site=user.site))
    named: dict[str, Deployment] = {}
    for row in rows.select_related("package").order_by("name"):
        if row.site_id is not None or row.name not in named:
            named[row.name] = row
    return list(named.values())


def deployment_resolve(*, site: Site, name: str = "") -> Deployment:
    """The deployment a submission means; the site's own comes before the one for every site. Empty means the default.

    Raises CodedError input:unknown_deployment, or model:none_deployed when it is the default that does not exist.
    """
    wanted = name or DEFAULT_DEPLOYMENT
    rows = list(Deployment.objects.filter(Q(site=site) | Q(site=None), name=wanted).select_related("package", "candidate"))
    if not rows:
        raise CodedError("model:none_deployed" if wanted == DEFAULT_DEPLOYMENT else "input:unknown_deployment")
    return max(rows, key=lambda row: row.site_id is not None)


def previous_package(*, deployment: Deployment) -> ModelPackage | None:
    """What served before the present package: where a roll-back goes. None when nothing did.

    Activations stack up and a roll-back takes the top away: rolling back twice goes two steps back, never forward again.
    """
    stack: list[str] = []
    moves = deployment.changes.filter(kind__in=[RequestKind.ACTIVATE, RequestKind.ROLLBACK]).order_by("id")
    for kind, package_id in moves.values_list("kind", "package_id"):
        if kind == RequestKind.ROLLBACK and package_id in stack:
            while stack[-1] != package_id:
                stack.pop()
        else:
            stack.append(package_id)
    return ModelPackage.objects.get(pk=stack[-2]) if len(stack) > 1 else None


def administered_deployments(*, user: User) -> QuerySet[Deployment]:
    """The pointers of the user's site and those for every site, by name, with what documents show."""
    return deployments_everywhere().filter(Q(site=None) | Q(site=user.site))


def deployments_everywhere() -> QuerySet[Deployment]:
    """Every pointer of every site, for the operator's command line."""
    rows = Deployment.objects.select_related("site", "package", "candidate")
    placed = [f"{end}__{kind}__site" for end in ("package", "candidate") for kind in ("deployments", "candidacies")]
    return rows.prefetch_related("package__installed_by", "candidate__installed_by", *placed).order_by("name", "site_id")


@dataclass(frozen=True, slots=True)
class DeploymentExtras:
    """What a deployment's document shows beside its row."""

    previous: ModelPackage | None
    pending: list[DeploymentRequest]
    history: list[DeploymentChange]


def deployment_extras(*, deployment: Deployment) -> DeploymentExtras:
    """Where a roll-back goes, the open requests, and the last changes, newest first."""
    pending = _with_people(DeploymentRequest.objects.filter(deployment_name=deployment.name, site=deployment.site))
    pending = pending.filter(state__in=[RequestState.PENDING, RequestState.SCHEDULED]).order_by("requested_at")
    return DeploymentExtras(
        previous=previous_package(deployment=deployment),
        pending=list(pending),
        history=list(_changes(Q(deployment=deployment)).order_by("-id")[:HISTORY_SHOWN]),
    )


def requests_visible_to(*, user: User) -> QuerySet[DeploymentRequest]:
    """Requests about pointers of the user's site or of every site, newest first."""
    rows = _with_people(DeploymentRequest.objects.filter(Q(site=None) | Q(site=user.site)))
    return rows.order_by("-requested_at", "pk")


def changes_visible_to(*, user: User) -> QuerySet[DeploymentChange]:
    """The history of pointers of the user's site and of every site, oldest first."""
    return _changes(Q(deployment__site=None) | Q(deployment__site=user.site)).order_by("id")


def changes_everywhere() -> QuerySet[DeploymentChange]:
    """The whole history, oldest first, for the operator's command line."""
    return _changes(Q()).order_by("id")


def _with_people(rows: QuerySet[DeploymentRequest]) -> QuerySet[DeploymentRequest]:
    return rows.select_related("site", "package", "requested_by", "decided_by")


def _changes(which: Q) -> QuerySet[DeploymentChange]:
    related = ("deployment__site", "previous", "package", "changed_by", "approved_by")
    return DeploymentChange.objects.filter(which).select_related(*related)


# ── Packages ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def packages_visible_to(*, user: User, state: str = "", search: str = "") -> QuerySet[ModelPackage]:
    """Packages, newest first, with the placements the user may know of: the own site's and those for every site.

    `state` “deployed” (in service or a candidate there), “available” (neither, not archived) or “archived”; empty means all.
    `search` is looked for in name, version, digest and title.
    """
    return _packages(seen=Q() if user.is_superuser else Q(site=None) | Q(site=user.site), state=state, search=search)


def packages_everywhere(*, state: str = "", search: str = "") -> QuerySet[ModelPackage]:
    """As packages_visible_to, with the placements of every site, for the operator's command line."""
    return _packages(seen=Q(), state=state, search=search)


def _packages(*, seen: Q, state: str, search: str) -> QuerySet[ModelPackage]:
    placed = Deployment.objects.filter(seen).select_related("site").order_by("name", "site_id")
    rows = ModelPackage.objects.select_related("installed_by").prefetch_related(
        Prefetch("deployments", queryset=placed), Prefetch("candidacies", queryset=placed)
    )
    used = Deployment.objects.filter(seen)
    in_use = Q(pk__in=used.values("package")) | Q(pk__in=used.exclude(candidate=None).values("candidate"))
    if state == "deployed":
        rows = rows.filter(in_use)
    elif state == "available":
        rows = rows.filter(~in_use, archived_at=None)
    elif state == "archived":
        rows = rows.exclude(archived_at=None)
    if search:
        words = ("name", "version", "digest", "manifest__title")
        found = Q()
        for field in words:
            found |= Q(**{f"{field}__icontains": search})
        rows = rows.filter(found)
    return rows.order_by("-installed_at", "digest")


def package_visible_to(*, user: User, digest: str) -> ModelPackage:
    """One package. Raises CodedError input:unknown_package."""
    named = "\x00" not in digest  # PostgreSQL would fail on it
    package = packages_visible_to(user=user).filter(pk=digest).first() if named else None
    if package is None:
        raise CodedError("input:unknown_package")
    return package


def package_jobs_count(*, package: ModelPackage) -> int:
    """How many jobs, of all sites, are pinned to the package."""
    counted = ModelPackage.objects.filter(pk=package.pk).aggregate(jobs=Count("jobs"))
    return int(counted["jobs"])


def package_checks(*, package: ModelPackage) -> list[PackageCheck]:
    """The latest checks of a package, newest first."""
    return list(package.checks.select_related("requested_by").order_by("-requested_at", "pk")[:CHECKS_SHOWN])


def check_read(*, check_id: UUID) -> PackageCheck | None:
    """One check, None when there is none."""
    return PackageCheck.objects.select_related("requested_by").filter(pk=check_id).first()


def uploads_listed() -> QuerySet[PackageUpload]:
    """Everything administrators sent, newest first."""
    return PackageUpload.objects.select_related("uploaded_by").order_by("-created_at", "pk")
