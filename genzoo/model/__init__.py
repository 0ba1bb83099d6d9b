"""``GenerativeModel``, what every model is: players that train, verbs that use what was trained, files that hold it."""

from genzoo.model.generative import GenerativeModel

__all__ = ["GenerativeModel"]
