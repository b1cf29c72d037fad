"""Named things: ours, a user's own, and those of installed packages; and what is said of names that are none."""

import sys
import textwrap

import pytest
import torch

from twin_envs.base.errors import ConfigurationError
from twin_envs.base.registry import Registry, load_object

GROUP = "twin_envs.toys"


@pytest.fixture
def registry():
    return Registry("toy", GROUP, plain="twin_envs.base.units:phasor", loud="twin_envs.base.units:linear_to_db")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Makes modules that can be imported, and distributions with entry points."""
    monkeypatch.syspath_prepend(tmp_path)

    class Package:
        def module(self, name, source):
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")

        def distribution(self, name, **points):
            folder = tmp_path / f"{name}-1.0.dist-info"
            folder.mkdir()
            (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
            lines = [f"{point} = {value}" for point, value in points.items()]
            (folder / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]), encoding="utf-8")

    before = set(sys.modules)
    yield Package()
    for name in set(sys.modules) - before:
        if name.startswith("toy_"):
            del sys.modules[name]


def refused(act, *arguments):
    with pytest.raises(ConfigurationError) as error:
        act(*arguments)
    return str(error.value)


def test_ours_are_there_in_their_order_and_imported_when_they_are_asked_for(registry, package):
    assert list(registry) == registry.names() == ["plain", "loud"]
    assert "plain" in registry
    assert "quiet" not in registry
    assert registry.get("loud")(torch.tensor(100.0)).item() == pytest.approx(20.0)
    lazy = Registry("toy", GROUP, own="toy_lazy:thing")
    assert "toy_lazy" not in sys.modules
    package.module("toy_lazy", "thing = 7")
    assert lazy.get("own") == 7


def test_what_is_registered_is_found_and_can_be_taken_back(registry, package):
    thing = object()
    registry.register("mine", thing)
    package.module("toy_mine", "class Toy: pass")
    registry.register("my-other.toy_2", "toy_mine:Toy")
    assert registry.names() == ["plain", "loud", "mine", "my-other.toy_2"]
    assert registry.get("mine") is thing
    assert registry.get("my-other.toy_2").__name__ == "Toy"
    registry.unregister("mine")
    assert "mine" not in registry
    assert refused(registry.get, "mine").endswith("got 'mine'")
    registry.register("mine", 5)
    assert registry.get("mine") == 5


def test_a_name_that_is_taken_is_refused(registry, package):
    package.distribution("toyshop", sold="toy_shop:thing")
    for name in ("plain", "sold"):
        message = refused(registry.register, name, object())
        assert message == f"toy '{name}' is registered already; give yours another name"
    registry.register("mine", 1)
    assert "'mine' is registered already" in refused(registry.register, "mine", 2)
    assert registry.get("mine") == 1


@pytest.mark.parametrize("name", ["", "my toy", "my:toy", "2nd", None, 7, "a/b"])
def test_what_is_no_name_is_refused(registry, name):
    message = refused(registry.register, name, object())
    assert message == f"the name of a toy must be letters, digits, _, - and ., the first no digit, got {name!r}"


def test_an_unknown_name_is_refused_with_all_that_there_are_and_the_nearest(registry, package):
    package.distribution("toyshop", sold="toy_shop:thing")
    message = refused(registry.get, "plane")
    assert message == (
        "toy must be one of 'plain', 'loud', 'sold', or 'module:object' for one of your own, got 'plane'; "
        "did you mean 'plain'?"
    )
    assert refused(registry.get, "solt").endswith("did you mean 'sold'?")
    assert "did you mean" not in refused(registry.get, "zzz")
    for wrong in (None, 7, ["plain"], ""):
        assert f"got {wrong!r}" in refused(registry.get, wrong)


def test_only_what_is_registered_can_be_unregistered(registry, package):
    package.distribution("toyshop", sold="toy_shop:thing")
    assert refused(registry.unregister, "sold") == (
        "toy 'sold' is an entry point of the installed package 'toyshop' and cannot be unregistered; "
        "uninstall the package to be rid of it"
    )
    assert "sold" in registry
    assert refused(registry.unregister, "plan") == (
        "the name of a toy to unregister must be one of 'plain', 'loud', got 'plan'; did you mean 'plain'?"
    )
    for wrong in (None, 7, ["plain"], "", "toy_shop:thing"):
        assert f"got {wrong!r}" in refused(registry.unregister, wrong)
    assert "must be one of none" in refused(Registry("toy", GROUP + ".none").unregister, "any")


def test_an_empty_registry_says_so():
    assert "toy must be one of none, or 'module:object'" in refused(Registry("toy", GROUP).get, "any")


def test_one_of_your_own_is_named_by_its_module(registry, package):
    package.module("toy_own", "class Box:\n    lid = 'closed'\n\nmade = Box()")
    assert registry.get("toy_own:made").lid == "closed"
    assert registry.get("toy_own:Box.lid") == "closed"
    assert "toy_own:made" not in registry


@pytest.mark.parametrize("path", ["toy_own:", ":made", "toy own:made", "toy_own:made:twice", "toy-own:made", "a..b:c"])
def test_what_is_no_module_and_object_is_refused(registry, path):
    message = refused(registry.get, path)
    assert message == f"toy must be a name, or 'module:object' such as 'my_package:MyClass', got {path!r}"


def test_a_module_that_is_not_there_is_named(registry):
    message = refused(registry.get, "toy_nowhere:thing")
    assert message.startswith("toy: importing the module 'toy_nowhere' failed: ModuleNotFoundError")
    assert "No module named 'toy_nowhere'" in message


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("raise RuntimeError('no batteries')", "RuntimeError('no batteries')"),
        ("import toy_absent", "No module named 'toy_absent'"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_a_module_that_raises_at_import_says_what(registry, package, source, said):
    package.module("toy_raising", source)
    with pytest.raises(ConfigurationError, match="importing the module 'toy_raising' failed") as error:
        registry.get("toy_raising:thing")
    assert said in str(error.value)
    assert error.value.__cause__ is not None


def test_a_module_without_the_object_says_which_is_near(registry, package):
    package.module("toy_near", "class Robot:\n    arms = 2\n\n_robut = 1")
    assert refused(registry.get, "toy_near:Robo") == (
        "toy 'toy_near:Robo': toy_near has no 'Robo'; did you mean 'Robot'?"
    )
    assert refused(registry.get, "toy_near:Robot.arm").startswith(
        "toy 'toy_near:Robot.arm': toy_near has no 'Robot.arm'"
    )
    assert "did you mean" not in refused(registry.get, "toy_near:zzz")


def test_an_entry_point_of_an_installed_package_is_found_by_its_name(registry, package):
    package.module("toy_shop", "thing = 'a doll'")
    package.distribution("toyshop", sold="toy_shop:thing", broken="toy_shop:nothing")
    assert registry.names() == ["plain", "loud", "sold", "broken"]
    assert "sold" in registry
    assert registry.get("sold") == "a doll"
    assert "toy 'toy_shop:nothing': toy_shop has no 'nothing'" in refused(registry.get, "broken")
    assert "sold" not in Registry("toy", "twin_envs.other")


def test_ours_come_before_those_of_packages(registry, package):
    package.module("toy_shop", "thing = 'a doll'")
    package.distribution("toyshop", plain="toy_shop:thing")
    assert registry.get("plain") != "a doll"
    assert registry.names() == ["plain", "loud"]


def test_objects_can_be_loaded_without_a_registry(package):
    package.module("toy_loose", "thing = [1]")
    assert load_object("bear", "toy_loose:thing") == [1]
    assert refused(load_object, "bear", "loose").startswith("bear must be a name, or 'module:object'")


@pytest.mark.parametrize("wrong", [lambda: None, lambda one, two, three: None, lambda one, *, needed: None])
def test_a_factory_that_cannot_be_called_as_others_are_is_refused_with_what_is_expected(wrong):
    makers = Registry("toy", GROUP, takes=("site", "device"))
    makers.register("right", lambda site, device, option=3: (site, device))
    makers.register("wrong", wrong)
    assert makers.get("right")(1, 2) == (1, 2)
    message = refused(makers.get, "wrong")
    assert message.startswith("toy 'wrong' must be called with site, device, got one with (")


def test_what_cannot_be_called_is_refused_where_it_must_be():
    makers = Registry("toy", GROUP, takes=("site",))
    makers.register("thing", 7)
    assert refused(makers.get, "thing") == "toy 'thing' must be called with site, got 7, which cannot be called"
