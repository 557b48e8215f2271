"""What people read: Markdown without surprises, pictures that are the same twice."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from model_registry.evaluation.bootstrap import Estimate
from model_registry.evaluation.markdown import cell_text, evaluation_markdown, table_markdown, text_escape
from model_registry.evaluation.plots import class_colours, plots_draw
from model_registry.evaluation.result import Evaluation, Table
from tests.model_registry_tests.evaluation_tests.cases import judged, truth


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return judged(*truth())


@pytest.fixture(scope="module")
def plots(evaluation: Evaluation) -> dict[str, bytes]:
    return plots_draw(evaluation)


def test_every_metric_table_and_plot_is_on_the_page(evaluation: Evaluation, plots: dict[str, bytes]) -> None:
    page = "\n".join(evaluation_markdown(evaluation))
    for metric in evaluation.metrics:
        assert f"| {metric.name} | {metric.value:.3f} | {metric.low:.3f} to {metric.high:.3f} |" in page
    assert all(f"## {table.title}\n" in page for table in evaluation.tables)
    assert set(re.findall(r"\]\((plots/[a-z]+\.svg)\)", page)) == set(plots)
    assert "359 radiologists" in page
    assert "sensitivity 86.9 %, specificity 88.9 %" in page


def test_without_subgroups_no_plot_is_promised() -> None:
    cases, predictions = truth()
    found = judged(replace(cases, subgroups={}), predictions)
    assert "plots/subgroups.svg" not in "\n".join(evaluation_markdown(found))
    assert "plots/subgroups.svg" not in plots_draw(found)


def test_text_from_outside_is_literal() -> None:
    assert text_escape("a|b <img src=x>\n# c") == r"a\|b \<img src=x\> \# c"
    table = Table("t", "T", ("Value",), (("<script>|",), (None,), (Estimate(0.5, float("nan"), 1.0),), (1234,)))
    assert table_markdown(table)[2:6] == [r"| \<script\>\| |", "| – |", "| – |", "| 1,234 |"]
    assert cell_text(Estimate(0.5, 0.25, 0.75)) == "0.500 (0.250 to 0.750)"


def test_warnings_come_first(evaluation: Evaluation) -> None:
    page = evaluation_markdown(replace(evaluation, warnings=("Mind this.",)))
    assert page[0] == "> **Warning.** Mind this."


def test_plots_are_small_pictures_with_real_text(plots: dict[str, bytes]) -> None:
    for name, data in plots.items():
        assert len(data) < 120_000, name
        root = ET.fromstring(data)  # noqa: S314 - our own
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        # nothing that runs and nothing that loads
        assert not any(element.tag.endswith(("script", "image", "foreignObject")) for element in root.iter())
        references = re.findall(rb'(?:href|src)="([^"]+)"', data)
        assert all(reference.startswith(b"#") for reference in references), name
    assert b"US radiologists, screening: 86.9 % / 88.9 %" in plots["plots/roc.svg"]
    assert b"the prevalence" in plots["plots/pr.svg"]


def test_the_same_evaluation_is_drawn_in_the_same_bytes(evaluation: Evaluation, plots: dict[str, bytes]) -> None:
    again = plots_draw(evaluation)
    assert again == plots


def test_an_evaluation_without_negatives_is_still_drawn() -> None:
    cases, predictions = truth(40)
    labels = np.maximum(cases.labels, 1)
    found = judged(replace(cases, labels=labels), replace(predictions, heatmaps=None))
    assert b"AUC not defined" in plots_draw(found)["plots/roc.svg"]


def test_colours_are_the_pages_where_the_names_say_which() -> None:
    assert class_colours(["normal", "benign", "malignant"]) == ["#0072b2", "#009e73", "#c8102e"]
    assert len(set(class_colours(["cancer", "malignant", "normal"]))) == 3
    assert len(set(class_colours([f"Density{d}" for d in range(8)]))) == 8
