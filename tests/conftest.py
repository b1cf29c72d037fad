"""Which tests run on this machine.

Tests marked `rt` are skipped where the ray tracer does not work and tests marked `gpu` where there is no CUDA device.
No other test sees such a device: they are about the processor.
With TWIN_ENVS_REQUIRE_RT=1 in the environment, as in .ci/run, an `rt` test that is skipped fails instead, and so does
a run in which none passed.
"""

import os
from collections.abc import Iterator

import pytest

RT_REQUIRED = os.environ.get("TWIN_ENVS_REQUIRE_RT") == "1"
rt_passed: list[str] = []


@pytest.fixture(scope="session", autouse=True)
def home_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Sites that the user has built are not seen: tests are about the packaged one. Windows open on no screen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDL_VIDEODRIVER", "dummy")
        patch.setenv("TWIN_ENVS_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.hookimpl(trylast=True)  # after -k and -m have dropped theirs: asking the ray tracer takes seconds
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tracing = [item for item in items if item.get_closest_marker("rt")]
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if tracing:
        from twin_envs.base.doctor import ray_tracer_problem

        if problem := ray_tracer_problem():
            for item in tracing:
                item.add_marker(pytest.mark.skip(reason=problem))
    if on_gpu:
        import torch

        if not torch.cuda.is_available():
            for item in on_gpu:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item):
    if item.get_closest_marker("gpu"):
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.cuda.is_available", lambda: False)
        patch.setenv("CUDA_VISIBLE_DEVICES", "")  # for processes that the test starts
        return (yield)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """A process that runs many tests keeps no memory for the ray tracer's next arrays."""
    if item.get_closest_marker("rt"):
        from twin_envs.world.building.tracing import release_memory

        release_memory()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    required = RT_REQUIRED and item.get_closest_marker("rt") and not item.get_closest_marker("gpu")
    if required and report.skipped and not hasattr(report, "wasxfail"):
        report.longrepr = f"skipped although TWIN_ENVS_REQUIRE_RT=1: {report.longrepr[-1]}"
        report.outcome = "failed"
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:  # in the process that all workers report to, too
    if report.when == "call" and report.passed and "rt" in report.keywords:
        rt_passed.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    worker = hasattr(session.config, "workerinput")
    if RT_REQUIRED and not rt_passed and not worker and not session.config.option.collectonly:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if RT_REQUIRED and not rt_passed:
        terminalreporter.write_line("TWIN_ENVS_REQUIRE_RT=1, but no test marked rt has passed", red=True)
