"""What radiologists reach in screening: the reference lines of a ROC plot, and why nothing here may be compared with them."""

from __future__ import annotations

from model_registry.evaluation.result import percent

SENSITIVITY = 0.869
SPECIFICITY = 0.889
CITATION = (
    "Lehman CD, Arao RF, Sprague BL, Lee JM, Buist DSM, Kerlikowske K, Henderson LM, Onega T, Tosteson ANA, Rauscher GH, "
    "Miglioretti DL (2017). National Performance Benchmarks for Modern Screening Digital Mammography: Update from the Breast "
    "Cancer Surveillance Consortium. Radiology 283(1):49-58. https://doi.org/10.1148/radiol.2016161174"
)
WORDS = (
    "The cross and its lines in the ROC plot are the mean of 359 radiologists reading 1,682,504 screening examinations in the "
    f"United States (BCSC): sensitivity {percent(SENSITIVITY, 1)}, specificity {percent(SPECIFICITY, 1)}. They orient and do not "
    "compare: those examinations were of a screening population, about five cancers in a thousand, read whole, with priors and a "
    f"year's follow-up; the cases here are another mixture. {CITATION}"
)
