"""`manage.py jobs …`: finished jobs run again, and how a candidate agrees, for operators and pipelines.

Exit status: 0 done (replay --wait: identical), 1 refused, 3 the replay differs or failed, 4 it was not over in time.
"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from catalog.management.chosen import package_chosen, person_named, site_named
from catalog.selectors import deployments_everywhere
from inference_worker.contract.failures import CodedError
from jobs.agreement import agreement_report
from jobs.hot_swap import package_readiness
from jobs.models import TERMINAL_STATUSES, Job, JobStatus
from jobs.repeats import JobNotReplayable, job_replay, jobs_rerun
from jobs.replay_report import MAP_TOLERANCE, SCORE_TOLERANCE, results_compare

DIFFERS, NOT_OVER = 3, 4
_LOOK_SECONDS = 0.5


class Command(BaseCommand):
    help = "Re-run and replay finished jobs; a candidate's agreement; workers' readiness with a package."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        rerun = actions.add_parser("rerun", help="finished jobs again with another package, as new jobs")
        rerun.add_argument("jobs", nargs="+", type=UUID, metavar="JOB")
        rerun.add_argument("--package", required=True, help="its digest, or name@version")
        rerun.add_argument("--reason", required=True, help="why; the audit keeps it")
        rerun.add_argument("--force", action="store_true", help="also where the package has seen the study already")
        replay = actions.add_parser("replay", help="a finished job again with its own package: the same answer?")
        replay.add_argument("job", type=UUID, metavar="JOB")
        replay.add_argument("--wait", type=float, metavar="SECONDS", help="until the verdict, at most so long")
        for action in (rerun, replay):
            action.add_argument("--as", dest="username", required=True, help="the user who asks")
        agreement = actions.add_parser("agreement", help="how the candidate of a deployment agrees with what serves")
        agreement.add_argument("name", help="the deployment, such as default")
        agreement.add_argument("--site", metavar="SLUG", help="the site's own pointer (default: the one for every site)")
        readiness = actions.add_parser("readiness", help="which workers can serve a package")
        readiness.add_argument("package", help="its digest, or name@version")
        for action in actions.choices.values():
            action.add_argument("--json", action="store_true", help="for machines")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except CodedError as error:
            words = f"{error.failure.title} ({error.code}): {error.failure.message} {error.failure.action}"
            raise CommandError(f"{words} [{error.detail}]" if error.detail else words) from error

    def _rerun(self, options: dict[str, Any]) -> None:
        wanted = list(dict.fromkeys(options["jobs"]))
        found = {job.pk: job for job in Job.objects.select_related("study", "package").filter(pk__in=wanted)}
        if missing := [key for key in wanted if key not in found]:
            raise CommandError(f"There is no job {missing[0]}.")
        pairs = jobs_rerun(
            jobs=[found[key] for key in wanted],
            package=package_chosen(options["package"]),
            requested_by=person_named(options["username"]),
            reason=options["reason"],
            force=options["force"],
        )
        for origin, job in pairs:
            self._say(options, {"origin": str(origin.pk), "job": str(job.pk)}, f"{origin.pk} → {job.pk}")

    def _replay(self, options: dict[str, Any]) -> None:
        job = Job.objects.select_related("study", "package", "result").filter(pk=options["job"]).first()
        if job is None:
            raise CommandError(f"There is no job {options['job']}.")
        try:
            replay = job_replay(job=job, requested_by=person_named(options["username"]))
        except JobNotReplayable as error:
            raise CommandError(f"The job is {error.status}; only one that succeeded has an answer to compare with.") from error
        if options["wait"] is None:
            self._say(options, {"origin": str(job.pk), "job": str(replay.pk), "verdict": None}, f"{job.pk} → {replay.pk}")
            return
        deadline = time.monotonic() + options["wait"]
        while replay.status not in TERMINAL_STATUSES:
            if time.monotonic() > deadline:
                raise CommandError(f"{replay.pk} is still {replay.status}; is a worker up?", returncode=NOT_OVER)
            time.sleep(_LOOK_SECONDS)
            replay.refresh_from_db()
        self._judge(options, job, replay)

    def _judge(self, options: dict[str, Any], job: Job, replay: Job) -> None:
        if replay.status != JobStatus.SUCCEEDED:
            raise CommandError(f"{replay.pk} {replay.status} {replay.failure_code}", returncode=DIFFERS)
        differences = results_compare(job.result.payload, replay.result.payload)
        listed = [{"where": one.where, "left": one.left, "right": one.right} for one in differences]
        verdict = "different" if differences else "identical"
        document = {"origin": str(job.pk), "job": str(replay.pk), "verdict": verdict, "differences": listed}
        lines = [f"{one['where']}: {one['left']} → {one['right']}" for one in listed]
        within = f"{verdict}; scores within {SCORE_TOLERANCE:g}, maps within {MAP_TOLERANCE:g}"
        self._say(options, document, "\n".join([*lines, within]))
        if differences:
            raise CommandError(f"{len(differences)} differences.", returncode=DIFFERS)

    def _agreement(self, options: dict[str, Any]) -> None:
        deployment = deployments_everywhere().filter(name=options["name"], site=site_named(options["site"])).first()
        if deployment is None:
            raise CodedError("input:unknown_deployment")
        if deployment.candidate is None:
            raise CodedError("input:no_candidate")
        report = agreement_report(
            deployment=deployment,
            candidate=deployment.candidate,
            mode=deployment.candidate_mode,
            since=deployment.candidate_since,
        )
        self.stdout.write(json.dumps(report, indent=None if options["json"] else 2))

    def _readiness(self, options: dict[str, Any]) -> None:
        package = package_chosen(options["package"])
        found = package_readiness(digest=package.pk)
        lines = [f"{row['name']:<30} {row['state']} {row.get('code') or ''}".rstrip() for row in found["workers"]]
        self._say(options, found, "\n".join([f"{package}: {found['state']}", *lines]))

    def _say(self, options: dict[str, Any], document: dict[str, Any], line: str) -> None:
        self.stdout.write(json.dumps(document) if options["json"] else line)
