"""Read side of packages and deployments. Never saves."""

from __future__ import annotations

from django.db.models import Q

from accounts.models import Site, User
from catalog.models import Deployment
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
