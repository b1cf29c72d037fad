"""The modules of the project and their source."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def modules() -> dict[str, Path]:
    """Every module of the project by its name."""
    places = {"twin_envs": "twin_envs", "twin_envs.agents": "agents", "twin_envs.benchmarks": "benchmarks"}
    return {
        ".".join((name, *file.relative_to(ROOT / folder).with_suffix("").parts)).removesuffix(".__init__"): file
        for name, folder in places.items()
        for file in (ROOT / folder).rglob("*.py")
    }


def source_of(module: str) -> str:
    """The text of a module."""
    return modules()[module].read_text(encoding="utf-8")


def within(module: str, packages: tuple[str, ...]) -> bool:
    """Whether a module is one of `packages`, or in one."""
    return any(f"{module}.".startswith(f"{package}.") for package in packages)
