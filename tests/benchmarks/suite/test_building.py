"""What building takes is told by part."""

from twin_envs.benchmarks.suite import building


def test_seconds_are_added_up_by_part(monkeypatch, tmp_path):
    clock = iter(range(100))
    monkeypatch.setattr(building, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(building, "process_time", lambda: 0.0)
    asked = []

    def build(name, root, progress):
        asked.append((name, root))
        for piece in ("twin-los-0-0", "twin-los-0-1", "twin-1-0", "tracks", "gap and latency"):
            progress(0, 3, piece)

    monkeypatch.setattr(building, "build", build)
    told = building.building("florence", tmp_path)
    assert asked == [("florence", tmp_path)]
    wall = {part: seconds["wall_s"] for part, seconds in told["seconds"].items()}
    assert wall == {"survey": 1, "twin-los": 2, "twin": 1, "tracks": 1, "gap and latency": 1}
    assert told["pieces"] == 3
    assert told["peak_memory_mb"] > 10
