"""What models there are and how to get one. Listing models imports none of them, and only the standard library."""

import fnmatch
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from genzoo.discovery import installed
from genzoo.discovery.specs import ModelSpec, is_name, key_of, path_of, summary_of
from genzoo.errors import unknown_name
from genzoo.registry import plugins

if TYPE_CHECKING:
    from genzoo.model import GenerativeModel

Class = TypeVar("Class", bound=type)
_specs: dict[str, ModelSpec] = {}


@overload
def register(
    name: str, *, config: Mapping[str, Any] | None = None, tags: Iterable[str] = (), summary: str = ""
) -> Callable[[Class], Class]: ...
@overload
def register(
    name: str, target: Any, *, config: Mapping[str, Any] | None = None, tags: Iterable[str] = (), summary: str = ""
) -> None: ...
def register(name: str, target: Any = None, *, config=None, tags=(), summary="") -> Any:
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
    if not isinstance(name, str) or not is_name(name):
        raise ValueError(f"A model's name is lowercase kebab, such as 'beta-vae'. Received: {name!r}")
    key = key_of(name)
    if not isinstance(target, str) and not callable(target):
        raise ValueError(f"Expected a model's class, or 'package.module:Class'. Received: {target!r}")
    if not isinstance(target, str):
        tags = tags or getattr(target, "tags", ())
        summary = summary or summary_of(target.__doc__)
    builtin = isinstance(target, str) and target.startswith("genzoo.models.")
    source = "genzoo" if builtin else "registered"
    spec = ModelSpec(key, target, dict(config or {}), frozenset(tags), summary, source)
    if key in _specs and path_of(_specs[key].target) != path_of(target):  # the same path: a notebook's cell ran again
        taken = path_of(_specs[key].target)
        raise ValueError(f"The name {key!r} is taken by {taken}. Received: {path_of(target)}. Choose another name.")
    _specs[key] = spec


def list_models(pattern: str = "*", tags: Iterable[str] | str = ()) -> list[str]:
    """The names of the models there are, in natural order. Imports none of them.

    Args:
        pattern: shell pattern, such as ``"*gan*"``.
        tags: only models that have all of these. A plugin's are read from its source.

    A plugin is listed by its bare name where that is enough, else as ``distribution/name``: two plugins have the name,
    or a model of genzoo's own. One that brings several models is listed by its own name until it is loaded.

    Example:
    >>> import genzoo
    >>> genzoo.list_models("d*gan")
    ['dcgan']
    """
    if not isinstance(pattern, str):
        raise ValueError(f"Expected a shell pattern, such as '*gan*'. Received: {pattern!r}")
    wanted, pattern = {tags} if isinstance(tags, str) else set(tags), key_of(pattern)
    names = [
        name
        for name, known in all_specs().items()
        if fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(name.rpartition("/")[2], pattern)
        if not wanted or wanted <= known.described().tags
    ]
    return sorted(names, key=_natural)


def spec(name: str) -> ModelSpec:
    """What is known of a model, without importing it if possible.

    Args:
        name: ``"package.module:Class"``, ``"distribution/name"``, or the name of a model: registered ones come first,
            then plugins of that name, then the models of plugins that bring several, which are imported to find it.

    Raises:
        ValueError: there is none, or two plugins bring it.
        PluginError: the plugin that may bring it is broken.
    """
    if not isinstance(name, str):
        raise ValueError(f"Expected a model's name. Received: {name!r}")
    if ":" in name:
        return ModelSpec(name, name)
    key = key_of(name)
    if key in _specs:
        return _specs[key]
    distribution, slash, model = key.rpartition("/")
    if distribution == "genzoo" and model in _specs and _specs[model].source == "genzoo":
        return _specs[model]
    found = plugins.of_distribution(distribution, model) if slash else plugins.named(key)
    if not found:
        raise _unknown(name, distribution, model)
    if len(found) > 1:
        full = " and ".join(sorted(repr(model.full_name) for model in found))
        raise ValueError(f"Several plugins bring {key!r}: {full}. Ask for one of them by that name. Received: {name!r}")
    return found[0].described()


def _unknown(name, distribution, model):
    """The error for a name that no model has."""
    for plugin in installed.left_out():
        asked = not distribution or installed.distribution_key(distribution) in installed.selectors(plugin)
        if asked and (plugin.name == model or plugin.may_serve(model)):
            return ValueError(f"GENZOO_PLUGINS leaves out {plugin.full_name!r}. Received: {name!r}")
    known = [*all_specs(), *(plugin.full_name for plugin in installed.selected() if distribution)]
    return unknown_name("model", name, set(known), "`genzoo list` shows what is installed.")


def get(model: str | Mapping[str, Any], /, **config: Any) -> "GenerativeModel":
    """A model, compiled with its paper's settings and ready for ``fit``.

    Args:
        model: a name (``"dcgan"``), ``"distribution/name"``, ``"package.module:Class"``, or a dict with a ``"name"``
            and the model's arguments.
        **config: the model's arguments, such as ``latent_dim=64``.

    Raises:
        ValueError: unknown model, or an argument that it does not take or that is out of range.
        genzoo.errors.PluginError: the model's plugin is broken. All other models still work.

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
    chosen = spec(model).resolve()
    cls = chosen.load()
    if ":" in chosen.name:
        check_is_model(chosen.name, cls)
    config = {**chosen.config, **config}
    check_options(chosen.name, cls, config)
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
    print(reference(name))


def reference(name: str) -> str:
    """The BibTeX that ``cite`` prints."""
    chosen = spec(name)
    found = docstring_section(chosen.load(), "Reference")
    if not found:
        raise ValueError(
            f"The docstring of {chosen.name!r} has no section 'Reference'. Ask its author: {chosen.source}."
        )
    return found


def docstring_section(cls, title: str) -> str:
    """The section of a class' docstring below ``title:``, or an empty string."""
    doc = inspect.cleandoc(cls.__doc__ or "") + "\n"
    found = re.search(rf"^{title}:\n((?:[ ]+.*\n|\n)+)", doc, flags=re.MULTILINE)
    return textwrap.dedent(found[1]).strip() if found else ""


def builtin_class(package: str, name: str) -> Any:
    """The class of this name below ``package``, for the lazy attributes of ``genzoo.models``."""
    for known in _specs.values():
        if isinstance(known.target, str) and re.fullmatch(rf"{re.escape(package)}\..*:{name}", known.target):
            return known.load()
    raise AttributeError(f"module {package!r} has no attribute {name!r}")


def check_options(name: str, cls, config: Iterable[str]) -> None:
    """Refuses options that the class does not take."""
    if hasattr(cls, "options"):
        known = {*cls.options(), "name", "dtype", "trainable"}
        for option in config:
            if option not in known:
                raise unknown_name(f"option of {name!r}", option, known)


def check_is_model(name: str, found: Any) -> None:
    """Refuses what a user named as ``"package.module:Class"`` if it is no model's class."""
    from genzoo.model import GenerativeModel

    if not isinstance(found, type) or not issubclass(found, GenerativeModel):
        raise ValueError(f"{name!r} is no model. Expected a subclass of genzoo.GenerativeModel.")


def all_specs() -> dict[str, ModelSpec]:
    """All models, by the names that ``list_models`` shows."""
    return {**plugins.listed(_specs), **_specs}


def _natural(name):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
