"""The label schemes of the five reference systems, each in the order its network was trained with.

A scheme is only an order of names: any other tuple of labels builds just as well. Knows no data set and no package.
"""

from __future__ import annotations

from typing import Final

NORMAL_BENIGN_MALIGNANT: Final = ("normal", "benign", "malignant")
DENSITY_BY_FINDING: Final = tuple(f"Density{density}{finding}" for density in (1, 2, 3, 4) for finding in ("Benign", "Malignant"))
CALLBACK: Final = ("Benign", "Benign_Without_Callback", "Malignant", "Normal")
BENIGN_CANCER_NORMAL: Final = ("Benign", "Cancer", "Normal")
BENIGN_MALIGNANT: Final = ("benign", "malignant")
NO_LESION_LESION: Final = ("no lesion", "lesion")

LABEL_SCHEMES: Final[dict[str, tuple[str, ...]]] = {
    "normal-benign-malignant": NORMAL_BENIGN_MALIGNANT,
    "density-by-finding": DENSITY_BY_FINDING,
    "callback": CALLBACK,
    "benign-cancer-normal": BENIGN_CANCER_NORMAL,
    "benign-malignant": BENIGN_MALIGNANT,
}
