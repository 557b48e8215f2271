"""Building by name: the published parameter counts with the published heads, labels and inputs, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

keras = pytest.importorskip("keras")

from model_registry.zoo.errors import UnknownFamily, WeightsRefused, WrongInputShape, WrongLabels  # noqa: E402
from model_registry.zoo.labels import LABEL_SCHEMES, NO_LESION_LESION  # noqa: E402
from model_registry.zoo.registry import zoo_build, zoo_names  # noqa: E402

PUBLISHED = {
    "clahe-cnn": ("normal-benign-malignant", 3_011_075),
    "simple": ("density-by-finding", 5_977_640),
    "shufflenet": ("density-by-finding", 8_176_784),
    "densenet121": ("density-by-finding", 7_438_920),
    "vgg16": ("density-by-finding", 14_915_400),
    "alexnet": ("density-by-finding", 62_386_352),
    "callback-cnn": ("callback", 406_982),
    "baseline": ("benign-cancer-normal", 110_467),
    "regularised": ("benign-cancer-normal", 110_467),
    "deeper": ("benign-cancer-normal", 305_123),
    "narrower": ("benign-cancer-normal", 28_099),
    # “about”, or not published: Keras's bases with the heads of the table, and the cuts chosen here
    "efficientnetv2-b0": ("density-by-finding", 5_929_560),
    "resnet50": ("callback", 23_595_908),
    "mobilenetv2": ("callback", 2_263_108),
    "multi-branch": ("benign-cancer-normal", 4_246_294),
    "wider": ("benign-cancer-normal", 404_739),
    "naive-baseline": ("benign-cancer-normal", 109_571),
    "overfitting": ("benign-cancer-normal", 12_939_139),
}
SINGLE_SIGMOID = {"efficientnet-b0": 4_050_852, "efficientnet-b2": 7_769_978, "efficientnet-b3": 10_785_072}
GRIDS = {"simple": (109, 109), "vgg16": (14, 14), "alexnet": (13, 13), "clahe-cnn": (27, 27), "shufflenet": (7, 7)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_family_has_the_published_size_labels_and_grid(name: str) -> None:
    scheme, parameters = PUBLISHED[name]
    built = zoo_build(name, classes=LABEL_SCHEMES[scheme])
    assert built.parameters == parameters
    assert (built.architecture, built.classes) == (name, LABEL_SCHEMES[scheme])
    outputs = {key: tuple(tensor.shape) for key, tensor in built.keras_model.output.items()}
    assert outputs["logits"] == outputs["scores"] == (None, len(built.classes))
    if name in GRIDS:
        assert outputs["cam"][1:3] == GRIDS[name]
    keras.backend.clear_session()


@pytest.mark.parametrize("name", SINGLE_SIGMOID)
def test_efficientnet_ends_in_a_single_sigmoid(name: str) -> None:
    built = zoo_build(name, classes=LABEL_SCHEMES["benign-malignant"], activation="sigmoid")
    assert built.parameters == SINGLE_SIGMOID[name]
    assert built.input_range == (0.0, 255.0)


def test_every_family_has_its_size_asserted() -> None:
    assert {*PUBLISHED, *SINGLE_SIGMOID, "modified-unet"} == set(zoo_names())


def test_label_orders_are_those_of_training() -> None:
    assert LABEL_SCHEMES["density-by-finding"][:3] == ("Density1Benign", "Density1Malignant", "Density2Benign")
    assert LABEL_SCHEMES["density-by-finding"][7] == "Density4Malignant"
    assert LABEL_SCHEMES["callback"].index("Malignant") == 2
    assert LABEL_SCHEMES["benign-cancer-normal"] == ("Benign", "Cancer", "Normal")


def test_unet_answers_per_pixel_and_per_image() -> None:
    built = zoo_build("modified-unet", classes=NO_LESION_LESION, activation="sigmoid")
    shapes = {key: tuple(tensor.shape) for key, tensor in built.keras_model.output.items()}
    assert shapes == {"logits": (None, 2), "scores": (None, 2), "cam": (None, 256, 256, 32), "mask": (None, 256, 256, 1)}
    assert (built.task, built.parameters) == ("segmentation", 7_768_353)


def test_narrower_takes_whole_mammograms_with_the_same_weights() -> None:
    built = zoo_build("narrower", classes=LABEL_SCHEMES["benign-cancer-normal"], input_shape=(2560, 1440, 1))
    assert built.parameters == 28_099


def test_vgg16_takes_the_single_sigmoid_head() -> None:
    built = zoo_build("vgg16", classes=("benign", "malignant"), activation="sigmoid", head="average-dense")
    # 14,714,688 of the base, 512·64 + 64, 64 + 1
    assert built.parameters == 14_714_688 + 32_832 + 65


def test_chosen_architectures_say_so() -> None:
    notes = {
        name: zoo_build(name, classes=("a", "b"), input_shape=(64, 64, 1)).note
        for name in ("baseline", "wider", "naive-baseline", "overfitting", "modified-unet")
    }
    assert notes.pop("baseline") == ""
    assert all("chosen here" in note for note in notes.values())


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("resnet51", {}, UnknownFamily),
        ("baseline", {"head": "flatten"}, UnknownFamily),
        ("baseline", {"classes": ("a",)}, WrongLabels),
        ("baseline", {"classes": ("a", "a")}, WrongLabels),
        ("baseline", {"activation": "sigmoid"}, WrongLabels),
        ("baseline", {"activation": "tanh"}, WrongLabels),
        ("baseline", {"input_shape": (224, 224)}, WrongInputShape),
        ("baseline", {"input_shape": (0, 224, 1)}, WrongInputShape),
        ("clahe-cnn", {"input_shape": (8, 8, 1)}, WrongInputShape),
        ("resnet50", {"input_shape": (64, 64, 4)}, WrongInputShape),
        ("multi-branch", {"input_shape": (64, 64, 3)}, WrongInputShape),
        ("modified-unet", {"input_shape": (100, 64, 1)}, WrongInputShape),
        ("baseline", {"weights_path": "weights.h5"}, WeightsRefused),
    ],
)
def test_what_cannot_be_built_is_refused_with_a_code(name: str, options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^model:"):
        zoo_build(name, **{"classes": ("a", "b", "c"), **options})
