"""What models exist and how to get one. Standard library only: naming a model imports nothing."""

import dataclasses
import fnmatch
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from genzoo.errors import unknown_name

if TYPE_CHECKING:
    from genzoo.model import GenerativeModel

ENTRY_POINT_GROUP = "genzoo.models"


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """What the registry knows of a model before it imports anything.

    Attributes:
        name: lowercase kebab, such as ``"beta-vae"``.
        target: the class, or ``"package.module:Class"``.
        config: arguments that this name fixes; ``get`` may override them.
        tags: what the model can do, see ``list_models``.
        summary: one line.
        source: who brought it: ``"genzoo"``, a plugin's distribution, or ``"registered"``.
    """

    name: str
    target: Any
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    summary: str = ""
    source: str = "registered"

    def load(self) -> Callable:
        """Imports the model's class."""
        return load_target(self.target) if isinstance(self.target, str) else self.target


_specs: dict[str, ModelSpec] = {}


def register(name: str, target: Any = None, *, config=None, tags: Iterable[str] = (), summary: str = ""):
    """Adds a model under a name, as a call or as a class decorator.

    Args:
        name: lowercase kebab; ``_`` counts as ``-``.
        target: the class, or ``"package.module:Class"`` to import it only when asked for.
        config: arguments that this name fixes.
        tags: for ``list_models``; taken from the class where one is given.
        summary: one line; taken from the class' docstring where one is given.

    Raises:
        ValueError: the name is taken by another target, or is not lowercase kebab.

    Example:
    >>> import genzoo
    >>> genzoo.register("tiny-vae", "genzoo.models.vae:VAE", config={"latent_dim": 2})
    >>> genzoo.get("tiny-vae").latent_dim
    2
    """
    if target is None:
        return lambda cls: register(name, cls, config=config, tags=tags, summary=summary) or cls
    key = _key(name)
    if not re.fullmatch(r"[a-z0-9]+([-_][a-z0-9]+)*", name):
        raise ValueError(f"A model's name is lowercase kebab, such as 'beta-vae'. Received: {name!r}")
    if not isinstance(target, str):
        tags = tags or getattr(target, "tags", ())
        summary = summary or (target.__doc__ or "").strip().split("\n")[0]
    builtin = isinstance(target, str) and target.startswith("genzoo.models.")
    source = "genzoo" if builtin else "registered"
    spec = ModelSpec(key, target, dict(config or {}), frozenset(tags), summary, source)
    if key in _specs and _path(_specs[key].target) != _path(target):  # the same path: a notebook's cell ran again
        raise ValueError(
            f"The name {key!r} is taken by {_path(_specs[key].target)}. Received: {_path(target)}. Choose another name."
        )
    _specs[key] = spec


def list_models(pattern: str = "*", tags: Iterable[str] | str = ()) -> list[str]:
    """The names of the models there are, in natural order. Imports none of them.

    Args:
        pattern: shell pattern, such as ``"*gan*"``.
        tags: only models that have all of these. A plugin's tags are known once it is loaded.

    Example:
    >>> import genzoo
    >>> genzoo.list_models("d*gan")
    ['dcgan']
    """
    wanted = {tags} if isinstance(tags, str) else set(tags)
    names = [name for name, spec in all_specs().items() if wanted <= spec.tags]
    return sorted(fnmatch.filter(names, _key(pattern)), key=_natural)


def spec(name: str) -> ModelSpec:
    """What is known of a model: a registered name, ``"distribution/name"`` or ``"package.module:Class"``."""
    if ":" in name:
        return ModelSpec(name, name)
    key = _key(name)
    if "/" in key:
        found = {f"{_key(dist)}/{ep_spec.name}": ep_spec for dist, ep_spec in _plugin_specs()}
        if key in found:
            return found[key]
        raise unknown_name("model", name, found)
    specs = all_specs()
    if key not in specs:
        raise unknown_name("model", name, specs, "`genzoo list` shows what is installed.")
    return specs[key]


