"""What the verbs promise beyond the table: paths between latents, traversals, cooler and truncated samples."""

import numpy as np
import pytest
from keras import ops
from scipy import stats
from small_models import small

import genzoo
from genzoo import registry


@pytest.fixture
def vae(images):
    model = small("vae")
    model.fit(images[0][:16], batch_size=8, verbose=0)
    model.decoder.set_weights([3 * w for w in model.decoder.get_weights()])  # so that latents matter
    return model


@pytest.fixture
def ends():
    rng = np.random.default_rng(0)
    return rng.standard_normal((2, 3, 4)).astype("float32")


@pytest.mark.parametrize("method", ["linear", "spherical"])
def test_a_path_starts_and_ends_where_it_was_told_to(vae, ends, method):
    path = vae.interpolate(*ends, steps=5, method=method)
    assert (path.shape, path.dtype) == ((3, 5, 8, 8, 1), np.float32)
    np.testing.assert_allclose(path[:, 0], vae.decode(ends[0]), atol=1e-5)
    np.testing.assert_allclose(path[:, -1], vae.decode(ends[1]), atol=1e-5)


def latents_on_the_way(vae, a, b, method, monkeypatch):
    seen = []
    monkeypatch.setattr(vae, "_decoded", lambda z, *_: seen.append(z) or np.zeros((len(z), 1, 1, 1)))
    vae.interpolate(a, b, steps=5, method=method)
    return seen[0].reshape(len(a), 5, -1)


def test_a_conditional_model_may_number_its_labels_as_it_likes(images):
    class FromThree(registry.spec("cgan").load()):
        label_ids = range(3, 6)

        def one_hot(self, ids, classes=None):
            return super().one_hot(ids - 3, classes)

    model = FromThree(num_classes=3, hidden_dim=8, latent_dim=4, seed=0)
    x, y = images[0][:16], np.resize([3, 4, 5], 16)
    model.fit(x, y, batch_size=8, verbose=0)
    np.testing.assert_array_equal(model.sample(4, seed=0), model.sample(4, seed=0, labels=[3, 4, 5, 3]))
    for labels in (2, 6):
        with pytest.raises(ValueError, match=r"from 3 to 5. Received: ids from"):
            model.sample(4, labels=labels)


def test_a_line_is_straight_and_an_arc_keeps_its_length(vae, ends, monkeypatch):
    a, b = ends / np.linalg.norm(ends, axis=2, keepdims=True)
    line, arc = (latents_on_the_way(vae, a, b, method, monkeypatch) for method in ("linear", "spherical"))
    np.testing.assert_allclose(line, np.linspace(a, b, 5, axis=1), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(arc, axis=2), 1, atol=1e-5)
    cosines = np.sum(arc[:, 1:] * arc[:, :-1], axis=2)
    np.testing.assert_allclose(cosines, cosines[:, :1] * np.ones((1, 4)), atol=1e-5)  # equal steps


def test_an_arc_between_parallel_or_zero_ends_is_a_line(vae, monkeypatch):
    a = np.array([[1, 0, 0, 0], [0, 0, 0, 0]], "float32")
    arc = latents_on_the_way(vae, a, np.array([[3, 0, 0, 0], [0, 1, 0, 0]], "float32"), "spherical", monkeypatch)
    np.testing.assert_allclose(arc[0, :, 0], np.linspace(1, 3, 5), atol=1e-5)
    assert np.isfinite(arc).all()


def test_images_are_ends_too(vae, images):
    a, b = images[0][:2], images[0][2:4]
    np.testing.assert_allclose(vae.interpolate(a, b, 3), vae.interpolate(vae.encode(a), vae.encode(b), 3), atol=1e-5)


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


@pytest.mark.parametrize(
    "lay",
    [
        read_only,
        np.asfortranarray,
        lambda x: np.flip(np.flip(x, 2).copy(), 2),
        lambda x: np.stack([x, x], axis=1)[:, 0],
        lambda x: np.rec.fromarrays([np.zeros(len(x), "uint8"), x], dtype=[("id", "u1"), ("image", "u1", x.shape[1:])])[
            "image"
        ],
        lambda x: (x / 255).astype(">f4"),
    ],
    ids=["read-only", "Fortran", "flipped", "strided", "field", "big-endian"],
)
def test_images_may_lie_in_memory_as_they_like(vae, images, lay):
    before = images[0].copy()
    np.testing.assert_allclose(vae.encode(lay(images[0])), vae.encode(images[0]), atol=1e-5)
    np.testing.assert_array_equal(images[0], before)


