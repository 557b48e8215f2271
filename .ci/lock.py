"""Compile pyproject's dependency groups into the four pinned requirements files. Run by `make lock`.

Each file lists its direct requirements group by group, then what those bring along. Registry addresses and hashes stay out, so
that a mirror or a local wheel serves as well. Not for upgrading: pass `--upgrade` to move the pins, without it they hold.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EVERYTHING = "requirements.txt"
#: Requirements file → (group compiled, purpose, groups shown with a heading of their own).
FILES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    EVERYTHING: (
        "everything",
        "Everything: serving, building models, testing. One CPU machine.",
        ("shared", "platform", "worker", "worker-cpu", "offline", "test", "check", "frontend"),
    ),
    "platform/requirements.txt": ("platform", "What the platform's processes and the launcher need.", ("shared", "platform")),
    "inference_worker/requirements-cpu.txt": (
        "worker-cpu",
        "What an inference worker on CPU needs.",
        ("shared", "worker", "worker-cpu"),
    ),
    "inference_worker/requirements-gpu.txt": (
        "worker-gpu",
        "What an inference worker on NVIDIA GPUs needs.",
        ("shared", "worker", "worker-gpu"),
    ),
}
HEADINGS = {
    "shared": "Both sides of the queue: messages, files, manifests, logs",
    "platform": "The hospital-facing side, and the launcher",
    "worker": "Decoding, preprocessing, heatmaps",
    "worker-cpu": "The engine on CPU",
    "worker-gpu": "The engine on GPU (needs CUDA 13 and cuDNN 9 in the image, a driver on the host)",
    "offline": "Building model packages; never in a serving set",
    "test": "Tests",
    "check": "Checks",
    "frontend": "Node for machines without one",
}
#: Holds for every line, so it says nothing; what narrows a line further stays.
COMMON_MARKER = re.compile(
    r"python_full_version < '3\.14'|sys_platform == 'linux'|implementation_name == 'cpython'"
    r"|platform_python_implementation == 'CPython'"
)


def canonical(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_name(requirement: str) -> str:
    """The distribution a requirement line is about."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    if found is None:
        raise ValueError(f"not a requirement: {requirement}")
    return canonical(found.group())


def without_common_marker(line: str) -> str:
    """Drop the parts of a marker that hold for every line of the file."""
    pin, _, marker = line.partition(" ; ")
    rest = [part for part in marker.split(" and ") if part and not COMMON_MARKER.fullmatch(part)]
    return pin + (" ; " + " and ".join(rest) if rest else "")


def compiled(group: str, *, constraints: list[Path], upgrade: bool) -> dict[str, str]:
    """Resolve one group; returns pinned lines by canonical name. Raises CalledProcessError with uv's words on stderr."""
    command = [
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--no-python-downloads",
        "--universal",
        "--python-version",
        "3.11",
        "--group",
        group,
    ]
    command += ["--no-emit-index-url", "--no-annotate", "--no-header"]
    command += [part for path in constraints for part in ("--constraints", str(path))]
    command += ["--upgrade"] if upgrade else []
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = [without_common_marker(line.strip()) for line in output.splitlines() if line.strip()]
    return {requirement_name(line): line for line in lines}


def rendered(pins: dict[str, str], *, purpose: str, headings: tuple[str, ...], groups: dict[str, list[object]]) -> str:
    """The file's text: direct pins under their group's heading, then the rest."""
    text = [f"# {purpose} Made by `make lock` from pyproject.toml; change the groups there."]
    left = dict(pins)
    for heading in headings:
        names = [requirement_name(entry) for entry in groups[heading] if isinstance(entry, str)]
        text += ["", f"# {HEADINGS[heading]}"] + [left.pop(name) for name in names if name in left]
    return "\n".join([*text, "", "# What those bring along", *(left[name] for name in sorted(left)), ""])


def main() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    upgrade = "--upgrade" in sys.argv[1:]
    for name, (group, purpose, headings) in FILES.items():
        path = ROOT / name
        # The full set comes first; the others follow its pins.
        held = [path] if path.is_file() and not upgrade else []
        constraints = held if name == EVERYTHING else [ROOT / EVERYTHING]
        pins = compiled(group, constraints=constraints, upgrade=upgrade and name == EVERYTHING)
        path.write_text(rendered(pins, purpose=purpose, headings=headings, groups=groups))
        sys.stdout.write(f"{name}: {len(pins)} pins\n")


if __name__ == "__main__":
    main()
