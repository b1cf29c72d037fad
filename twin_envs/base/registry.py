"""Named things that a user may add: channel twins, codecs, policies, mobilities and sites.

`"name"` picks one that is registered here or by an entry point of an installed package, `"module:object"` one of the
user's own. In the `pyproject.toml` of a package, an entry point looks like

    [project.entry-points."twin_envs.codecs"]
    mine = "my_package.codec:from_site"
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any, Generic, TypeVar, cast

from twin_envs.base.errors import ConfigurationError, hint

T = TypeVar("T")
_NAME = re.compile(r"[^\W\d][\w.-]*")


class Registry(Generic[T]):
    """Things of one kind by their names.

    Args:
        what: the field that a name is given for, such as `codec`.
        group: of entry points, such as `twin_envs.codecs`.
        takes: what each of these things is called with, by name; None if they are not called.
        **packaged: the things that come with twin-envs by name, each as `"module:object"`.
    """

    def __init__(self, what: str, group: str, takes: Sequence[str] | None = None, **packaged: str) -> None:
        self.what, self.group, self._takes = what, group, takes
        self._targets: dict[str, str | T] = dict(packaged)

    def register(self, name: str, target: str | T) -> None:
        """Give a thing a name.

        Args:
            name: letters, digits, `_`, `-` and `.`, the first no digit.
            target: the thing, or where it is as `"module:object"`.

        Raises:
            ConfigurationError: the name is taken, or no name.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"the name of a {self.what} must be letters, digits, _, - and ., the first no digit, got {name!r}"
            )
        if name in self.names():
            raise ConfigurationError(f"{self.what} {name!r} is registered already; give yours another name")
        self._targets[name] = target

    def unregister(self, name: str) -> None:
        """Take back what `register` did.

        Raises:
            ConfigurationError: there is no such name, or it is an entry point's, which lasts while its package is
                installed.
        """
        if isinstance(name, str) and name in self._targets:
            del self._targets[name]
            return
        for point in entry_points(group=self.group):
            if point.name == name:
                package = point.dist.name if point.dist else "another package"
                raise ConfigurationError(
                    f"{self.what} {name!r} is an entry point of the installed package {package!r} and cannot be "
                    "unregistered; uninstall the package to be rid of it"
                )
        names = list(self._targets)
        listed = ", ".join(repr(known) for known in names) or "none"
        raise ConfigurationError(
            f"the name of a {self.what} to unregister must be one of {listed}, got {name!r}{hint(name, names)}"
        )

    def names(self) -> list[str]:
        """All names, those of entry points among them, each once."""
        return list(dict.fromkeys([*self._targets, *(point.name for point in entry_points(group=self.group))]))

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def get(self, name: str) -> T:
        """The thing called `name`, or the one at `"module:object"`.

        Raises:
            ConfigurationError: there is none, its module cannot be imported, or it cannot be called as things of this
                kind are; the message says what was expected.
        """
        found = self._find(name)
        if self._takes is not None:
            self._check_call(name, found)
        return found

    def _check_call(self, name: str, found: T) -> None:
        expected = f"{self.what} {name!r} must be called with {', '.join(self._takes or ()) or 'nothing'}"
        if not callable(found):
            raise ConfigurationError(f"{expected}, got {found!r}, which cannot be called")
        try:
            signature = inspect.signature(found)
        except ValueError:  # some built-in ones tell none
            return
        try:
            signature.bind(*(self._takes or ()))
        except TypeError as error:
            raise ConfigurationError(f"{expected}, got one with {signature}: {error}") from None

    def _find(self, name: str) -> T:
        if isinstance(name, str) and name in self._targets:
            target = self._targets[name]
            return load_object(self.what, target) if isinstance(target, str) else target
        for point in entry_points(group=self.group):
            if point.name == name:
                return cast(T, load_object(self.what, point.value))
        if isinstance(name, str) and ":" in name:
            return cast(T, load_object(self.what, name))
        raise self._unknown(name)

    def _unknown(self, name: object) -> ConfigurationError:
        names = self.names()
        listed = ", ".join(repr(known) for known in names) or "none"
        return ConfigurationError(
            f"{self.what} must be one of {listed}, or 'module:object' for one of your own, got {name!r}"
            f"{hint(name, names)}"
        )


def load_object(what: str, path: str) -> Any:
    """The object at `path`, `"module:object"`.

    Args:
        what: the field that it is given for.
        path: such as `"my_package.my_module:MyCodec"`.

    Raises:
        ConfigurationError: the path has another form, the module cannot be imported, or it has no such object.
    """
    module_name, _, object_name = path.partition(":")
    parts = [*module_name.split("."), *object_name.split(".")]
    if not all(part.isidentifier() for part in parts):
        raise ConfigurationError(
            f"{what} must be a name, or 'module:object' such as 'my_package:MyClass', got {path!r}"
        )
    found: Any = import_user_module(what, module_name)
    for part in object_name.split("."):
        if not hasattr(found, part):
            public = [name for name in vars(found) if not name.startswith("_")]
            raise ConfigurationError(f"{what} {path!r}: {module_name} has no {object_name!r}{hint(part, public)}")
        found = getattr(found, part)
    return found


def import_user_module(what: str, name: str) -> ModuleType:
    """The module `name`, imported for the field `what`. Raises `ConfigurationError` with whatever its import raises."""
    try:
        return importlib.import_module(name)
    except Exception as error:  # whatever the user's module raises
        raise ConfigurationError(f"{what}: importing the module {name!r} failed: {error!r}") from error
