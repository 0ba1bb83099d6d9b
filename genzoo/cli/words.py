"""Errors of the library in the words of the command: ``image_size=`` of Python is ``--image-size`` here."""

import re
from collections.abc import Iterable, Mapping

# What the library calls otherwise than the option that it comes from, by command; "" is for every command.
OTHERWISE = {
    "": {"data_dir": "TFDS_DATA_DIR=", "name_or_path": "--data"},
    "train": {"num_labelled": "--labels"},
    "sample": {"labels": "--label"},
    "evaluate": {"num_samples": "--samples"},
}
LITERALS = {"True": "true", "False": "false", "None": "null"}


def words(command: str, parameters: Mapping[str, str], options: Iterable[str], given: Iterable[str]) -> dict[str, str]:
    """What the names of Python's arguments are called on the command line.

    Args:
        command: its name.
        parameters: dict from the command's own parameters to their options, such as ``--image-size``.
        options: names of the model's arguments, which are set by ``--set``.
        given: what ``--set`` was given. A key with a dot is an argument of a metric.
    """
    keys = {pair.partition("=")[0] for pair in given}
    of_metrics = {key.rpartition(".")[2]: f"--set {key}=" for key in sorted(keys) if "." in key}
    of_model = {option: f"--set {option}=" for option in options}
    return {**of_model, **parameters, **OTHERWISE[""], **OTHERWISE.get(command, {}), **of_metrics}


def spoken(message: str, words: Mapping[str, str]) -> str:
    """A message with the command's words in the place of Python's.

    What was received stands as the user gave it: there only the command's own options are put into words.

    Example:
    >>> words = {"image_size": "--image-size", "penalty": "--set penalty="}
    >>> spoken("They differ in size. Pass image_size= to resize them.", words)
    'They differ in size. Pass --image-size to resize them.'
    >>> spoken("`penalty` is missing. Received: penalty=None. Set penalty='r1'.", words)
    '`--set penalty=` is missing. Received: penalty=null. Pass --set penalty=r1.'
    """
    if not words:
        return message
    names = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    told = re.sub(rf"`({names})`", lambda found: _quoted(words[found[1]]), message)
    assigned = re.compile(rf"(?<!--set )(?<![\w.'\"/`=-])({names})=('[^']*'|\"[^\"]*\"|[\w.+-]*\w)?")
    parts = re.split(r"(Received: .*?(?:\. |$))|(python -c \".*\")", told)
    for i, part in enumerate(parts):
        if part and i % 3 < 2:  # the third of three is a program
            parts[i] = assigned.sub(lambda found, received=i % 3: _assigned(words, found[1], found[2], received), part)
    return "".join(part or "" for part in parts).replace("Set --set", "Pass --set")


def _quoted(word):
    return f"`{word}`" if word.startswith("--set ") else word.removesuffix("=")


def _assigned(words, name, value, received):
    word, value = words[name], LITERALS.get(value, (value or "").strip("'\""))
    if received and word.startswith("--set "):
        word = f"{name}="
    return f"{word}{value}" if word.endswith("=") else f"{word} {value}".rstrip()