def get(model: str | Mapping[str, Any], /, **config) -> "GenerativeModel":
    """A model, compiled with its paper's settings and ready for ``fit``.

    Args:
        model: a name (``"dcgan"``), ``"distribution/name"``, ``"package.module:Class"``, or a dict with a ``"name"``
            and the model's arguments.
        **config: the model's arguments, such as ``latent_dim=64``.

    Raises:
        ValueError: unknown model, or an argument that it does not take or that is out of range.

    Example:
    >>> import genzoo
    >>> genzoo.get("vae", latent_dim=2).latent_dim
    2
    """
    if isinstance(model, Mapping):
        if "name" not in model:
            raise ValueError(f"A config dict needs the model's name under 'name'. Received keys: {sorted(model)}")
        config = {**{k: v for k, v in model.items() if k != "name"}, **config}
        model = model["name"]
    if not isinstance(model, str):
        raise ValueError(f"Expected a model's name or a dict with one. Received: {model!r}")
    chosen = spec(model)
    cls = chosen.load()
    config = {**chosen.config, **config}
    _check_options(chosen.name, cls, config)
    instance = cls(**config)
    instance.compile()
    return instance


def cite(name: str) -> None:
    """Prints the BibTeX of the papers that a model comes from.

    Args:
        name: as for ``get``.

    Example:
    >>> import genzoo
    >>> genzoo.cite("wgan-gp")
    @inproceedings{gulrajani2017improved,
      title={Improved Training of {W}asserstein {GAN}s},
      author={Gulrajani, Ishaan and Ahmed, Faruk and Arjovsky, Martin and Dumoulin, Vincent and Courville, Aaron},
      booktitle={Advances in Neural Information Processing Systems},
      year={2017}
    }
    """
    chosen = spec(name)
    reference = docstring_section(chosen.load(), "Reference")
    if not reference:
        raise ValueError(
            f"The docstring of {chosen.name!r} has no section 'Reference'. Ask its author: {chosen.source}."
        )
    print(reference)


def docstring_section(cls, title: str) -> str:
    """What a class' docstring says below ``title:``, or an empty string."""
    doc = inspect.cleandoc(cls.__doc__ or "") + "\n"
    found = re.search(rf"^{title}:\n((?:[ ]+.*\n|\n)+)", doc, flags=re.MULTILINE)
    return textwrap.dedent(found[1]).strip() if found else ""


def builtin_class(package: str, name: str):
    """The class of this name below ``package``, for the lazy attributes of ``genzoo.models``."""
    for known in _specs.values():
        if isinstance(known.target, str) and re.fullmatch(rf"{re.escape(package)}\..*:{name}", known.target):
            return known.load()
    raise AttributeError(f"module {package!r} has no attribute {name!r}")


def load_target(target: str):
    """Imports ``"package.module:Class"``."""
    module, _, attribute = target.partition(":")
    found = importlib.import_module(module)
    if not hasattr(found, attribute):
        raise ValueError(f"Module {module!r} has no {attribute!r}. Received: {target!r}")
    return getattr(found, attribute)


def _check_options(name, cls, config):
    if hasattr(cls, "options"):
        known = {*cls.options(), "name", "dtype", "trainable"}
        for option in config:
            if option not in known:
                raise unknown_name(f"option of {name!r}", option, known)


def all_specs() -> dict[str, ModelSpec]:
    """Built-in and registered models win over plugins of the same name."""
    return {**{spec.name: spec for _, spec in _plugin_specs()}, **_specs}


def _plugin_specs():
    for point in entry_points(group=ENTRY_POINT_GROUP):
        yield _distribution(point), ModelSpec(_key(point.name), point.value, source=_distribution(point))


def _path(target):
    """A target as ``"package.module:Class"``."""
    return target if isinstance(target, str) else f"{target.__module__}:{target.__qualname__}"


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"


def _key(name: str) -> str:
    return name.lower().replace("_", "-")


def _natural(name):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
