"""Read side of packages and deployments. Never saves."""

from __future__ import annotations

from django.db.models import Q

from accounts.models import Site, User
from catalog.models import Deployment, ModelPackage, RequestKind
from inference_worker.contract.failures import CodedError

DEFAULT_DEPLOYMENT = "default"


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
    rows = list(Deployment.objects.filter(Q(site=site) | Q(site=None), name=wanted).select_related("package"))
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
