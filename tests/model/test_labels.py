"""Classes come from the data: how many, what they are called, and which ones can be asked for."""

import json

import keras
import numpy as np
import pytest
from pictures import pixels, write_png
from PIL import Image
from small_models import small
from typer.testing import CliRunner

import genzoo
from genzoo import data
from genzoo.cli.app import app
from genzoo.data import ImageBatches, semi_supervised
from genzoo.experiments.runs import Run

NAMES = ("circle", "square", "triangle")
X, Y = pixels(12, 8, 8, 1), np.arange(12) % 3
OPTIONS = {
    "cvae": {"hidden_dim": 8, "latent_dim": 4},
    "cgan": {"hidden_dim": 24, "latent_dim": 4},
    "cdcgan": {"filters": 4, "latent_dim": 4},
    "ssgan": {"hidden_dim": 8, "latent_dim": 4},
    "adgm": {"hidden_dim": 8, "latent_dim": 4, "auxiliary_dim": 4},
}
DRAWN = ["cvae", "cgan", "cdcgan", "adgm"]  # by class


def new(name="cvae", **options):
    return genzoo.get(name, seed=0, **OPTIONS[name], **options)


def named(labels=Y, **options):
    return ImageBatches(X, labels, class_names=NAMES, **options)


class Batches(keras.utils.PyDataset):
    def __init__(self, class_names=None):
        super().__init__()
        if class_names is not None:
            self.class_names = class_names

    def __len__(self):
        return 1

    def __getitem__(self, i):
        return X, Y


def test_every_model_that_awaits_its_classes_is_tried_here():
    models = genzoo.list_models(tags="conditional") + genzoo.list_models(tags="classifier")
    assert set(OPTIONS) == {name for name in models if small(name).options().get("num_classes", 0) is None}


@pytest.mark.parametrize("name", OPTIONS)
def test_classes_come_from_the_data_and_go_into_the_file(name, tmp_path):
    model = new(name)
    model.fit(named(), verbose=0)
    assert (model.num_classes, model.class_names, model.get_config()["num_classes"]) == (3, NAMES, 3)
    model.save(tmp_path / "model.keras")
    loaded = genzoo.load(tmp_path / "model.keras")
    assert (loaded.num_classes, loaded.class_names, loaded.trained_labels) == (3, NAMES, (0, 1, 2))
    np.testing.assert_allclose(loaded.sample(6, seed=0), model.sample(6, seed=0), atol=1e-6)