def test_wrong_paths_are_refused(vae, ends):
    a, b = ends
    for arguments, message in [
        ((a, b[:2]), "as many ends as starts.*Received: 3, 2"),
        ((a, b, 1), "at least 2 steps.*steps=1"),
        ((a[:, :2], b), r"latents of shape \(n, 4\), or a batch of images. Received: shape \(3, 2\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            vae.interpolate(*arguments)
    with pytest.raises(ValueError, match=r"Unknown `method`.*Did you mean 'spherical'"):
        vae.interpolate(a, b, method="sperical")


def test_a_traversal_changes_one_latent_at_a_time(vae):
    z = np.array([0.5, -1.0, 0.2, 2.0], "float32")
    grid = vae.traverse(z, dims=[3, 1], values=[-2, 0, 2.0])
    assert grid.shape == (2, 3, 8, 8, 1)
    np.testing.assert_allclose(grid[1, 2], vae.decode([[0.5, 2.0, 0.2, 2.0]])[0], atol=1e-5)
    assert vae.traverse().shape == (4, 7, 8, 8, 1)
    np.testing.assert_allclose(vae.traverse()[2, 3], vae.decode(np.zeros((1, 4)))[0], atol=1e-5)


def test_a_traversal_starts_from_an_image_too(vae, images):
    x = images[0][0]
    np.testing.assert_allclose(vae.traverse(x, dims=[0]), vae.traverse(vae.encode(x[None])[0], dims=[0]), atol=1e-5)


@pytest.mark.parametrize("dims", [[4], [-1], [0.5], 0, np.arange(0)])
def test_dims_that_are_none_are_refused(vae, dims):
    with pytest.raises(ValueError, match=r"`dims` must be a list of indices from 0 to 3. Received"):
        vae.traverse(dims=dims)


def sampled_latents(model, n, monkeypatch, **options):
    seen = []
    monkeypatch.setattr(model, "_decoded", lambda z, *_: seen.append(z))
    model.sample(n, seed=0, **options)
    return seen[0]


def test_temperature_scales_the_latents(vae, monkeypatch):
    warm, cool, frozen = (sampled_latents(vae, 50, monkeypatch, temperature=t) for t in (1.0, 0.5, 0.0))
    np.testing.assert_allclose(cool, 0.5 * warm, atol=1e-7)
    assert not frozen.any()


def test_truncation_draws_from_the_truncated_normal(vae, monkeypatch):
    z = sampled_latents(vae, 2000, monkeypatch, truncation=0.7)
    assert np.abs(z).max() <= 0.7 + 1e-6
    assert stats.kstest(z.ravel(), stats.truncnorm(-0.7, 0.7).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1}, "`temperature` must be a number of at least 0"),
        ({"temperature": float("nan")}, "`temperature` must be a number of at least 0"),
        ({"truncation": 0}, "`truncation` must be a number above 0"),
        ({"truncation": "much"}, "`truncation` must be a number above 0"),
    ],
)
def test_wrong_temperatures_are_refused(vae, options, message):
    with pytest.raises(ValueError, match=message):
        vae.sample(1, **options)


def test_a_prior_that_is_not_normal_cannot_be_cooled():
    model = genzoo.get("aae", hidden_dim=8, seed=0)
    model.build((None, 8, 8, 1))
    with pytest.raises(ValueError, match=r"need a standard normal prior.*AAE.*temperature=0.5"):
        model.sample(1, temperature=0.5)


def test_conditional_verbs_take_one_label_or_many(images):
    model = small("cvae")
    model.fit(images[0][:16], np.arange(16) % 10, batch_size=8, verbose=0)
    z = np.zeros((3, 4), "float32")
    path = model.interpolate(z, z + 1, 4, labels=[1, 2, 3])
    np.testing.assert_allclose(path[1, 3], model.decode(z[:1] + 1, labels=2)[0], atol=1e-5)
    grid = model.traverse(dims=[0], values=[1.0], labels=7)
    np.testing.assert_allclose(grid[0, 0], model.decode([[1.0, 0, 0, 0]], labels=7)[0], atol=1e-5)
    in_turn = model.sample(12, seed=0)
    labels = ops.convert_to_tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    np.testing.assert_array_equal(in_turn, model.sample(12, labels=labels, seed=0))
