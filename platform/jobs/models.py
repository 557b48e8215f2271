"""Jobs, their attempts and events, the outbox, results and the workers' heartbeats.

Rows only: what may happen to a job stands in jobs.transitions, which alone changes a job's state.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from accounts.models import Site
from catalog.models import ModelPackage
from inference_worker.contract.queues import Priority
from studies.models import Study


class JobStatus(models.TextChoices):
    """QUEUED → RUNNING → SUCCEEDED | FAILED | CANCELLED, RUNNING → QUEUED with attempt + 1; the table: jobs.transitions."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


TERMINAL_STATUSES = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED})


class JobPurpose(models.TextChoices):
    """Why a job runs. Readers see the first two; SHADOW and REPLAY are administrators' evidence and never a result for a reader.

    CLINICAL: a submission. RERUN: the same study again, with another package or on request. SHADOW: a copy run with a candidate.
    REPLAY: a finished job run again with its own package, to see whether the answer is the same.
    """

    CLINICAL = "clinical"
    RERUN = "rerun"
    SHADOW = "shadow"
    REPLAY = "replay"


READER_PURPOSES = (JobPurpose.CLINICAL, JobPurpose.RERUN)


#: Always holds. Without a parameter, because SQLite takes an index with a condition only for the same words.
EVERY_JOB = models.Q(revision__gte=models.F("revision"))


class Job(models.Model):
    """One inference over one study with one pinned package. `attempt` fences every write a worker causes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="jobs")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="jobs")
    package = models.ForeignKey(ModelPackage, on_delete=models.PROTECT, related_name="jobs")
    deployment_name = models.CharField(max_length=50)
    purpose = models.CharField(max_length=10, choices=JobPurpose, default=JobPurpose.CLINICAL)
    #: The job this one repeats, for every purpose but CLINICAL.
    origin = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="repeats")
    #: Served by the deployment's canary candidate instead of its package.
    is_canary = models.BooleanField(default=False)
    priority = models.CharField(
        max_length=10, choices=[(item.value, item.value) for item in Priority], default=Priority.ROUTINE.value
    )
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    status = models.CharField(max_length=10, choices=JobStatus, default=JobStatus.QUEUED)
    stage = models.CharField(max_length=16, blank=True, default="")
    attempt = models.PositiveSmallIntegerField(default=1)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    #: The attempt whose end monitoring has counted; a retried job counts again.
    counted_attempt = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=100, blank=True, default="")
    failure_code = models.CharField(max_length=64, blank=True, default="")
    failure_detail = models.CharField(max_length=500, blank=True, default="")
    #: The result's suspicion, for the order of lists; -1 without a result, or where it is not assessable.
    suspicion_rank = models.FloatField(default=-1.0)
    #: Rises with every change; the ETag of the job.
    revision = models.PositiveIntegerField(default=1)

    created_at = models.DateTimeField(auto_now_add=True)
    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            # The orders of jobs.listing. Without the site only by age, and only for lists of every site, which say EVERY_JOB: it
            # would tempt the planner to look for one site's jobs among everybody's.
            models.Index(fields=["-created_at", "-id"], name="job_newest", condition=EVERY_JOB),
            models.Index(fields=["site", "-created_at", "-id"], name="job_of_site_newest"),
            models.Index(fields=["site", "-suspicion_rank", "-created_at", "-id"], name="job_of_site_suspicion"),
            models.Index(fields=["site", "-priority", "-created_at", "-id"], name="job_of_site_priority"),
            models.Index(fields=["status", "priority", "queued_at"], name="job_queue_order"),
            models.Index(fields=["lease_until"], name="job_running_lease", condition=models.Q(status="RUNNING")),
            models.Index(fields=["site", "status", "purpose"], name="job_of_site_status_purpose"),
            models.Index(fields=["site", "-updated_at"], name="job_of_site_changed"),
            models.Index(
                fields=["finished_at"],
                name="job_not_yet_counted",
                condition=models.Q(status__in=["SUCCEEDED", "FAILED", "CANCELLED"], counted_attempt__lt=models.F("attempt")),
            ),
            models.Index(fields=["origin", "purpose"], name="job_repeats", condition=models.Q(origin__isnull=False)),
            models.Index(fields=["deployment_name", "-finished_at"], name="job_of_deployment_finished"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class JobAttempt(models.Model):
    """One try at a job: where it ran and how it ended (`outcome` empty while it runs)."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    worker = models.CharField(max_length=100, blank=True, default="")
    provider = models.CharField(max_length=64, blank=True, default="")
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=20, blank=True, default="")
    failure_code = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="attempt_once")]
        indexes = [models.Index(fields=["-ended_at"], name="attempt_succeeded_newest", condition=models.Q(outcome="succeeded"))]

    def __str__(self) -> str:
        return f"{self.job_id}#{self.number}"


