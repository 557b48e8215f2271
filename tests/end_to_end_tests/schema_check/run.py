"""Schemathesis over every operation of a running product, as one kind of caller after another."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end_tests.schema_check.ground import Ground
from tests.end_to_end_tests.stack import ROOT

#: Path parameters that mean something else at another address.
_BY_ADDRESS = {
    "/api/v1/jobs/{job_id}/artifacts/{name}": {"name": "artifact"},
    "/deployments/{name}": {"name": "deployment"},
}
_SEED = 20260301


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried: cases per operation, the phases, and the seconds that it may take."""

    examples: int
    phases: str
    limit_seconds: int
    checks_left_out: str = ""


THOROUGH = Effort(examples=25, phases="examples,coverage,fuzzing,stateful", limit_seconds=1800)
#: Without the two requests more for each operation that must be refused for want of a token: the thorough run makes them.
SHORT = Effort(examples=1, phases="fuzzing", limit_seconds=240, checks_left_out="ignored_auth")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What Schemathesis said for one caller."""

    caller: str
    passed: bool
    report: str

    @property
    def summary(self) -> str:
        """How many cases, in Schemathesis' words."""
        found = re.search(r"^Test cases:\n\s*(.*)$", self.report, re.M)
        return found[1] if found else "did not end in order"


def api_check(*, url: str, ground: Ground, caller: str, effort: Effort, folder: Path) -> Outcome:
    """Run Schemathesis in a process of its own; its files go to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schemathesis.toml").write_text(_configuration(ground))
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        str(folder / "schemathesis.toml"),
        "--no-color",
    ]
    command += ["run", f"{url}/api/v1/schema?format=json", "--url", url, "--phases", effort.phases, "--seed", str(_SEED)]
    command += ["--max-examples", str(effort.examples), "--generation-database", "none", "--continue-on-failure"]
    command += ["--request-timeout", "30", "--no-shrink"]
    command += ["--workers", "1", "--report-ndjson-path", str(folder / f"{caller}.ndjson")]
    if effort.checks_left_out:
        command += ["--exclude-checks", effort.checks_left_out]
    if token := ground.tokens[caller]:
        command += ["--header", f"Authorization:Bearer {token}"]
    done = subprocess.run(
        command, cwd=folder, env=_environment(ground, folder), capture_output=True, text=True, check=False,
        timeout=effort.limit_seconds,
    )  # fmt: skip
    report = done.stdout + done.stderr
    (folder / f"{caller}.txt").write_text(report)
    return Outcome(caller=caller, passed=done.returncode == 0, report=report)


def _environment(ground: Ground, folder: Path) -> dict[str, str]:
    files = []
    for index, data in enumerate(ground.files):
        path = folder / f"{index}.dcm"
        path.write_bytes(data)
        files.append(str(path))
    (folder / "ground.json").write_text(json.dumps({"kept": ground.kept, "files": files}))
    return {
        **{name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.end_to_end_tests.schema_check.hooks",
        "SCHEMA_CHECK_GROUND": str(folder / "ground.json"),
    }


def _configuration(ground: Ground) -> str:
    """schemathesis.toml: which values exist, so that more than 404 is met."""
    lines = []
    for name, values in ground.values.items():
        lines += [f"[dictionaries.{name}]", f"values = {json.dumps(values)}"]
    lines.append("[parameters]")
    lines += [_binding(name, name) for name in ground.values if name not in ("artifact", "deployment")]
    lines += [_binding(side, "digest", place="query") for side in ("left", "right")]
    for address, names in _BY_ADDRESS.items():
        lines += ["[[operations]]", f"include-path-regex = {json.dumps(re.escape(address))}", "[operations.parameters]"]
        lines += [_binding(name, dictionary) for name, dictionary in names.items()]
    return "\n".join([*lines, (Path(__file__).parent / "schemathesis.toml").read_text()])


def _binding(name: str, dictionary: str, *, place: str = "path") -> str:
    return f'"{place}.{name}" = {{ dictionary = "{dictionary}", probability = 0.7 }}'
