"""Which package a submission gets while a candidate runs beside the one in service, and which finished jobs it shadows.

Both choices are shares decided by a digest, not by chance: the same study always lands on the same side, and what was chosen can
be worked out again. Queues nothing itself; jobs.shadows does.
"""

from __future__ import annotations

import hashlib

from catalog.models import CandidateMode, Deployment, ModelPackage
from studies.models import Image, Study


def package_chosen(*, deployment: Deployment, study: Study) -> tuple[ModelPackage, bool]:
    """The package a job of this study is pinned to, and whether it is the canary. One more query while a canary runs."""
    candidate = deployment.candidate
    if candidate is None or deployment.candidate_mode != CandidateMode.CANARY:
        return deployment.package, False
    digests = Image.objects.filter(study=study).order_by("position").values_list("stored_object__sha256", flat=True)
    is_canary = in_share(deployment.candidate_share, candidate.pk, study.site_id, *digests)
    return (candidate, True) if is_canary else (deployment.package, False)


def in_share(share: float, *parts: object) -> bool:
    """Whether what the parts name belongs to a share (0–1] of everything: its digest as a number in [0, 1) lies below it."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share
