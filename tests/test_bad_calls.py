"""Public functions called wrongly: each call ends in one sentence that says what was expected or what was received."""

import keras
import numpy as np
import pytest
from small_models import small

import genzoo
from genzoo import callbacks, data, losses, metrics, networks, schedules, viz

NAN = float("nan")
PARTS = {part.__name__.rpartition(".")[2]: part for part in (
    genzoo, keras, np, callbacks, data, losses, metrics, networks, schedules, viz)}  # fmt: skip
SAID = ("eceived", "Expected", "There is no", "Pass ", "cannot", "does not know", "has no")
REFUSALS = (ValueError, TypeError, FileNotFoundError, FileExistsError, ModuleNotFoundError, NotImplementedError)

x = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), "uint8")
y = np.arange(40) % 10
points = np.random.default_rng(1).normal(size=(6, 2))
float_zeros = np.zeros((3, 2), "float32")


def new():
    return small("vae")


@pytest.fixture(scope="module")
def trained():
    """A model of each kind that the calls below name."""
    found = {name: small(name) for name in ("vae", "cvae", "gan")}
    for model in found.values():
        model.fit(x, y, verbose=0)
    return found


BAD_CALLS = {
    "models": """
        genzoo.get(3)
        genzoo.get(None)
        genzoo.get("vea")
        genzoo.get("os:path")
        genzoo.get("json:JSONDecoder")
        genzoo.get("no_such_module:Model")
        genzoo.get("keras.no_such_module:Model")
        genzoo.get("vae", latent_dim=0)
        genzoo.get("vae", latent_dim="2")
        genzoo.get("vae", latent_dim=True)
        genzoo.get("vae", seed=-1)
        genzoo.get("vae", name=3)
        genzoo.list_models(3)
        genzoo.list_models(None)
        genzoo.cite(3)
        genzoo.cite("nope")
        genzoo.register(3, "genzoo.models.vae:VAE")
        genzoo.register("four", 4)
        genzoo.load(3)
        genzoo.load(None)
        genzoo.load("")
        genzoo.load("nope.keras")
        vae.save(3)
        vae.save(None)
        vae.save("a.txt")
        vae.save("no_such_folder/a.keras")
    """,
    "compile and build": """
        new().compile(3)
        new().compile("adamm")
        new().compile([])
        new().compile({"autoencoder": "adamm"})
        new().compile({"nobody": "adam"})
        new().compile("adam", loss="mse")
        new().compile(keras.optimizers.SGD(NAN))
        new().compile(keras.optimizers.SGD(-0.1))
        new().compile("adam", steps_per_execution=0)
        new().compile("adam", run_eagerly="x")
        new().compile("adam", jit_compile="x")
        new().build(3)
        new().build(None)
        new().build((8, 8, 1))
        new().build((None, 0, 8, 1))
        new().build((None, -8, 8, 1))
        new().build((None, None, 8, 1))
        new().build("abcd")
    """,
    "fit and evaluate": """
        new().fit()
        new().fit(3)
        new().fit("digits")
        new().fit(x[:0])
        new().fit(x[0])
        new().fit(x.astype("complex64"))
        new().fit(x.astype("float32"))
        new().fit(np.full((4, 8, 8, 1), NAN))
        new().fit(x.astype(str))
        new().fit(x, y[:3])
        cvae.fit(x, "abc")
        cvae.fit(x)
        cvae.fit(x, y + 0.5)
        new().fit(x, epochs=-1)
        new().fit(x, epochs="2")
        new().fit(x, epochs=NAN)
        new().fit(x, batch_size=0)
        new().fit(x, verbose="x")
        new().fit(x, verbose=7)
        new().fit(x, callbacks=3)
        new().fit(x, callbacks=[3])
        new().fit(x, callbacks="x")
        new().fit(x, shuffle="x")
        new().fit(x, validation_split=2)
        new().fit(x, validation_split=-1)
        new().fit(x, validation_split="a")
        new().fit(x, validation_data=3)
        new().fit(x, validation_data=x, validation_freq=0)
        new().fit(x, validation_data=x, validation_steps=0)
        new().fit(x, initial_epoch=-1)
        new().fit(x, initial_epoch="a")
        new().fit(x, steps_per_epoch=0)
        new().fit(x, steps_per_epoch=1.5)
        vae.evaluate()
        vae.evaluate(x, steps=0)
        vae.evaluate(x, verbose=7)
        vae.train_on_batch(3)
        vae.test_on_batch(None)
        genzoo.evaluate(3, x)
        genzoo.evaluate(vae, 3)
        genzoo.evaluate(vae, x, metrics=3)
        genzoo.evaluate(vae, x, metrics=[])
        genzoo.evaluate(vae, x, metrics=["nope"])
        genzoo.evaluate(vae, x, samples=0)
        genzoo.evaluate(gan, x, metrics=["elbo"])
    """,
    "verbs": """
        new().sample(3)
        vae.sample(0)
        vae.sample(1.5)
        vae.sample(True)
        vae.sample(3, seed=-1)
        vae.sample(3, labels=2)
        vae.sample(3, sampler="x")
        cvae.sample(3, labels=10)
        cvae.sample(3, labels="a")
        cvae.sample(3, labels=[1, 2])
        cvae.sample(3, labels=[NAN] * 3)
        vae.decode(3)
        vae.decode("a")
        vae.decode(np.zeros((3, 5)))
        vae.decode(np.full((3, 2), NAN))
        vae.decode(np.full((3, 2), "a"))
        cvae.decode(np.zeros((3, cvae.latent_dim)))
        vae.encode(None)
        vae.encode("a")
        vae.encode(x[:, :3])
        gan.encode(x)
        vae.translate(x)
        vae.classify(x)
        gan.log_likelihood(x)
        vae.interpolate(3, 4)
        vae.interpolate(x[0], x[1], steps="a")
    """,
    "data": """
        data.load(3)
        data.load("")
        data.load("no_such_set")
        data.load("./no_such_folder")
        data.load("digits", 3)
        data.load("digits", None)
        data.load("digits", batch_size=0)
        data.load("digits", image_size=0)
        data.load("digits", image_size=-2)
        data.load("digits", image_size="a")
        data.load("digits", image_size=(8,))
        data.load("digits", image_size=(8, 0))
        data.load("digits", image_size=2.5)
        data.load("digits", image_size=10**6)
        data.load("digits", shuffle="x")
        data.load("digits", seed=-1)
        data.load("digits", seed="a")
        data.load("digits", binarise="x")
        data.load("digits", background="no colour")
        data.load("digits", white=0)
        data.load_pairs(3)
        data.load_pairs("no_such_folder")
        data.semi_supervised(3, 4)
        data.semi_supervised(x, y, num_labelled="a")
        data.ImageBatches(3)
        data.ImageBatches("abc")
        data.ImageBatches(x, 3)
        data.ImageBatches(x, y[:3])
        data.ImageBatches(x, shuffle=3)
        data.ImageBatches(x, seed="a")
        data.ImageBatches(x, y, class_names=3)
        data.ImageBatches(x, y, class_names="ab")
        data.ImageBatches(x, y, class_names=[1] * 10)
    """,
    "callbacks and pictures": """
        callbacks.SampleGrid(3)
        callbacks.SampleGrid("grids", n=0)
        callbacks.SampleGrid("grids", seed="a")
        callbacks.TranslationGrid("grids", 3, 4)
        callbacks.TranslationGrid("grids", x, x[:1])
        callbacks.HealthMonitor(every=0)
        callbacks.HealthMonitor(patience=-1)
        viz.image_grid(3)
        viz.image_grid("a")
        viz.image_grid(x[:0])
        viz.image_grid(np.full((3, 4, 4, 1), NAN))
        viz.image_grid(x, columns=0)
        viz.image_grid(x, columns="a")
        viz.image_grid(x, padding=-1)
        viz.image_grid(x, min_size=-1)
        viz.rows()
        viz.rows(3)
        viz.rows(x, x[:3])
        viz.save_image("a.txt", viz.image_grid(x))
        viz.save_image("a.png", 3)
        viz.save_image(3, viz.image_grid(x))
        viz.loss_curves({})
        viz.loss_curves(3)
    """,
    "metrics": """
        metrics.mig(3, 4)
        metrics.sap(points, {"a": y[:6]}, continuous="b")
        metrics.dci(points, {"a": y[:6]}, trees=0)
        metrics.frechet_distance(points, points[:, :1])
        metrics.frechet_distance(points * NAN, points)
        metrics.kernel_distance(points, points, subsets=0)
        metrics.precision_recall(points, points, k=0)
        metrics.feature_network("nope")
        metrics.sharpness(3)
        metrics.nearest_neighbours(x, x, k=100)
        metrics.label_histogram(3)
        metrics.parzen_log_likelihood(3, 4, 1.0)
        metrics.parzen_log_likelihood(x, x, NAN)
        metrics.parzen_log_likelihood(x, x, 1.0, batch_size=0)
        metrics.parzen_sigma(3, x)
        metrics.annealed_importance_sampling(3, 4)
        metrics.active_units(points, threshold="a")
        metrics.active_units(points, threshold=-1)
        metrics.knn_accuracy(points, y[:6], points, y[:6], k=0)
        metrics.linear_probe(points * NAN, y[:6], points, y[:6])
    """,
    "parts": """
        losses.free_bits(float_zeros, -1)
        losses.free_bits(float_zeros, "a")
        losses.bernoulli_nll(float_zeros, np.zeros((3, 4), "float32"))
        losses.bernoulli_nll(float_zeros, np.zeros((3, 1), "float32"))
        losses.gaussian_nll(float_zeros, np.zeros((3, 1), "float32"), 0.0)
        losses.standard_normal_kl(float_zeros, np.zeros((3, 1), "float32"))
        losses.discriminator_cross_entropy(float_zeros, float_zeros, real_target=7)
        losses.discriminator_least_squares(float_zeros, float_zeros, real_target="a")
        networks.dense_encoder(3, [4], 2)
        networks.dense_encoder((8, 8), [4], 2)
        networks.dense_encoder((8, 8, 0), [4], 2)
        networks.dense_encoder((8, 8, 1), 4, 2)
        networks.dense_decoder(2, [0], (8, 8, 1))
        networks.dcgan_generator(2, (7, 7, 1))
        schedules.linear(1, 0)
        schedules.sigmoid(1, 0)
        schedules.cyclical(1, -3)
        genzoo.testing.check_model(3)
        genzoo.testing.check_model("nope")
        genzoo.testing.check_model("vae", expected_failures={"nope": "x"})
    """,
}


@pytest.mark.parametrize("place", BAD_CALLS)
def test_a_bad_call_is_refused_in_one_sentence(place, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = []
    for call in BAD_CALLS[place].split("\n"):
        if not call.strip():
            continue
        try:
            eval(call.strip(), {**globals(), **PARTS, **trained})
            wrong.append(f"accepted: {call.strip()}")
        except REFUSALS as error:
            if not any(
                word in str(error)
                for word in ("eceived", "Expected", "There is no", "Pass ", "cannot", "does not know", "has no")
            ):
                wrong.append(f"unclear: {call.strip()}: {error}")
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {call.strip()}: {error}")
    assert not wrong, "\n".join(wrong)
    assert not list(tmp_path.iterdir()), "a refused call left files"