class JobEvent(models.Model):
    """One change of one job, append-only. `event_id` is unique, so a repeated delivery changes nothing."""

    event_id = models.CharField(max_length=64, unique=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    attempt = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=20)
    from_status = models.CharField(max_length=10, blank=True, default="")
    to_status = models.CharField(max_length=10)
    stage = models.CharField(max_length=16, blank=True, default="")
    actor = models.CharField(max_length=100, blank=True, default="")
    detail = models.CharField(max_length=500, blank=True, default="")
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["job", "id"], name="event_of_job")]

    def __str__(self) -> str:
        return f"{self.job_id} {self.kind}"


class OutboxMessage(models.Model):
    """An order waiting for the broker, or given to it. One row per attempt; a lost one is published again."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="outbox")
    attempt = models.PositiveSmallIntegerField()
    #: The job's site, for turns: see jobs.fair_share.
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+", db_index=False)
    #: The queue it is sent to: its job's priority, or a more urgent one for an order that was promoted.
    queue = models.CharField(max_length=10)
    order = models.JSONField()
    not_before = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)
    publish_count = models.PositiveSmallIntegerField(default=0)
    #: When a worker was first known to hold the attempt; empty while it waits, and for one that was cancelled unstarted.
    taken_at = models.DateTimeField(null=True, blank=True)
    #: The attempt has started or the job has ended: nothing is waiting for this message any more.
    done = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "attempt"], name="outbox_once_per_attempt")]
        indexes = [
            # In the order of turns, and covering what positions are counted from.
            models.Index(
                fields=["queue", "site", "not_before", "id", "published_at", "done"],
                name="outbox_of_site",
                condition=models.Q(published_at=None, done=False),
            ),
            models.Index(fields=["queue", "not_before", "id", "done"], name="outbox_waiting", condition=models.Q(done=False)),
            models.Index(
                fields=["queue", "published_at"],
                name="outbox_in_flight",
                condition=models.Q(done=False, published_at__isnull=False),
            ),
            models.Index(fields=["queue", "taken_at"], name="outbox_taken", condition=models.Q(taken_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}#{self.attempt}"


class QueueClock(models.Model):
    """Where a queue's turns are, in the units of jobs.fair_share. Locked by the dispatcher that sends orders of the queue."""

    queue = models.CharField(primary_key=True, max_length=10)
    now = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.queue} {self.now}"


class SiteTurn(models.Model):
    """When a site may next be sent an order of a queue, on that queue's clock."""

    queue = models.CharField(max_length=10)
    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="+")
    next_turn = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["queue", "site"], name="turn_once_per_queue_and_site")]

    def __str__(self) -> str:
        return f"{self.queue} {self.site_id} {self.next_turn}"


class Result(models.Model):
    """What the successful attempt found: contract.results.StudyResult as JSON, and the columns lists filter on."""

    job = models.OneToOneField(Job, on_delete=models.CASCADE, primary_key=True, related_name="result")
    attempt = models.PositiveSmallIntegerField()
    assessment = models.CharField(max_length=20)
    label = models.CharField(max_length=64, blank=True, default="")
    suspicion = models.FloatField(null=True, blank=True)
    package_digest = models.CharField(max_length=71)
    payload = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return str(self.job_id)


class JobReading(models.Model):
    """What a person has said of one result, against their `results_read_until`: opened, or unread again. See jobs.reading."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="+")
    is_read = models.BooleanField(default=True)
    marked_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "job"], name="reading_once_per_user_and_job")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.job_id} {'read' if self.is_read else 'unread'}"


class SavedView(models.Model):
    """Filters and an order of the worklist that a person keeps under a name. `query` as the page's address has them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=60)
    query = models.JSONField(default=dict)
    #: What the worklist opens with.
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("user", Lower("name"), name="view_once_per_user_and_name"),
            models.UniqueConstraint(fields=["user"], name="view_default_once", condition=models.Q(is_default=True)),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.name}"


class WorkerStatus(models.Model):
    """The last heartbeat of each inference worker, and of the platform's own loops."""

    name = models.CharField(primary_key=True, max_length=100)
    kind = models.CharField(max_length=20, default="worker")  # worker, ledger, dispatcher
    last_seen_at = models.DateTimeField()
    concurrency = models.PositiveSmallIntegerField(default=0)
    active = models.PositiveSmallIntegerField(default=0)
    provider = models.CharField(max_length=64, blank=True, default="")
    provider_reason = models.CharField(max_length=300, blank=True, default="")
    loaded_packages = models.JSONField(default=list)
    #: Digest → code of the packages this worker cannot serve.
    refused_packages = models.JSONField(default=dict)
    resident_memory_bytes = models.BigIntegerField(null=True, blank=True)
    software_version = models.CharField(max_length=40, blank=True, default="")

    def __str__(self) -> str:
        return self.name


class BrokerEpoch(models.Model):
    """The mark the dispatcher left in the broker. If the broker does not show it any more, it forgot every message it held."""

    name = models.CharField(primary_key=True, max_length=40)
    value = models.CharField(max_length=36)

    def __str__(self) -> str:
        return f"{self.name} {self.value}"
