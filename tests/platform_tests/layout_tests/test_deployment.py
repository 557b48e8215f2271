"""docker-compose.yml, the Dockerfiles and .env.example name only what exists. They cannot be started here, so they are read."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

from inference_worker.contract.queues import LEDGER_QUEUE, MAINTENANCE_QUEUE, ORDER_QUEUES

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILES = {"platform": ROOT / "platform" / "Dockerfile", "worker": ROOT / "inference_worker" / "Dockerfile"}
OURS = ("web", "ledger", "dispatcher", "batches", "webhooks", "migrate", "worker-cpu", "worker-gpu")
#: Read by botocore, gunicorn's runtime or the linker rather than by our own code.
READ_BY_LIBRARIES = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_S3", "AWS_DEFAULT_REGION"}
COMPOSE_ONLY = {
    *("POSTGRES_PASSWORD", "REDIS_PASSWORD", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"),
    *("OBJECT_STORE_ACCESS_KEY", "OBJECT_STORE_SECRET_KEY", "BIND_ADDRESS"),
}
#: Internal to the launcher and Python.
NOT_FOR_PEOPLE = {"DJANGO_SETTINGS_MODULE", "TMPDIR"}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(COMPOSE.read_text())["services"]


def words_of(service: dict[str, Any], key: str = "command") -> list[str]:
    value = service.get(key, [])
    return shlex.split(value) if isinstance(value, str) else [str(word) for word in value]


def image_command(name: str) -> list[str]:
    found = re.search(r"^CMD (\[.*\])$", DOCKERFILES[name].read_text(), re.M)
    assert found is not None
    return yaml.safe_load(found[1])


def variables_in_code() -> set[str]:
    """Every variable that our code reads from the environment."""
    patterns = (
        r'env(?:\.\w+)?\(\s*"([A-Z][A-Z0-9_]+)"',
        r'environ(?:\.get\(|\[)"([A-Z][A-Z0-9_]+)"',
        r'(?:source\.get\(|_whole\(source, |_required\(source, )"([A-Z][A-Z0-9_]+)"',
    )
    files = [path for room in ("platform", "inference_worker", "model_registry") for path in (ROOT / room).rglob("*.py")]
    files = [path for path in files if ROOT / "platform" / "client" not in path.parents]  # runs at the hospitals, not here
    return {name for path in files for pattern in patterns for name in re.findall(pattern, path.read_text())} - NOT_FOR_PEOPLE


def variables_in_example() -> set[str]:
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.M))


def test_the_file_is_valid_by_the_compose_specification() -> None:
    command = [str(Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_every_part_of_the_platform_is_there(services: dict[str, dict[str, Any]]) -> None:
    assert {*OURS, "postgres", "redis", "minio", "bucket"} == set(services)
    assert services["worker-gpu"]["profiles"] == ["gpu"]
    assert "profiles" not in services["worker-cpu"]


def test_every_management_command_named_exists(services: dict[str, dict[str, Any]]) -> None:
    named = set()
    for service in services.values():
        for words in (words_of(service), service.get("healthcheck", {}).get("test", [])):
            named |= {words[at + 1] for at, word in enumerate(words[:-1]) if word == "platform/manage.py"}
    assert named == {"run_dispatcher", "run_batches", "run_webhooks", "migrate", "check_alive"}
    assert named <= set(get_commands())


def test_every_celery_app_named_exists_and_consumes_the_contracts_queues(services: dict[str, dict[str, Any]]) -> None:
    queues = {}
    for name in ("ledger", "worker-cpu", "worker-gpu"):
        words = words_of(services[name])
        module = words[words.index("-A") + 1]
        path = Path(*module.split(".")).with_suffix(".py")
        assert (ROOT / path).is_file() or (ROOT / "platform" / path).is_file(), module
        queues[name] = words[words.index("-Q") + 1]
    consumed = ",".join((*ORDER_QUEUES, MAINTENANCE_QUEUE))
    assert queues == {"ledger": LEDGER_QUEUE, "worker-cpu": consumed, "worker-gpu": consumed}
    assert image_command("worker")[image_command("worker").index("-Q") + 1] == consumed


def test_the_web_server_is_told_where_the_application_is() -> None:
    module, _, attribute = image_command("platform")[1].partition(":")
    assert (ROOT / "platform" / Path(*module.split(".")).with_suffix(".py")).is_file()
    assert attribute == "application"


@pytest.mark.parametrize("name", DOCKERFILES)
def test_everything_copied_into_an_image_exists(name: str) -> None:
    copies = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILES[name].read_text(), re.M)
    assert copies
    sources = [source.replace("${ENGINE}", "gpu") for line in copies for source in line.split()[:-1]]
    assert [source for source in sources if not (ROOT / source).exists()] == []


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_runs_as_nobody_special(name: str) -> None:
    users = re.findall(r"^USER (\w+)$", DOCKERFILES[name].read_text(), re.M)
    assert users == ["mammoserve"]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_can_write_nowhere_but_their_volumes(services: dict[str, dict[str, Any]], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_long_running_service_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    assert {name for name, service in services.items() if "healthcheck" not in service} == {"migrate", "bucket"}


def test_the_worker_has_no_way_to_the_database(services: dict[str, dict[str, Any]]) -> None:
    for name in ("worker-cpu", "worker-gpu"):
        assert "database" not in services[name]["networks"]
        assert not {"DATABASE_URL", "SECRET_KEY"} & set(services[name]["environment"])


def test_redis_refuses_rather_than_forgets_and_writes_its_log(services: dict[str, dict[str, Any]]) -> None:
    command = " ".join(words_of(services["redis"]))
    assert "--maxmemory-policy noeviction" in command
    assert "--appendonly yes" in command


def test_no_secret_has_a_value_or_a_default(services: dict[str, dict[str, Any]]) -> None:
    secret = re.compile(r"PASSWORD|SECRET|ACCESS_KEY|ROOT_USER")
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if secret.search(variable):
                assert re.fullmatch(r"\$\{[A-Z0-9_]+:\?[^}]+\}", str(value)), f"{name}: {variable}"
    for url in re.findall(r"\w+://[^\s]*@", COMPOSE.read_text()):
        assert re.search(r":\$\{[A-Z_]+:\?[^}]+\}@$", url), url
    for line in (ROOT / ".env.example").read_text().splitlines():
        if secret.search(line.partition("=")[0]):
            assert line.partition("=")[2].split("#")[0].strip() == "", line


def test_every_image_from_elsewhere_is_pinned(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        tag = service["image"].rpartition(":")[2]
        assert tag[0].isdigit() or tag.startswith("RELEASE."), name


@pytest.mark.parametrize("name", OURS)
def test_every_variable_given_to_our_containers_is_read(services: dict[str, dict[str, Any]], name: str) -> None:
    assert set(services[name]["environment"]) - variables_in_code() - READ_BY_LIBRARIES == set()


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    used = set(re.findall(r"\$\{([A-Z0-9_]+)", COMPOSE.read_text()))
    assert used - variables_in_example() == set()


def test_the_example_lists_exactly_what_the_code_reads() -> None:
    code = variables_in_code()
    assert code - variables_in_example() == set()
    assert variables_in_example() - code - READ_BY_LIBRARIES - COMPOSE_ONLY == set()
