"""Read side of studies: what a user may see. Another site's study does not exist."""

from __future__ import annotations

from django.db.models import Count, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.models import User
from studies.models import Image, Study


def studies_visible_to(*, user: User) -> QuerySet[Study]:
    """Studies of the user's site, newest first, with `image_count`."""
    # A subquery, not a grouped join: that one would count the images of every study for each page of the list.
    images = Image.objects.filter(study=OuterRef("pk")).order_by().values("study").annotate(n=Count("pk")).values("n")
    return (
        Study.objects.filter(site=user.site, site__isnull=False)
        .annotate(image_count=Coalesce(Subquery(images), 0))
        .order_by("-created_at", "-id")
    )


def studies_of_same_patient(*, user: User, study: Study) -> QuerySet[Study]:
    """The site's other studies under the same pseudonym, newest first, with `image_count`. None without a pseudonym."""
    if not study.patient_pseudonym:
        return Study.objects.none()
    return studies_visible_to(user=user).filter(patient_pseudonym=study.patient_pseudonym).exclude(pk=study.pk)


def study_images_prefetch() -> Prefetch:
    """The images of each study with their stored objects, in the order sent, in one more query."""
    return Prefetch("images", queryset=Image.objects.select_related("stored_object").order_by("position"))
