"""``history.csv`` never keeps a run from going on, whatever has happened to it."""

import pytest

from genzoo.experiments.history import History

HEAD, ONE, TWO, THREE = "epoch,loss\n", "1,0.5\n", "2,0.25\n", "3,0.125\n"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (HEAD + ONE + TWO, HEAD + ONE + TWO),
        (HEAD + ONE + TWO + THREE, HEAD + ONE + TWO),
        (HEAD + ONE + TWO + "3", HEAD + ONE + TWO),
        (HEAD + ONE + "2,0.9\n" + TWO, HEAD + ONE + TWO),
        (HEAD + "\n\n" + ONE + "\n" + TWO, HEAD + ONE + TWO),
        (HEAD + ONE + "x,0.5\n" + "2\n" + "0,1\n-1,1\n" + "9" * 5000 + ",1\n" + TWO, HEAD + ONE + TWO),
        (HEAD + ONE + '"2,\n\x00,,,\n' + TWO, HEAD + ONE + TWO),
        ("\ufeff" + HEAD + ONE + "3,", HEAD + ONE),
        (HEAD, HEAD),
    ],
)
def test_whole_rows_of_epochs_that_are_done_stay(tmp_path, text, kept):
    path = tmp_path / "history.csv"
    path.write_text(text, encoding="utf-8")
    history = History(path)
    history.keep_until(2)
    assert path.read_text() == kept
    history.add({"epoch": 3, "loss": 0.125})
    assert path.read_text() == kept + THREE


@pytest.mark.parametrize("text", ["", "\n", None])
def test_what_is_empty_is_begun(tmp_path, text):
    path = tmp_path / "history.csv"
    if text is not None:
        path.write_text(text)
    history = History(path)
    history.keep_until(2)
    history.add({"epoch": 3, "loss": 0.125})
    assert path.read_text() == HEAD + THREE


@pytest.mark.parametrize("content", [(ONE + TWO).encode(), b"\xff\x00\x01", b"loss,epoch\n1,1\n", b'"\n', None])
def test_what_is_no_history_is_set_aside(tmp_path, content):
    path = tmp_path / "history.csv"
    path.mkdir() if content is None else path.write_bytes(content)
    history = History(path)
    history.keep_until(2)
    history.add({"epoch": 3, "loss": 0.125})
    assert path.read_text() == HEAD + THREE
    aside = tmp_path / "history-damaged.csv"
    assert aside.is_dir() if content is None else aside.read_bytes() == content


def test_columns_that_one_side_lacks_stay_empty(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss,note\n1,0.5,good\n")
    history = History(path)
    history.keep_until(1)
    history.add({"epoch": 2, "loss": 0.25, "kl_loss": 0.1})
    history.add({"epoch": 3, "loss": 0.125, "kl_loss": 0.2})
    assert path.read_text() == "epoch,loss,note,kl_loss\n1,0.5,good,\n2,0.25,,0.1\n3,0.125,,0.2\n"
