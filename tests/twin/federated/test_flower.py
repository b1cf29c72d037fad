"""The same clients and server on Flower: the same weights as in one process, whoever stays away."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from twin_envs.base.errors import ConfigurationError
from twin_envs.twin.federated.client import LayerClient, NetworkClient
from twin_envs.twin.federated.server import Plan, federate
from twin_envs.twin.neural.network import new_network

EXAMPLES = Path(__file__).parents[3] / "docs" / "guides" / "examples"
MISSING = "Flower is not installed; in a virtual environment of its own: pip install '.[federated]'"
WITHOUT = """
import sys
sys.modules["flwr"] = None  # importing it fails, as where it is not installed
from twin_envs.base.errors import DependencyMissing
import twin_envs.twin.federated.server
try:
    import twin_envs.twin.federated.flower
except DependencyMissing as error:
    print(error)
"""


def test_without_flower_clients_learn_in_one_process_and_the_error_says_what_to_install():
    ran = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert "in a virtual environment of its own: pip install '.[federated]'" in ran.stdout


def layer(number):
    generator = torch.Generator().manual_seed(number)
    told, wanted = (torch.randn(40, size, generator=generator) for size in (4, 1))
    return LayerClient(told, wanted, 0.3)


def network():
    return new_network(4, (16,), 1, 0)


def personal(number):
    generator = torch.Generator().manual_seed(number)
    told, wanted = (torch.randn(60, size, generator=generator) for size in (4, 1))
    return NetworkClient(network, told, wanted, steps=5, batch=30, personal=17, seed=number)


class Drops:
    """A client that measures and then sends nothing."""

    samples = 40

    def update(self, weights, round_number):
        return None


class Fails(Drops):
    def update(self, weights, round_number):
        raise RuntimeError("out of memory")


@pytest.fixture
def grid_of():
    """A grid of Flower's whose nodes are apps in this process; the later a node, the lower its client's number."""
    pytest.importorskip("flwr", reason=MISSING)
    from flwr.app import Context, Error, Message, RecordDict
    from flwr.serverapp import Grid
    from flwr.supercore.task_identity import TaskIdentity

    from twin_envs.twin.federated.flower import client_app

    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1

    class InProcess(Grid):
        def __init__(self, new_client, numbers, silent):
            self.app = client_app(lambda context: new_client(int(context.node_config["partition-id"])))
            self.contexts, self.silent = {}, silent
            for node, number in zip(range(900, 900 + len(numbers)), reversed(numbers)):
                config = {} if number is None else {"partition-id": number}
                self.contexts[node] = Context(
                    run_id=1, node_id=node, node_config=config, state=RecordDict(), run_config={}
                )

        def get_node_ids(self):
            return list(self.contexts)

        def send_and_receive(self, messages, *, timeout=None):
            for message in messages:
                node = message.metadata.dst_node_id
                if node in self.silent and message.metadata.message_type == "train":
                    continue
                try:
                    yield self.app(message, self.contexts[node])
                except Exception as error:
                    yield Message(Error(code=0, reason=str(error)), reply_to=message)

        run = set_run = create_message = push_messages = pull_messages = None

    return lambda new_client, numbers=(0, 1, 2), silent=(): InProcess(new_client, numbers, silent)


def on_flower(grid, start, plan, count=3):
    from twin_envs.twin.federated.flower import connected

    clients, ask = connected(grid, count, timeout_s=1.0)
    return federate(clients, start, plan, ask=ask)


@pytest.mark.parametrize("plan", [Plan(rounds=6), Plan(rounds=6, participation=0.6, trim=0.2, seed=3)])
def test_layers_are_those_that_are_learnt_in_one_process(grid_of, plan):
    made, alone = (
        on_flower(grid_of(layer), torch.zeros(4), plan),
        federate([*map(layer, range(3))], torch.zeros(4), plan),
    )
    assert torch.equal(made.weights, alone.weights)
    assert made.tally == alone.tally


def test_so_are_networks_whose_last_layers_never_leave_their_ues(grid_of):
    """Though a client is made anew for each message."""
    start = torch.nn.utils.parameters_to_vector(network().parameters()).detach()
    plan, clients, grid = Plan(rounds=4, personal=17), [*map(personal, range(3))], grid_of(personal)
    made, alone = on_flower(grid, start, plan), federate(clients, start, plan)
    assert torch.equal(made.weights, alone.weights)
    assert torch.equal(clients[0].update(start, 0)[-17:], start[-17:])
    own = {context.node_config["partition-id"]: context.state["kept"] for context in grid.contexts.values()}
    again = personal(1)
    again.kept = torch.tensor(own[1].to_numpy_ndarrays()[0])
    assert torch.equal(again.take(made.weights), clients[1].take(alone.weights))


@pytest.mark.parametrize("absent", [Drops, Fails])
def test_who_sends_nothing_or_fails_has_dropped_out(grid_of, absent):
    def client(number):
        return absent() if number == 1 else layer(number)

    made = on_flower(grid_of(client), torch.zeros(4), Plan(rounds=4))
    alone = federate([layer(0), Drops(), layer(2)], torch.zeros(4), Plan(rounds=4))
    assert torch.equal(made.weights, alone.weights)
    assert made.tally == alone.tally
    assert made.tally.dropped == 4


def test_who_does_not_answer_in_time_has_dropped_out(grid_of):
    made = on_flower(grid_of(layer, silent=(901,)), torch.zeros(4), Plan(rounds=4))
    assert made.tally.dropped == 4


def test_clients_that_are_not_those_expected_are_refused(grid_of):
    for numbers, message in (
        ((0, 1, 1), r"partition-id of clients must be 0 to 2, each once, got \[0, 1, 1\]"),
        ((0, None, 2), "node 901 failed: partition-id of the SuperNode"),
        ((0, 1), "3 clients must connect within 1 s, got 2"),
    ):
        with pytest.raises(ConfigurationError, match=message):
            on_flower(grid_of(layer, numbers), torch.zeros(4), Plan(rounds=1))
    with pytest.raises(ConfigurationError, match="count must be"):
        on_flower(grid_of(layer), torch.zeros(4), Plan(rounds=1), count=0)


@pytest.mark.slow
def test_a_superlink_and_two_supernodes_make_the_same_weights(tmp_path, monkeypatch):
    """The example of the guide, each part in a process of its own, as on machines of their own."""
    pytest.importorskip("flwr", reason=MISSING)
    app, home, found = tmp_path / "app", tmp_path / "home", tmp_path / "weights.safetensors"
    shutil.copytree(EXAMPLES, app, ignore=shutil.ignore_patterns("__pycache__"))
    home.mkdir()
    link, *nodes = ports(3)
    address = f"127.0.0.1:{link}"
    (home / "config.toml").write_text(f'[superlink.mine]\naddress = "{address}"\ninsecure = true\n')
    programs = Path(sys.executable).parent
    path = os.pathsep.join([str(programs), os.environ["PATH"]])  # where Flower's parts look for each other
    environment = {**os.environ, "PATH": path, "FLWR_HOME": str(home), "FLWR_TELEMETRY_ENABLED": "0"}

    def command(name, *options):
        return [str(programs / name), *map(str, options)]

    parts = [command("flower-superlink", "--insecure", "--port", link, "--disable-runtime-dependency-installation")]
    for number, port in enumerate(nodes):
        own = ("--superlink", address, "--port", port, "--node-config", f"partition-id={number}")
        parts.append(command("flower-supernode", "--insecure", *own))
    started = [subprocess.Popen(part, cwd=app, env=environment) for part in parts]
    try:
        asked = command("flwr", "run", ".", "mine", "--stream", "--run-config", f"rounds=2 file='{found}'")
        for _ in range(60):  # until the SuperLink listens
            ran = subprocess.run(
                asked, cwd=app, env=environment, capture_output=True, text=True, timeout=500, check=False
            )
            if ran.returncode == 0 or started[0].poll() is not None:
                break
        assert re.search(r"Tally\(asked=4, dropped=0, refused=0", ran.stdout), ran.stdout + ran.stderr
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(60)
    monkeypatch.syspath_prepend(str(app))
    import together

    alone = federate([together.client(0), together.client(1)], together.start(), Plan(rounds=2))
    assert torch.equal(load_file(found)["weights"], alone.weights)
    assert not torch.equal(alone.weights, together.start())


def ports(count):
    """Ports that are free."""
    taken = [socket.socket() for _ in range(count)]
    for each in taken:
        each.bind(("127.0.0.1", 0))
    found = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return found
