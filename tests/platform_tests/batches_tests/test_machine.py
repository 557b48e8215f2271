"""A batch under random histories: loop, workers, people and time in any order. Every promise holds after every step."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from batches.models import Batch, BatchEvent, BatchItem
from batches.quarantine import item_discard, item_release
from batches.services import BatchConflict, batch_append, batch_cancel, batch_close, batch_create, batch_retry
from batches.states import ENDED_STATES, TABLE, BatchHappening, BatchState, ItemStatus
from jobs.models import Job, JobStatus
from jobs.services import JobConflict, job_cancel, job_retry
from studies.models import Study
from tests.platform_tests.batches_tests.conftest import counted

PLACES = st.integers(0, 7)


def test_the_table_leads_to_an_end_from_everywhere() -> None:
    ends = set(ENDED_STATES)
    reaching = {state: {target for (source, _), target in TABLE.items() if source == state} for state in BatchState}
    for state in BatchState:
        seen, edge = {state}, {state}
        while edge:
            edge = {target for one in edge for target in reaching[one]} - seen
            seen |= edge
        assert seen & ends
    assert reaching[BatchState.FAILED] == set()
    assert {happening for _, happening in TABLE} == set(BatchHappening)


def one_of(state: str, *allowed: str) -> None:
    assert state in allowed


class BatchMachine(RuleBasedStateMachine):
    """One batch; everything that can reach it reaches it in any order."""

    parts: dict[str, Any]

    @initialize(kinds=st.lists(st.sampled_from(["good", "good", "bad", "none"]), max_size=4), auto_start=st.booleans())
    def create(self, kinds: list[str], auto_start: bool) -> None:
        self.sent = 0
        user = self.parts["user"]
        data = {"items": [self._item(kind) for kind in kinds], "auto_start": auto_start, "expires_after_seconds": 3600}
        self.pk = batch_create(user=user, site=user.site, data={**data, "duplicates": "rerun"}).pk
        self.studies_before = Study.objects.count()

    def _item(self, kind: str) -> dict[str, Any]:
        self.sent += 1
        item: dict[str, Any] = {"custom_id": f"case-{self.sent}"}
        if kind != "none":
            item["uploads"] = [self.parts["upload_of"](self.parts["good"] if kind == "good" else b"bad")]
        return item

    def _items(self, **kept: Any) -> list[BatchItem]:
        return list(BatchItem.objects.filter(batch_id=self.pk, **kept).order_by("position"))

    @rule(kind=st.sampled_from(["good", "bad"]))
    def append(self, kind: str) -> None:
        is_open = Batch.objects.get(pk=self.pk).state == BatchState.OPEN
        try:
            batch_append(batch_id=self.pk, data={"items": [self._item(kind)]})
        except BatchConflict:
            assert not is_open
        else:
            assert is_open

    @rule()
    def close(self) -> None:
        try:
            batch_close(batch_id=self.pk, closed_by=None)
        except BatchConflict as error:
            one_of(error.state, "failed", "expired", "cancelled", "cancelling")

    @rule()
    def loop_turns(self) -> None:
        self.parts["turn"](2)

    @rule(fails=st.booleans())
    def workers_work(self, fails: bool) -> None:
        names = tuple(item.custom_id for item in self._items()) if fails else ()
        self.parts["work"](fail=names[:2])

    @rule()
    def cancel(self) -> None:
        try:
            batch_cancel(batch_id=self.pk, cancelled_by=None)
        except BatchConflict as error:
            one_of(error.state, "failed", "expired", "completed")

    @rule(cancelled_too=st.booleans())
    def retry(self, cancelled_too: bool) -> None:
        statuses = ["failed", "cancelled"] if cancelled_too else ["failed"]
        before = counted(self.pk)
        try:
            batch_retry(batch_id=self.pk, statuses=statuses, retried_by=None)
        except BatchConflict:
            assert counted(self.pk) == before

    @rule(place=PLACES, replaced=st.booleans())
    def release(self, place: int, replaced: bool) -> None:
        held = self._items(status=ItemStatus.QUARANTINED)
        if held:
            data = {"uploads": [self.parts["upload_of"](self.parts["good"])]} if replaced else {}
            try:
                item_release(item_id=held[place % len(held)].pk, data=data, released_by=self.parts["user"])
            except BatchConflict as error:
                one_of(error.state, "cancelling")

    @rule(place=PLACES)
    def discard(self, place: int) -> None:
        held = self._items(status=ItemStatus.QUARANTINED)
        if held:
            item_discard(item_id=held[place % len(held)].pk, discarded_by=self.parts["user"])

    @rule(place=PLACES, again=st.booleans())
    def somebody_touches_a_job(self, place: int, again: bool) -> None:
        items = self._items(job__isnull=False)
        if items:
            job_id = items[place % len(items)].job_id
            assert isinstance(job_id, uuid.UUID)
            try:
                if again:
                    job_retry(job_id=job_id, retried_by=None)
                else:
                    job_cancel(job_id=job_id, cancelled_by=None)
            except JobConflict:
                assert Job.objects.get(pk=job_id).status in (JobStatus.SUCCEEDED, JobStatus.FAILED, "QUEUED", "RUNNING")

    @rule(seconds=st.sampled_from([61, 61, 3601]))
    def time_passes(self, seconds: int) -> None:
        self.parts["clock"].advance(seconds)

    @invariant()
    def counts_are_what_the_rows_say(self) -> None:
        counted(self.pk)

    @invariant()
    def an_item_has_one_study_and_its_jobs_status(self) -> None:
        items = [item for item in self._items() if item.job_id]
        assert len({item.job_id for item in items}) == len({item.study_id for item in items}) == len(items)
        assert Study.objects.count() == self.studies_before + len(items)
        for item in items:
            job = item.job
            assert job is not None
            if item.status != ItemStatus.PENDING:
                assert item.status in (job.status.lower(), ItemStatus.CANCELLED)

    @invariant()
    def nothing_is_lost(self) -> None:
        items = self._items()
        assert [item.position for item in items] == list(range(len(items)))
        for item in items:
            assert (item.ended_at is None) == (item.status in ("pending", "queued", "running"))
            if item.status == ItemStatus.QUARANTINED:
                assert item.failure_code
                assert item.quarantine == "held"

    @invariant()
    def the_events_replay_to_the_present(self) -> None:
        state: str = ""
        for recorded in BatchEvent.objects.filter(batch_id=self.pk).order_by("id"):
            assert recorded.from_state == state
            assert TABLE[BatchState(state) if state else None, BatchHappening(recorded.kind)] == recorded.to_state
            state = recorded.to_state
        assert state == Batch.objects.get(pk=self.pk).state

    def teardown(self) -> None:
        """Left alone, every batch that was started comes to an end with every item in it."""
        if not hasattr(self, "pk") or Batch.objects.get(pk=self.pk).state == BatchState.OPEN:
            return
        for _ in range(4):
            self.parts["clock"].advance(61)
            self.parts["turn"]()
            self.parts["work"]()
        self.parts["turn"]()
        batch = Batch.objects.get(pk=self.pk)
        assert batch.state in ENDED_STATES
        assert batch.live_count == 0


@pytest.mark.django_db
def test_random_histories_keep_every_promise(
    submitter, deployment, redis_broker, upload_of, pictures: Callable[[int], bytes], turn, work, moving_clock
) -> None:
    parts = {
        "user": submitter,
        "upload_of": upload_of,
        "good": pictures(1),
        "turn": turn,
        "work": work,
        "clock": moving_clock,
    }
    machine = type("BoundBatchMachine", (BatchMachine,), {"parts": parts})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8, stateful_step_count=18, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
        ),
    )
