"""The Spanish pages have words for exactly the codes that the server uses."""

from __future__ import annotations

import re
from pathlib import Path

from catalog.compare import CautionCode
from common.problems import transport_words
from inference_worker.contract.failures import CATALOGUE
from jobs import wording

ROOT = Path(__file__).parents[3]
STRINGS = ROOT / "frontend" / "src" / "strings"
SPANISH = (STRINGS / "es-server.js").read_text()


def area(name: str) -> str:
    """The source of one area of es-server.js."""
    found = re.search(rf"^  {name}: \{{\n(.*?)^  \}},", SPANISH, re.M | re.S)
    assert found is not None
    return found[1]


def keys(source: str) -> set[str]:
    return set(re.findall(r"^    '?([a-z_:]+)'?:", source, re.M))


def test_every_failure_of_the_catalogue_has_its_title_message_and_action_in_spanish() -> None:
    entries = [
        entry
        for path in sorted(STRINGS.glob("es-failures-*.js"))
        for entry in re.findall(r"^  '([a-z]+:[a-z0-9_]+)': said\((.*?)\),\n(?=  '|\};)", path.read_text(), re.M | re.S)
    ]
    codes = [code for code, _ in entries]

    assert sorted(codes) == sorted(CATALOGUE)
    texts = {code: re.findall(r"'((?:[^'\\]|\\.)+)'", said) for code, said in entries}
    assert {code: said for code, said in texts.items() if len(said) != 3} == {}
    assert [code for code, (_, message, _) in texts.items() if message == CATALOGUE[code].message] == []


def test_every_refusal_of_a_request_is_known_in_spanish() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "platform").rglob("*.py") if "client" not in path.parts)
    used = set(re.findall(r"\"((?:auth|request|job|batch|quarantine):[a-z_]+)\"", sources))
    used |= {code for _, code, _, _ in transport_words()}

    assert keys(area("problems")) - {"system:database_unavailable"} == used


def test_cautions_and_what_measures_rest_on_are_known_in_spanish() -> None:
    planes = {plane or "none" for plane in wording._MEASURED}

    assert keys(area("cautions")) == set(wording.CAUTIONS) | set(CautionCode)
    assert keys(area("measuring")) == planes
    assert keys(area("segmentation")) == {plane or "none" for plane in wording._SPACING} | {"nothing"}
