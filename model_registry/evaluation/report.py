"""All figures of a model from its predictions on cases. Runs no model, draws nothing, writes nothing.

`evaluate` reads like the report: discrimination, named class, operating point, calibration, subgroups, maps. One set of bootstrap
draws serves every figure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_registry.evaluation import benchmark
from model_registry.evaluation.bootstrap import BOOTSTRAP_DRAWS, Estimate, Resampling, Statistic, interval, mean_of
from model_registry.evaluation.calibration import (
    calibration_error_of,
    log_likelihoods,
    probabilities_of,
    reliability,
    temperature_cross_fit,
    temperature_fit,
)
from model_registry.evaluation.cases import Cases, Predictions, cases_check
from model_registry.evaluation.classification import (
    Confusions,
    accuracy,
    balanced_accuracy,
    f1,
    kappa,
    macro,
    weighted,
)
from model_registry.evaluation.discrimination import (
    auc_of,
    average_precision_of,
    operating_point_at,
    operating_point_at_specificity,
    precision_recall_points,
    roc_points,
    sensitivities_of,
    sensitivity_of,
    specificity_of,
)
from model_registry.evaluation.maps import pointing_of_targets, pointing_table, segmentation_table
from model_registry.evaluation.result import Curve, Curves, Evaluation, Table, percent
from model_registry.evaluation.subgroups import subgroups_of, subgroups_table
from model_registry.evaluation.tables import calibration_table, classes_table, confusion_table, temperature_words
from model_registry.packaging.manifest import Metric

__all__ = ["Cases", "Evaluation", "Predictions", "evaluate"]

SPECIFICITY = 0.9
FIXED_SHARES = (0.8, 0.9, 0.95)
BAND_GRID = np.linspace(0.0, 1.0, 51)
HISTOGRAM_EDGES = np.linspace(0.0, 1.0, 21)
# A small collection that is judged almost without fault is nearly always one that leaks.
LEAK_AUC = 0.95
LEAK_IMAGES = 1000
FEW_CASES = 20


def evaluate(
    *,
    cases: Cases,
    predictions: Predictions,
    classes: Sequence[str],
    suspicion_classes: Sequence[str],
    targets: Sequence[str],
    activation: str = "softmax",
    method: str,
    task: str = "classification",
    temperature: float | None = None,
    threshold: float | None = None,
    map_words: str = "Grad-CAM",
    seed: int = 0,
    draws: int = BOOTSTRAP_DRAWS,
) -> Evaluation:
    """Every figure with its interval by bootstrap over `cases.groups`. `method` says in words how the predictions came about.

    `temperature` and `threshold` are a finished package's own, judged as they stand; without them a temperature is fitted (and
    judged by cross-fitting) and a threshold chosen at 90 % specificity. Figures that the cases do not define are left out.
    Raises EvaluationError where cases and predictions do not fit together.
    """
    cases_check(cases=cases, predictions=predictions, classes=classes, targets=targets)
    labels, logits = cases.labels, predictions.logits
    resampling = Resampling(groups=cases.groups, seed=seed, draws=draws)
    sheet = _Sheet(resampling, method)
    suspicious = [list(classes).index(name) for name in suspicion_classes]
    positive = np.isin(labels, suspicious)
    words = contrast_words(classes, suspicion_classes)

    def suspicion_at(value: float | np.ndarray) -> np.ndarray:
        found = probabilities_of(logits, activation=activation, temperature=value)[:, suspicious].sum(axis=1)
        return np.asarray(np.minimum(1.0, found))

    probabilities, suspicion = probabilities_of(logits, activation=activation), suspicion_at(1.0)
    main = sheet.add(f"AUC {words}", auc_of(suspicion, positive))
    areas = _class_areas(sheet, probabilities, labels, classes, suspicious)
    precision_area = sheet.add(f"Average precision, {words}", average_precision_of(suspicion, positive))
    for share in (*FIXED_SHARES, benchmark.SPECIFICITY):
        sheet.add(f"Sensitivity at {_fixed(share, 'specificity')}", sensitivity_of(suspicion, positive, specificity=share))
    for share in (*FIXED_SHARES, benchmark.SENSITIVITY):
        sheet.add(f"Specificity at {_fixed(share, 'sensitivity')}", specificity_of(suspicion, positive, sensitivity=share))

    chosen = temperature or temperature_fit(logits, labels, activation=activation)
    tempered = suspicion_at(chosen)
    point = (
        operating_point_at_specificity(tempered, positive, specificity=SPECIFICITY)
        if threshold is None
        else operating_point_at(tempered, positive, threshold=threshold)
    )
    above = tempered > point.threshold
    sheet.add("Sensitivity at the operating point", mean_of(above, positive))
    sheet.add("Specificity at the operating point", mean_of(~above, ~positive))

    confusions = Confusions(labels, probabilities.argmax(axis=1), len(classes))
    for name, figure in NAMED_CLASS_FIGURES.items():
        sheet.add(name, confusions.statistic(figure))

    judged: float | np.ndarray = chosen
    crossed = temperature_cross_fit(logits, labels, cases.groups, activation=activation, seed=seed)
    if temperature is None and crossed is not None:
        judged = crossed
    calibrated = suspicion_at(judged)
    sheet.add("Expected calibration error of suspicion", calibration_error_of(calibrated, positive))
    sheet.add("Brier score of suspicion", mean_of((calibrated - positive) ** 2))
    rows = subgroups_of(cases=cases, suspicion=suspicion, positive=positive, resampling=resampling)
    tables = [
        classes_table(confusions, areas, classes, resampling),
        confusion_table(confusions, classes),
        calibration_table(
            before=suspicion,
            after=calibrated,
            positive=positive,
            likelihoods=[-log_likelihoods(logits / _column(value), labels, activation=activation) for value in (1.0, judged)],
            resampling=resampling,
            words=temperature_words(chosen, given=temperature is not None, crossed=crossed is not None),
        ),
    ]
    if rows:
        tables.append(subgroups_table(rows))
    tables += _maps(sheet, cases, predictions, classes, suspicion_classes, targets, task=task, words=map_words)
    roc = _roc(f"{words}", suspicion, positive, main, resampling)
    curves = Curves(
        roc=(roc, *(_roc(name, probabilities[:, i], labels == i, areas[name][0]) for i, name in _others(classes, suspicious))),
        precision_recall=(
            _precision_recall(words, suspicion, positive, precision_area),
            *(
                _precision_recall(name, probabilities[:, i], labels == i, areas[name][1])
                for i, name in _others(classes, suspicious)
            ),
        ),
        reliability_before=reliability(suspicion, positive, binning="equal_count"),
        reliability=reliability(calibrated, positive, binning="equal_count"),
        confusion=confusions.matrix(np.ones((1, len(labels))))[0].astype(int),
        edges=HISTOGRAM_EDGES,
        histograms={name: np.histogram(tempered[labels == i], HISTOGRAM_EDGES)[0] for i, name in enumerate(classes)},
        subgroups=rows,
    )
    return Evaluation(
        metrics=tuple(sheet.metrics),
        temperature=chosen,
        operating_point=point,
        method=method,
        classes=tuple(classes),
        suspicion_words=words,
        images=len(labels),
        patients=resampling.group_count,
        tables=tuple(tables),
        curves=curves,
        warnings=warnings_of(area=main.value, images=len(labels), positive=positive),
    )


NAMED_CLASS_FIGURES = {
    "Accuracy": accuracy,
    "Balanced accuracy": balanced_accuracy,
    "F1, macro average": macro(f1),
    "F1, weighted by cases": weighted(f1),
    "Cohen's kappa": kappa,
}


def contrast_words(classes: Sequence[str], suspicion_classes: Sequence[str]) -> str:
    """What suspicion tells apart: “abnormal against normal”, “malignant against benign”, “malignant against the rest”."""
    rest = [name for name in classes if name not in suspicion_classes]
    if len(rest) == 1 and rest[0].lower() == "normal" and len(suspicion_classes) > 1:
        return f"abnormal against {rest[0].lower()}"
    return f"{' or '.join(suspicion_classes)} against {rest[0] if len(rest) == 1 else 'the rest'}"


def warnings_of(*, area: float, images: int, positive: np.ndarray) -> tuple[str, ...]:
    """Sentences that must stand beside the figures: a result too good to be true, or too few cases for any."""
    found = []
    if area > LEAK_AUC and images < LEAK_IMAGES:
        found.append(
            f"An AUC of {area:.3f} on {images} images looks perfect and is most often a leak: images of one woman, copies of one "
            "image, or a source that differs between the classes, on both sides of the split. Find out before believing it."
        )
    for name, count in (("positive", int(positive.sum())), ("negative", int((~positive).sum()))):
        if count < FEW_CASES:
            found.append(f"Only {count} {name} images: the figures say little, and their intervals may still be too narrow.")
    return tuple(found)


class _Sheet:
    """Collects metrics in order; one that is not defined on these cases is left out."""

    def __init__(self, resampling: Resampling, method: str) -> None:
        self.resampling = resampling
        self._method = method
        self.metrics: list[Metric] = []

    def add(self, name: str, statistic: Statistic) -> Estimate:
        return self.put(name, self.resampling.estimate(statistic))

    def put(self, name: str, found: Estimate) -> Estimate:
        if found.is_defined and name not in {metric.name for metric in self.metrics}:
            value, low, high = (round(number, 4) for number in (found.value, found.low, found.high))
            self.metrics.append(Metric(name=name, value=value, low=low, high=high, method=self._method))
        return found

    def estimate(self, statistic: Statistic) -> Estimate:
        return self.resampling.estimate(statistic)


def _class_areas(
    sheet: _Sheet, probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], suspicious: Sequence[int]
) -> dict[str, tuple[Estimate, Estimate]]:
    """(AUC, average precision) of each class against the rest; more than two classes also make metrics of the areas."""
    statistics = [auc_of(probabilities[:, index], labels == index) for index in range(len(classes))]
    found = {}
    for index, name in enumerate(classes):
        area = sheet.estimate(statistics[index])
        if len(classes) > 2 and not _is_mirror(index, suspicious, len(classes)):
            sheet.put(f"AUC {name} against the rest", area)
        found[name] = area, sheet.estimate(average_precision_of(probabilities[:, index], labels == index))
    if len(classes) > 2:
        present = [statistic for index, statistic in enumerate(statistics) if (labels == index).any()]
        sheet.add(
            f"AUC of {len(classes)} classes, macro average",
            lambda weights: np.mean([statistic(weights) for statistic in present], axis=0),
        )
    if len(classes) > 2 and len(suspicious) == 2:
        first, second = suspicious
        among = np.isin(labels, suspicious)
        # the share of the second among the two; where both are 0 nothing is said for either
        total = probabilities[:, first] + probabilities[:, second]
        share = np.divide(probabilities[:, second], total, out=np.full(len(total), 0.5), where=total > 0)
        words = "abnormal" if contrast_words(classes, [classes[i] for i in suspicious]).startswith("abnormal") else "the two"
        sheet.add(f"AUC {classes[second]} against {classes[first]}, among {words}", auc_of(share, labels == second, among))
    return found


def _maps(
    sheet: _Sheet,
    cases: Cases,
    predictions: Predictions,
    classes: Sequence[str],
    suspicion_classes: Sequence[str],
    targets: Sequence[str],
    *,
    task: str,
    words: str,
) -> list[Table]:
    if predictions.heatmaps is None:
        return []
    resampling, tables = sheet.resampling, []
    found = pointing_of_targets(
        cases=cases,
        heatmaps=predictions.heatmaps,
        classes=classes,
        suspicion_classes=suspicion_classes,
        targets=targets,
    )
    if found:
        tables.append(pointing_table(pointing=found, resampling=resampling, on_breast=cases.breasts is not None))
    for target, measured in found.items():
        name = f"{target} mask" if task == "segmentation" else f"{target} {words}"
        sheet.add(f"Pointing game, {name}", mean_of(measured.hit, np.isfinite(measured.hit)))
    if task == "segmentation":
        masks = segmentation_table(
            cases=cases, heatmaps=predictions.heatmaps, classes=classes, targets=targets, resampling=resampling
        )
        if masks is not None:
            tables.append(masks)
            for mask, _, _, dice, _, sensitivity, *_ in masks.rows:
                for figure, value in (("Dice", dice), ("Lesions found", sensitivity)):
                    if isinstance(value, Estimate):
                        sheet.put(f"{figure}, {mask} mask", value)
    return tables


def _roc(name: str, scores: np.ndarray, positive: np.ndarray, area: Estimate, resampling: Resampling | None = None) -> Curve:
    x, y, _ = roc_points(scores, positive)
    band = None
    if resampling is not None and area.is_defined:
        drawn = resampling.values(sensitivities_of(scores, positive, specificities=1 - BAND_GRID))
        band = (BAND_GRID, *interval(drawn))
    return Curve(name, x, y, area, band)


def _precision_recall(name: str, scores: np.ndarray, positive: np.ndarray, area: Estimate) -> Curve:
    x, y = precision_recall_points(scores, positive)
    return Curve(name, x, y, area, base=float(positive.mean()))


def _others(classes: Sequence[str], suspicious: Sequence[int]) -> list[tuple[int, str]]:
    """The classes whose curves say more than suspicion's."""
    return [
        (index, name)
        for index, name in enumerate(classes)
        if [index] != list(suspicious) and not _is_mirror(index, suspicious, len(classes))
    ]


def _is_mirror(index: int, suspicious: Sequence[int], classes: int) -> bool:
    """Whether a class against the rest is suspicion turned round: the only class that is not suspicious."""
    return index not in suspicious and len(suspicious) == classes - 1


def _fixed(share: float, name: str) -> str:
    return f"{percent(share)} {name}" if share in FIXED_SHARES else f"{percent(share, 1)} {name}, the radiologists' mean"


def _column(value: float | np.ndarray) -> float | np.ndarray:
    return value[:, np.newaxis] if isinstance(value, np.ndarray) else value
