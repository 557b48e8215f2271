"""`mammoserve`: submit a folder and wait for its results; look after batches. Server and token come from the environment.

Exit status: 0 all answered with results; 3 answered, some with failures; 1 it did not work, and the words say why; 2 wrong usage;
130 stopped by hand: the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mammoserve_client.client import Client
from mammoserve_client.errors import MammoServeError
from mammoserve_client.models import Batch
from mammoserve_client.submission import WORKERS, Options, submission_open
from mammoserve_client.tables import Tally, results_write
from mammoserve_client.terminal import TerminalWatcher, counts_words

SOME_FAILED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    problems = Console(stderr=True, highlight=False)
    try:
        with Client(options.url, _token(options)) as client:
            return int(options.run(client, options, Console(highlight=False)))
    except MammoServeError as error:
        problems.print(f"mammoserve: {error}", style="red", markup=False)
        return 1
    except OSError as error:
        problems.print(f"mammoserve: {error.filename or ''}: {error.strerror or error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        problems.print("Stopped. The same command goes on from here.", markup=False)
        return 130


def _token(options: argparse.Namespace) -> str:
    """Never an argument of its own: arguments are seen by everyone on the machine."""
    if options.token_file:
        return str(Path(options.token_file).read_text().strip())
    token = os.environ.get("MAMMOSERVE_TOKEN", "").strip()
    if not token:
        raise MammoServeError("No token. Set MAMMOSERVE_TOKEN, or name a file with --token-file")
    return token


def _submit(client: Client, options: argparse.Namespace, console: Console) -> int:
    folder, out = Path(options.folder), Path(options.out)
    if not folder.is_dir():
        raise MammoServeError(f"{folder} is no folder")
    journal = Path(options.journal) if options.journal else out.with_name(out.name + ".journal")
    how = Options(
        priority=options.priority,
        deployment=options.deployment,
        duplicates=options.duplicates,
        name=options.name,
        workers=options.workers,
    )
    with TerminalWatcher(console) as watcher:
        submission = submission_open(
            client=client, server=options.url, folder=folder, journal=journal, options=how, watcher=watcher
        )
        with submission.journal:
            batches = submission.run()
            if not batches:
                submission.journal.remove()
                raise MammoServeError(f"{folder} holds no DICOM files, PNG or JPEG pictures")
            if not options.wait:
                console.print("Handed over. The same command with --wait fetches the results.")
                return 0
            submission.wait()
            tally = results_write(out, submission.results())
            submission.journal.remove()
    return _tally_print(console, tally, out)


def _tally_print(console: Console, tally: Tally, out: Path) -> int:
    total = sum(tally.statuses.values())
    console.print(f"{tally.statuses['succeeded']} of {total} studies have a result: {out}")
    if tally.failures:
        table = Table("Code", "Studies", "What to do", box=None)
        for code, count in tally.failures.most_common():
            table.add_row(code, str(count), tally.actions[code])
        console.print(table)
    return 0 if tally.statuses["succeeded"] == total else SOME_FAILED


def _status(client: Client, options: argparse.Namespace, console: Console) -> int:
    if options.batch:
        _batch_print(console, client.batch(options.batch), options.json)
        return 0
    for batch, _ in zip(client.batches(), range(options.most), strict=False):
        _batch_print(console, batch, options.json)
    return 0


def _batch_print(console: Console, batch: Batch, as_json: bool) -> None:
    if as_json:
        print(json.dumps(batch.document))  # noqa: T201  for other programs: no wrapping
        return
    eta = f", about {batch.eta_seconds:.0f} s left" if batch.eta_seconds and not batch.has_ended else ""
    console.print(f"{batch.id}  {batch.state:<11} {counts_words(batch.counts)}{eta}  {batch.name}", markup=False)


def _results(client: Client, options: argparse.Namespace, console: Console) -> int:
    out = Path(options.out)
    tally = results_write(out, (("", item) for item in client.batch_results(options.batch)))
    return _tally_print(console, tally, out)


def _heatmaps(client: Client, options: argparse.Namespace, console: Console) -> int:
    console.print(str(client.batch_heatmaps(options.batch, options.out)))
    return 0


def _cancel(client: Client, options: argparse.Namespace, console: Console) -> int:
    _batch_print(console, client.batch_cancel(options.batch), options.json)
    return 0


def _retry(client: Client, options: argparse.Namespace, console: Console) -> int:
    _batch_print(console, client.batch_retry(options.batch), options.json)
    return 0


def _quarantine(client: Client, options: argparse.Namespace, console: Console) -> int:
    for entry in client.quarantine(batch=options.batch):
        if options.json:
            print(json.dumps(entry))  # noqa: T201  for other programs
        else:
            failure = entry["failure"]
            console.print(f"{entry['id']}  {entry['custom_id']}  {failure['code']}  {failure['action']}", markup=False)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mammoserve", description="Mammography studies in, every answer out. Research use only."
    )
    parser.add_argument(
        "--url", default=os.environ.get("MAMMOSERVE_URL", "http://localhost:8000"), help="the platform's address (MAMMOSERVE_URL)"
    )
    parser.add_argument("--token-file", help="file with the API token (else MAMMOSERVE_TOKEN)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    submit = commands.add_parser("submit", help="hand over a folder; killed, it goes on where it stopped")
    submit.add_argument("folder", help="DICOM files in any order (grouped by study), or a folder of pictures for each study")
    submit.add_argument(
        "--out", default="results.csv", help="where the results go: .csv, or .jsonl for everything (default results.csv)"
    )
    submit.add_argument("--wait", action="store_true", help="stay until every study is answered")
    submit.add_argument("--priority", choices=("stat", "routine", "backfill"), default="backfill")
    submit.add_argument("--deployment", default="", help="name of a deployment (default: the site's)")
    submit.add_argument(
        "--duplicates", choices=("reuse", "rerun", "refuse"), default="reuse", help="what to do with studies sent before"
    )
    submit.add_argument("--name", default="", help="for people; must not identify a patient")
    submit.add_argument("--workers", type=int, choices=range(1, 17), metavar="1-16", default=WORKERS, help="files sent at once")
    submit.add_argument("--journal", help="where progress is kept (default: beside the results)")
    submit.set_defaults(run=_submit)

    status = commands.add_parser("status", help="one batch, or the newest")
    status.add_argument("batch", nargs="?")
    status.add_argument("--most", type=int, default=20)
    status.set_defaults(run=_status)

    results = commands.add_parser("results", help="results of a batch, as far as they are")
    results.add_argument("batch")
    results.add_argument("--out", default="results.csv")
    results.set_defaults(run=_results)

    heatmaps = commands.add_parser("heatmaps", help="overlays of a batch as a ZIP")
    heatmaps.add_argument("batch")
    heatmaps.add_argument("--out", default="heatmaps.zip")
    heatmaps.set_defaults(run=_heatmaps)

    for name, run, words in (("cancel", _cancel, "end what has not ended"), ("retry", _retry, "run again what failed")):
        command = commands.add_parser(name, help=words)
        command.add_argument("batch")
        command.set_defaults(run=run)

    quarantine = commands.add_parser("quarantine", help="what was kept aside, with reasons")
    quarantine.add_argument("batch", nargs="?")
    quarantine.set_defaults(run=_quarantine)
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="for other programs, where that makes sense")
    return parser


if __name__ == "__main__":
    sys.exit(main())
