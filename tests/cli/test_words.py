"""Errors in the command speak of its own options, and take a folder for a folder."""

import numpy as np
import pytest
from pictures import write_png

from genzoo.cli.words import spoken, words

WORDS = words(
    "evaluate",
    {"image_size": "--image-size", "features": "--features", "seed": "--seed"},
    ["num_classes", "penalty", "spectral_norm", "latent_dim"],
    ["nll.num_samples=3", "latent_dim=2"],
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("They differ. Pass image_size= to resize them.", "They differ. Pass --image-size to resize them."),
        ("resize: image_size=28", "resize: --image-size 28"),
        ("`num_classes` of the model says it.", "`--set num_classes=` of the model says it."),
        (
            "`latent_dim` must be an integer of at least 1. Received: latent_dim=-1",
            "`--set latent_dim=` must be an integer of at least 1. Received: latent_dim=-1",
        ),
        (
            "Received: penalty=None and spectral_norm=False. Set penalty='r1', as 'x' has it, or spectral_norm=True.",
            "Received: penalty=null and spectral_norm=false. Pass --set penalty=r1, as 'x' has it, or "
            "--set spectral_norm=true.",
        ),
        ("Pass features='mnist'. Received: seed=3", "Pass --features mnist. Received: --seed 3"),
        ("`num_samples` must be", "`--set nll.num_samples=` must be"),
        ('pass data_dir="a": python -c "f(data_dir=3)"', 'pass TFDS_DATA_DIR=a: python -c "f(data_dir=3)"'),
        ("There is no file a/image_size=3/seed=2.png", "There is no file a/image_size=3/seed=2.png"),
        ("--image-size and --set latent_dim=3 stay", "--image-size and --set latent_dim=3 stay"),
        ("my_seed=3 and seeds=3 are others", "my_seed=3 and seeds=3 are others"),
    ],
)
def test_python_in_the_words_of_the_command(message, expected):
    assert spoken(message, WORDS) == expected


def test_every_option_of_the_command_is_in_its_own_words(genzoo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("many.npz", image=np.zeros((12, 8, 8, 1), "uint8") + 9, label=np.arange(12))
    train = ("train", "cvae", "--set", "hidden_dim=4", "--epochs", 1, "--out", "run", "--data")
    refused = genzoo(*train, "many.npz", "--set", "num_classes=3")
    assert refused.code == 2
    assert "`--set num_classes=` " in refused.said
    for i, side in enumerate((8, 12)):
        write_png(tmp_path / "sizes" / f"{i}.png", np.full((side, side, 1), 99, "uint8"))
    assert "Pass --image-size to resize them." in genzoo(*train, "sizes").refused()
    said = genzoo("train", "gan", "--set", "objective=wasserstein").refused()
    assert "Pass --set penalty=gradient-penalty, as 'wgan-gp' has it, or --set spectral_norm=true." in said
    assert "`--set kl_steps=` goes with a kl_schedule" in genzoo("train", "vae", "--set", "kl_steps=5").refused()


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("shaeps", "shapes"),
        ("shapse/", "shapes"),
        ("./shaeps/", "./shapes"),
        ("shaeps/train", "shapes/train"),
        ("shapes/tarin", "shapes/train"),
        ("shpaes.npz", "shapes.npz"),
        ("Shapes2", "shapes"),
        ("my shpaes", "my shapes"),
    ],
)
def test_a_misspelt_folder_is_told_as_a_folder(genzoo, tmp_path, monkeypatch, asked, meant):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shapes" / "train").mkdir(parents=True)
    (tmp_path / "my shapes").mkdir()
    (tmp_path / "shapes.npz").touch()
    said = genzoo("train", "vae", "--data", asked).refused()
    assert said.startswith("There is no file or folder ")
    assert f"Did you mean '{meant}'?" in said


def test_what_is_like_nothing_is_given_no_odd_meaning(genzoo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quite-another").mkdir()
    said = genzoo("train", "vae", "--data", "photos").refused()
    assert "Did you mean" not in said
    assert "There is no such file or folder either." in said
