"""`manage.py catalog …`: model packages for operators and pipelines, with exit codes and --json.

Runs with the rights of the machine it runs on. Exit status: 0 done (with --wait: passed), 1 refused, 3 the validation or build
failed, 4 it was not over in time.
"""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rest_framework.exceptions import ValidationError

from catalog.api.documents import (
    check_document,
    comparison_document,
    package_detail_document,
    package_document,
    upload_document,
)
from catalog.api.package_serializers import OnnxFormSerializer
from catalog.check_orders import validation_request
from catalog.compare import packages_compare
from catalog.management.chosen import package_chosen, person_named
from catalog.management.verdicts import FAILED, LOOK_SECONDS, NOT_OVER, verdict_heed, verdict_wait
from catalog.models import ModelPackage, PackageCheck, PackageUpload, UploadState
from catalog.package_files import package_card, package_zip
from catalog.packages import package_archive, package_unarchive
from catalog.selectors import package_checks, package_jobs_count, packages_everywhere
from catalog.uploads import archive_upload, onnx_upload
from inference_worker.contract.failures import CodedError


class Command(BaseCommand):
    help = "List, show, upload, validate, archive, compare and download model packages."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="every package")
        listing.add_argument("--state", choices=["deployed", "available", "archived"], default="")
        listing.add_argument("--search", default="", help="in name, version, title and digest")
        _package(actions.add_parser("show", help="one package in full"))
        upload = actions.add_parser("upload", help="a package as a zip archive, or an ONNX file with --form")
        upload.add_argument("file", type=Path)
        upload.add_argument("--form", type=Path, metavar="FORM.json", help="what an ONNX file does not say of itself")
        upload.add_argument("--as", dest="username", required=True, help="the user who sends it")
        validate = _package(actions.add_parser("validate", help="have a worker prove a package"))
        validate.add_argument("--as", dest="username", help="the user who asks (default: the platform itself)")
        for waiting in (upload, validate):
            waiting.add_argument("--wait", type=float, metavar="SECONDS", help="until the verdict, at most so long")
        _package(actions.add_parser("report", help="its latest validation"))
        for name in ("archive", "unarchive"):
            moving = _package(actions.add_parser(name, help=f"{name} a package"))
            moving.add_argument("--reason", required=True, help="why; the audit keeps it")
            moving.add_argument("--as", dest="username", help="the user who does it (default: the platform itself)")
        compare = actions.add_parser("compare", help="two packages side by side")
        compare.add_argument("left")
        compare.add_argument("right")
        download = _package(actions.add_parser("download", help="the whole package as a zip archive"))
        download.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.zip")
        for action in actions.choices.values():
            action.add_argument("--json", action="store_true", help="for machines")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except CodedError as error:
            words = f"{error.failure.title} ({error.code}): {error.failure.message} {error.failure.action}"
            raise CommandError(f"{words} [{error.detail}]" if error.detail else words) from error
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from error

    def _list(self, options: dict[str, Any]) -> None:
        for row in packages_everywhere(state=options["state"], search=options["search"]):
            places = ", ".join(deployment.name for deployment in row.deployments.all())
            state = "ARCHIVED" if row.archived_at else row.validation_state or "NOT VALIDATED"
            self._say(options, package_document(row), f"{row!s:<40} {state:<14} {row.pk}  {places}")

    def _show(self, options: dict[str, Any]) -> None:
        package = packages_everywhere().get(pk=package_chosen(options["package"]).pk)
        checks, jobs = package_checks(package=package), package_jobs_count(package=package)
        document = package_detail_document(package, card=package_card(package=package), checks=checks, jobs=jobs)
        self.stdout.write(json.dumps(document, indent=2))

    def _upload(self, options: dict[str, Any]) -> None:
        user = person_named(options["username"])
        if options["form"] is not None:
            upload = onnx_upload(path=options["file"], form=_form_read(options["form"]), uploaded_by=user)
        else:
            upload = archive_upload(path=options["file"], uploaded_by=user)
        deadline = time.monotonic() + (options["wait"] or 0.0)
        if options["wait"] is not None:
            upload = self._built(upload, deadline)
        if upload.package is None or options["wait"] is None:
            self._say(options, upload_document(upload), f"{upload.state} {upload.package_id or upload.pk}")
            return
        checks = package_checks(package=upload.package)
        if checks:
            self._judged(options, checks[0], deadline)
        else:  # proven before, when the same package was sent before
            self._say(options, upload_document(upload), f"{upload.package.validation_state} {upload.package_id}")

    def _built(self, upload: PackageUpload, deadline: float) -> PackageUpload:
        """The upload once it has become a package, or has not."""
        while upload.state in (UploadState.RECEIVED, UploadState.BUILDING):
            if time.monotonic() > deadline:
                raise CommandError(f"{upload.pk} is still {upload.state}.", returncode=NOT_OVER)
            time.sleep(LOOK_SECONDS)
            upload.refresh_from_db()
        if upload.state == UploadState.REFUSED:
            raise CommandError(f"{upload.failure_code}: {upload.failure_detail}", returncode=FAILED)
        return upload

    def _validate(self, options: dict[str, Any]) -> None:
        user = person_named(options["username"]) if options["username"] else None
        check = validation_request(package=package_chosen(options["package"]), requested_by=user)
        if options["wait"] is None:
            self._say(options, check_document(check), f"{check.state} {check.pk}")
        else:
            self._judged(options, check, time.monotonic() + options["wait"])

    def _report(self, options: dict[str, Any]) -> None:
        checks = package_checks(package=package_chosen(options["package"]))
        if not checks:
            raise CodedError("model:not_validated", options["package"])
        self._verdict(options, checks[0])

    def _judged(self, options: dict[str, Any], check: PackageCheck, deadline: float) -> None:
        """Wait for the end of a validation, then say what it found and end as it did."""
        verdict_wait(check, deadline=deadline)
        self._verdict(options, check)

    def _verdict(self, options: dict[str, Any], check: PackageCheck) -> None:
        document = check_document(check)
        report = document["report"] or {"items": []}
        lines = [f"{item['verdict']:<8} {item['title']}: {item['detail']}" for item in report["items"]]
        self._say(options, document, "\n".join([*lines, f"{check.state} {check.package_id} on {check.worker or 'no worker'}"]))
        verdict_heed(check)

    def _archive(self, options: dict[str, Any]) -> None:
        user = person_named(options["username"]) if options["username"] else None
        row = package_archive(package=package_chosen(options["package"]), archived_by=user, reason=options["reason"])
        self._moved(options, row)

    def _unarchive(self, options: dict[str, Any]) -> None:
        user = person_named(options["username"]) if options["username"] else None
        row = package_unarchive(package=package_chosen(options["package"]), unarchived_by=user, reason=options["reason"])
        self._moved(options, row)

    def _moved(self, options: dict[str, Any], row: ModelPackage) -> None:
        self._say(options, package_document(row), f"{row} {'is archived' if row.archived_at else 'may be put in service'}.")

    def _compare(self, options: dict[str, Any]) -> None:
        left, right = package_chosen(options["left"]), package_chosen(options["right"])
        comparison = packages_compare(left=left, right=right)
        if options["json"]:
            self.stdout.write(json.dumps(comparison_document(comparison, left=left, right=right)))
            return
        for caution in comparison.cautions:
            self.stdout.write(f"! {caution.message}")
        for section in comparison.sections:
            for row in section.rows:
                if not row.same:
                    self.stdout.write(f"{section.name}: {row.field}: {row.left} → {row.right}")

    def _download(self, options: dict[str, Any]) -> None:
        package, output = package_chosen(options["package"]), options["output"]
        with output.open("xb") as file:  # never over a file that is there
            for piece in package_zip(package=package):
                file.write(piece)
        self._say(options, {"file": str(output), "digest": package.pk}, f"{package} → {output}")

    def _say(self, options: dict[str, Any], document: dict[str, Any], line: str) -> None:
        self.stdout.write(json.dumps(document) if options["json"] else line)


def _package(parser: Any) -> Any:
    parser.add_argument("package", help="its digest, or name@version")
    return parser


def _form_read(path: Path) -> dict[str, Any]:
    """The form's fields. Raises CommandError naming every one that is wrong."""
    try:
        data = json.loads(path.read_text())
    except ValueError as error:
        raise CommandError(f"{path} is not JSON: {error}") from error
    serializer = OnnxFormSerializer(data=data)
    try:
        serializer.is_valid(raise_exception=True)
    except ValidationError as error:
        raise CommandError(f"{path}: {json.dumps(error.detail)}") from error
    return dict(serializer.validated_data)