FORMS = {
    "labels alone": (lambda: (X, Y), 3, None, (0, 1, 2)),
    "labels with a gap": (lambda: (X, 2 * Y), 5, None, (0, 2, 4)),
    "a column of labels": (lambda: (X, Y[:, None]), 3, None, (0, 1, 2)),
    "a dict": (lambda: ({"image": X, "label": Y},), 3, None, (0, 1, 2)),
    "more names than labels": (lambda: (named(Y // 2),), 3, NAMES, (0, 1)),
    "batches with names": (lambda: (Batches(list(NAMES)),), 3, NAMES, (0, 1, 2)),
    "resumed batches": (lambda: (named().resumed(3),), 3, NAMES, (0, 1, 2)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_data_tells_its_classes(form):
    arguments, number, names, trained = FORMS[form]
    model = new()
    model.fit(*arguments(), verbose=0)
    assert (model.num_classes, model.class_names, model.trained_labels) == (number, names, trained)


def test_a_loader_tells_the_classes_of_its_data_set():
    torch = pytest.importorskip("torch", reason="needs torch")
    tensors = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    tensors.classes = list(NAMES)  # as torchvision's sets have them
    model = new()
    model.fit(torch.utils.data.DataLoader(tensors, 4), verbose=0)
    assert (model.num_classes, model.class_names) == (3, NAMES)


def test_few_labels_tell_the_classes():
    model = new("ssgan")
    model.fit(semi_supervised(named(), num_labelled=6, batch_size=4), verbose=0)
    assert (model.num_classes, model.class_names) == (3, NAMES)


def test_data_that_do_not_tell_their_classes_need_the_number():
    with pytest.raises(ValueError, match=r"These data do not tell it. Pass num_classes= to the model"):
        new().fit(Batches(), verbose=0)
    model = new(num_classes=4)
    model.fit(Batches(), verbose=0)
    assert (model.num_classes, model.trained_labels) == (4, (0, 1, 2, 3))
    for ask in (lambda: new().label_ids, lambda: new().build((None, 8, 8, 1))):
        with pytest.raises(ValueError, match=r"does not know its classes yet. Call fit"):
            ask()


def test_what_is_refused_leaves_the_model_as_it_was():
    model = new()
    for labels, message in ((Y / 2, "takes labels"), (Y + 10_000, "would make 10003 classes"), (None, "needs labels")):
        with pytest.raises(ValueError, match=message):
            model.fit(X, labels, verbose=0)
    with pytest.raises(ValueError, match=r"from 0 to 2. Received: ids from 0 to 3"):
        model.fit(named(np.arange(12) % 4), verbose=0)
    model = new("cdcgan")
    with pytest.raises(ValueError, match="divisible by 4"):
        model.fit(X[:, :7], Y, verbose=0)
    model.fit(X, Y % 2, verbose=0)
    assert model.num_classes == 2


@pytest.mark.parametrize(("number", "trained"), [(3, (0, 1, 2)), (10, (0, 1, 2))])
def test_a_number_that_was_given_holds(number, trained):
    model = new(num_classes=number)
    model.fit(named(), verbose=0)
    assert (model.num_classes, model.class_names, model.trained_labels) == (number, NAMES, trained)


def test_a_number_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match=r"num_classes=2. Received: data of 3 classes, circle, square, triangle"):
        new(num_classes=2).fit(named(), verbose=0)


def test_data_of_other_classes_are_refused_unless_they_come_without_names():
    model = new()
    model.fit(named(), verbose=0)
    other = ImageBatches(X, Y, class_names=("cat", "dog", "emu"))
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=r"classes are circle, square, triangle. Received: data of cat, dog, emu"):
            call(other, verbose=0)
    model.fit(other.images, other.labels, verbose=0)
    assert model.class_names == NAMES


@pytest.mark.parametrize("name", DRAWN)
def test_classes_can_be_asked_for_by_name(name):
    model = new(name)
    model.fit(named(), verbose=0)
    for by_name, by_id in (("square", 1), (["square", "circle"], [1, 0]), (np.array(["circle", "square"]), [0, 1])):
        np.testing.assert_array_equal(
            model.sample(2, labels=by_name, seed=0), model.sample(2, labels=by_id, seed=0), err_msg=f"{by_name}"
        )
    with pytest.raises(ValueError, match=r"Unknown class. Received: 'triangel'. Did you mean 'triangle'"):
        model.sample(2, labels="triangel")
    unnamed = new(name)
    unnamed.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match="knows no names of its classes, only ids"):
        unnamed.sample(2, labels="square")


@pytest.mark.parametrize("name", DRAWN)
def test_labels_that_were_never_trained_are_refused_where_images_are_drawn(name):
    model = new(name, num_classes=10)
    model.fit(named(), verbose=0)
    np.testing.assert_array_equal(model.sample(6, seed=0), model.sample(6, labels=[0, 1, 2, 0, 1, 2], seed=0))
    z = np.zeros((2, 4), "float32")
    for draw in (model.sample, lambda n, labels: model.decode(z, labels)):
        with pytest.raises(ValueError, match=r"never trained on label 7. It was on 'circle', 'square', 'triangle'"):
            draw(2, labels=7)
    model.train_on_batch(X[:2], np.array([7, 0]))
    assert model.trained_labels == (0, 1, 2, 7)
    assert model.sample(2, labels=7).shape == (2, 8, 8, 1)


@pytest.fixture
def shapes(tmp_path):
    for i in range(12):
        write_png(tmp_path / "shapes" / NAMES[i % 3] / f"{i}.png", X[i])
    return tmp_path / "shapes"


def command(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_the_command_takes_classes_from_folders(shapes, tmp_path):
    run, options = tmp_path / "run", [f"--set={name}={value}" for name, value in OPTIONS["cvae"].items()]
    done = command("train", "cvae", "--data", shapes, "--epochs", 1, "--out", run, *options)
    assert done.exit_code == 0, done.exception
    described = json.loads((run / "run.json").read_text())
    assert (described["num_classes"], described["class_names"]) == (3, list(NAMES))
    assert Run.open(run).config == described
    assert genzoo.load(run / "model.keras").class_names == NAMES
    with Image.open(run / "samples" / "epoch-001.png") as grid:
        assert grid.width == 9 * (48 + 2) + 2  # three columns for each class
    pictures = {}
    for label in ("square", "1", "0"):
        done = command("sample", run, "-n", 4, "--label", label, "-o", tmp_path / "grid.png")
        assert done.exit_code == 0, done.exception
        pictures[label] = (tmp_path / "grid.png").read_bytes()
    assert pictures["square"] == pictures["1"] != pictures["0"]
    for label, message in (("7", "from 0 to 2. Received: ids from 7"), ("sqare", "Did you mean 'square'")):
        refused = command("sample", run, "--label", label, "-o", tmp_path / "none.png")
        assert isinstance(refused.exception, ValueError)
        assert message in str(refused.exception)
    assert not (tmp_path / "none.png").exists()
    assert command("resume", run, "--epochs", 2).exit_code == 0


def test_the_command_keeps_to_a_number_that_was_set(shapes, tmp_path):
    options = [f"--set={name}={value}" for name, value in {**OPTIONS["cvae"], "num_classes": 5}.items()]
    done = command("train", "cvae", "--data", shapes, "--epochs", 1, "--out", tmp_path / "run", *options)
    assert done.exit_code == 0, done.exception
    assert json.loads((tmp_path / "run" / "run.json").read_text())["num_classes"] == 5
    refused = command("sample", tmp_path / "run", "--label", 4, "-o", tmp_path / "grid.png")
    assert "never trained on label 4" in str(refused.exception)


def test_a_name_goes_before_a_number():
    from genzoo.cli.app import _label

    assert [_label(text, ("10", "2")) for text in (None, "10", "2", "1", "many")] == [None, "10", "2", 1, "many"]


def test_classes_of_a_folder_without_all_of_them_keep_their_ids(shapes, tmp_path):
    found = data.load(shapes, shuffle=False)
    model = new()
    model.fit(ImageBatches(found.images[:8], found.labels[:8], class_names=found.class_names), verbose=0)
    assert model.trained_labels == (0, 1)
    with pytest.raises(ValueError, match="never trained on label 'triangle'"):
        model.sample(2, labels="triangle")


def test_scores_refuse_data_of_other_classes():
    model = new()
    model.fit(named(), verbose=0)
    other = ImageBatches(X, Y, class_names=NAMES[::-1])
    for data_sets in ({"real": other}, {"real": named(), "train": other}):
        with pytest.raises(ValueError, match=r"This model's classes are circle, .* Received: data of triangle, "):
            genzoo.evaluate(model, metrics=["elbo"], **data_sets)


def test_data_to_evaluate_on_give_no_names_to_a_trained_model():
    model = new()
    model.fit(X, Y, verbose=0)
    model.evaluate(named(), verbose=0)
    assert model.class_names is None
