"""AUC of suspicion by what is known of the cases: density, finding, view, device. Pure functions of arrays."""

from __future__ import annotations

import numpy as np

from model_registry.datasets.records import ImageRecord
from model_registry.evaluation.bootstrap import Resampling
from model_registry.evaluation.cases import Cases
from model_registry.evaluation.discrimination import auc_of
from model_registry.evaluation.result import Subgroup, Table

VALUES_MAXIMUM = 12
POSITIVES_MINIMUM = 5
NOT_STATED = "not stated"


def record_facts(record: ImageRecord) -> dict[str, str]:
    """What subgroups are made from: view, laterality and whatever else the collection says of an image."""
    return {"view position": record.view_position or "", "laterality": record.image_laterality or "", **record.attributes}


def subgroups_of(*, cases: Cases, suspicion: np.ndarray, positive: np.ndarray, resampling: Resampling) -> tuple[Subgroup, ...]:
    """A row for every value with at least five positives; an attribute with one value, or more than twelve, is no grouping.

    A value that only positives have, such as a kind of lesion, is held against all negatives.
    """
    found = []
    for attribute, column in cases.subgroups.items():
        values = sorted({str(value) for value in column})
        if not 2 <= len(values) <= VALUES_MAXIMUM:
            continue
        for value in values:
            rows = np.array([str(item) == value for item in column])
            positives, negatives = int((rows & positive).sum()), int((rows & ~positive).sum())
            if positives < POSITIVES_MINIMUM:
                continue
            compared = rows if negatives else rows | ~positive
            area = resampling.estimate(auc_of(suspicion, positive, compared))
            if area.is_defined:
                found.append(Subgroup(attribute, value or NOT_STATED, positives, negatives, area, against_all=not negatives))
    return tuple(found)


def subgroups_table(rows: tuple[Subgroup, ...]) -> Table:
    note = "A subgroup needs five positives. An interval that reaches below 0.5 cannot be told from chance."
    if any(row.against_all for row in rows):
        note += " * held against all negatives, having none of its own."
    return Table(
        name="subgroups",
        title="By subgroup",
        columns=("Attribute", "Value", "Positive", "Negative", "AUC of suspicion"),
        rows=tuple(
            (row.attribute, row.value + (" *" if row.against_all else ""), row.positives, row.negatives, row.area) for row in rows
        ),
        note=note,
    )
