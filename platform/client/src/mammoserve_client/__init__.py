"""MammoServe's client: studies in, every answer out. Research software, not a medical device.

    with Client("https://mammoserve.example", token) as client:
        job = client.job_wait(client.study_submit(["rcc.dcm", "rmlo.dcm"]).id)

`AsyncClient` has the same methods, to be awaited. `submission_run` hands over a whole folder and survives being killed.
"""

from mammoserve_client.async_client import AsyncClient
from mammoserve_client.calls import RetryPolicy
from mammoserve_client.client import Client
from mammoserve_client.errors import (
    ApiProblem,
    Incomplete,
    MammoServeError,
    SubmissionMismatch,
    Unreachable,
    UploadFailed,
    WaitedTooLong,
)
from mammoserve_client.models import Batch, Counts, Failure, ItemResult, Job, Upload

__all__ = [
    "ApiProblem",
    "AsyncClient",
    "Batch",
    "Client",
    "Counts",
    "Failure",
    "Incomplete",
    "ItemResult",
    "Job",
    "MammoServeError",
    "RetryPolicy",
    "SubmissionMismatch",
    "Unreachable",
    "Upload",
    "UploadFailed",
    "WaitedTooLong",
]
