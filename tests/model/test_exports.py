"""``export``: what a trained model is used for, as functions that need neither genzoo nor Keras."""

import numpy as np
import pytest
from backends import BACKEND
from processes import run_python
from small_models import OURS, PLAYERS

from genzoo.testing.subjects import Subject

QUICK = ["vae", "cgan", "aae", "pix2pix", "ssgan"]  # of each kind one; the others differ in their networks
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="needs TensorFlow, which writes the format")


@on_tensorflow
@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in OURS])
def test_an_export_does_what_the_verbs_do(name, tmp_path):
    import tensorflow as tf

    subject = Subject(name)
    model = subject.built()
    subject.fit(model)
    model.export(tmp_path / "exported", verbose=False)
    loaded, n = tf.saved_model.load(str(tmp_path / "exported")), 5
    x = subject.data(n)[0]
    images, labels = (x / 255).astype("float32"), subject.labels(n)
    ids = [ids.astype("int32") for ids in labels.values()]
    z = model.latents(n, np.random.default_rng(1), *ids)
    if "translation" in model.tags:
        expected = {
            "serve": ([images, z][: 1 + (model.latent_dim > 0)], model._run(model._translate_images, (x, z), n))
        }
    else:
        expected = {"serve": ([z, *ids], model.decode(z, **labels))}
    if "encoder" in model.tags:
        expected["encode"] = [images, *ids], model.encode(x, **labels)
    if "classifier" in model.tags:
        expected["classify"] = [images], model.classify(x)
    assert set(loaded.signatures) == {*expected, "serving_default"}
    for function, (inputs, outputs) in expected.items():
        np.testing.assert_allclose(getattr(loaded, function)(*inputs), outputs, atol=1e-5, err_msg=function)
        (served,) = loaded.signatures[function](**named(inputs)).values()
        np.testing.assert_allclose(served, outputs, atol=1e-5, err_msg=function)


def named(inputs):
    """The arguments by the names that they have in the artifact."""
    return {{4: "images", 2: "latents", 1: "labels"}[each.ndim]: each for each in inputs}


@on_tensorflow
def test_an_export_samples_what_the_model_samples_in_another_process(tmp_path):
    model = Subject("cgan").built()
    model.export(tmp_path / "exported", verbose=False)
    z, ids = model.latents(3, np.random.default_rng(0)), np.arange(3, dtype="int32")
    np.savez(tmp_path / "inputs.npz", z=z, ids=ids)
    run_python(
        """
        import numpy as np, tensorflow as tf
        inputs = np.load(sys.argv[1] + "/inputs.npz")
        loaded = tf.saved_model.load(sys.argv[1] + "/exported")
        np.save(sys.argv[1] + "/images.npy", loaded.serve(inputs["z"], inputs["ids"]))
        """,
        tmp_path,
        hidden=("keras", "genzoo"),
    )
    np.testing.assert_allclose(np.load(tmp_path / "images.npy"), model.sample(3, labels=ids, seed=0), atol=1e-5)


@pytest.mark.parametrize("name", PLAYERS)
def test_what_cannot_be_exported_is_refused_by_name(name, tmp_path):
    with pytest.raises(ValueError, match=r"does not know its image shape yet. Call fit\(x\)"):
        Subject(name).new().export(tmp_path / "exported")
    model = Subject(name).built()
    for format in ("onnx", "tf_saved_model"):
        if (BACKEND, format) != ("tensorflow", "tf_saved_model"):
            with pytest.raises(
                ValueError, match=rf"on the backend 'tensorflow'. Received: format='{format}' on '{BACKEND}'"
            ):
                model.export(tmp_path / "exported", format=format)
    with pytest.raises(ValueError, match="takes no input_signature"):
        model.export(tmp_path / "exported", input_signature=[])
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="is a file"):
        model.export(tmp_path / "file")
    assert not (tmp_path / "exported").exists()
