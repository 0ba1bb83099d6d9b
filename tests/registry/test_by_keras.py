"""``keras.saving.load_model`` finds genzoo's classes in whatever order a process imports what."""

import numpy as np
import pytest
from processes import run_python
from small_models import small

from genzoo.backend import Importing

ORDERS = {
    "genzoo first": "import genzoo, keras",
    "keras first": "import keras, genzoo",
    "by a call of genzoo's": "import genzoo; genzoo.get('dcgan'); import keras",
    "a plain import of a part": "from keras import layers; import genzoo; import keras",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    samples = {}
    for name in ("vae", "bigan"):  # one of genzoo's own, and a plugin's
        model = small(name)
        model.build((None, 8, 8, 1))
        model.save(folder / f"{name}.keras")
        samples[name] = model.sample(2, seed=0)
    np.savez(folder / "samples.npz", **samples)
    return folder


@pytest.mark.parametrize("order", ORDERS)
def test_keras_loads_a_file_of_genzoos(order, files):
    code = f"""
{ORDERS[order]}
import numpy as np
assert "genzoo.models.vae" not in sys.modules and "genzoo_plugins.bigan" not in sys.modules
samples = np.load(sys.argv[1] + "/samples.npz")
for name in samples:
    model = keras.saving.load_model(f"{{sys.argv[1]}}/{{name}}.keras")
    assert type(model).__module__.rpartition(".")[2] == name
    np.testing.assert_allclose(model.sample(2, seed=0), samples[name], atol=1e-6)
    assert model.compiled
    assert keras.saving.get_registered_object(keras.saving.get_registered_name(type(model))) is type(model)
assert not [finder for finder in sys.meta_path if "genzoo" in type(finder).__module__]
"""
    run_python(code, files)


def test_what_waits_for_keras_leaves_no_trace_and_breaks_no_import(tmp_path):
    code = """
import importlib.util
import genzoo
assert importlib.util.find_spec("keras").name == "keras"  # asking is not importing
assert "keras" not in sys.modules
genzoo.backend.when_keras_is_there(lambda: 1 / 0)
waiting = [finder for finder in sys.meta_path if "genzoo" in type(finder).__module__]
assert len(waiting) == 2
import keras
assert keras.Model and "exec_module" not in vars(keras.__spec__.loader)
assert not any(finder in sys.meta_path for finder in waiting)
"""
    run_python(code)
    assert Importing("keras", None).find_spec("json") is None
