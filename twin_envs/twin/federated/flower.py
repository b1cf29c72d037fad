"""The same clients and the same server on Flower, when UEs compute on machines of their own.

A round of `federate` is one message of Flower to each client that is asked. What clients learn, and what the server
makes of it, is the code that runs in one process, so the same seeds give the same weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol, cast, runtime_checkable

import torch

from twin_envs.base.errors import ConfigurationError, DependencyMissing, check_number
from twin_envs.twin.federated.client import Client
from twin_envs.twin.federated.server import Ask

try:
    from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MessageType, RecordDict
    from flwr.clientapp import ClientApp
    from flwr.serverapp import Grid
except ImportError as error:
    raise DependencyMissing(
        "federated learning on several machines needs Flower; in the checkout of twin-envs, in a virtual environment "
        "of its own: pip install '.[federated]'"
    ) from error

NUMBER = "partition-id"
"""What the configuration of a SuperNode calls the number of its client."""
_WEIGHTS, _ROUND, _KEPT, _SELF = "weights", "round", "kept", "client"
_POLL_S = 1.0


@runtime_checkable
class KeepsWeights(Client, Protocol):
    """A client that carries weights from one round to the next, as one with a last layer of its own does.

    Attributes:
        kept: those weights, float32 [P].
    """

    kept: torch.Tensor


class Node:
    """A client on another machine, as the server sees it.

    Args:
        node_id: what Flower calls the machine.
        samples: how many the client says that it has measured; `federate` judges that.
        ask: asks clients that are such nodes.
    """

    def __init__(self, node_id: int, samples: int, ask: Ask) -> None:
        self.node_id, self.samples, self._ask = node_id, samples, ask

    def update(self, weights: torch.Tensor, round_number: int) -> torch.Tensor | None:
        """See `Client.update`."""
        return self._ask([self], weights, round_number)[0]


def client_app(new_client: Callable[[Context], Client]) -> ClientApp:
    """The app that runs beside what a UE has measured.

    Flower may start a process for each message. So the client is made anew each time, and what a `KeepsWeights` carries
    from one round to the next lies in the context's state.

    Args:
        new_client: makes the client, always alike, by the context of its machine, whose `node_config` says which UE
            this is.
    """
    app = ClientApp()

    @app.query()
    def introduce(message: Message, context: Context) -> Message:
        number = context.node_config.get(NUMBER)
        check_number(f'{NUMBER} of the SuperNode, as in --node-config "{NUMBER}=0",', number, 0, integer=True)
        told = ConfigRecord({"number": cast(int, number), "samples": new_client(context).samples})
        return Message(RecordDict({_SELF: told}), reply_to=message)

    @app.train()
    def learn(message: Message, context: Context) -> Message:
        client = new_client(context)
        if isinstance(client, KeepsWeights) and _KEPT in context.state:
            client.kept = _read(context.state, _KEPT)
        sent = client.update(_read(message.content, _WEIGHTS), int(message.content[_ROUND]["number"]))
        if isinstance(client, KeepsWeights):
            context.state[_KEPT] = _record(client.kept)
        return Message(RecordDict({} if sent is None else {_WEIGHTS: _record(sent)}), reply_to=message)

    return app


def connected(grid: Grid, count: int, timeout_s: float = 3600.0) -> tuple[list[Node], Ask]:
    """The clients that have connected, by their numbers, and how `federate` asks them: all at the same time.

    A client that fails in a round, or does not answer within `timeout_s`, has dropped out of that round.

    Args:
        grid: Flower's, of the `ServerApp`.
        count: how many clients there are; waits for them.
        timeout_s: how long to wait for them, and for their answers in a round.

    Raises:
        ConfigurationError: `count` or `timeout_s` is below 1, not all come in time, one of them fails, or their numbers
            are not 0 to `count` - 1.
    """
    check_number("count", count, 1, integer=True)
    check_number("timeout_s", timeout_s, 1.0)
    found, last_s = sorted(grid.get_node_ids()), time.monotonic() + timeout_s
    while len(found) < count:
        if time.monotonic() > last_s:
            raise ConfigurationError(f"{count} clients must connect within {timeout_s:g} s, got {len(found)}")
        time.sleep(_POLL_S)
        found = sorted(grid.get_node_ids())
    questions = [Message(RecordDict({}), dst_node_id=node, message_type=MessageType.QUERY) for node in found]
    introduced = {}
    for reply in grid.send_and_receive(questions, timeout=timeout_s):
        if reply.has_error():
            raise ConfigurationError(f"the client of node {reply.metadata.src_node_id} failed: {reply.error.reason}")
        introduced[reply.metadata.src_node_id] = reply.content[_SELF]
    numbers = sorted(int(told["number"]) for told in introduced.values())
    if numbers != list(range(count)):
        raise ConfigurationError(f"{NUMBER} of clients must be 0 to {count - 1}, each once, got {numbers}")

    def ask(clients: Sequence[Client], weights: torch.Tensor, round_number: int) -> list[torch.Tensor | None]:
        nodes = [cast(Node, client).node_id for client in clients]
        content = {_WEIGHTS: _record(weights), _ROUND: ConfigRecord({"number": round_number})}
        messages = [Message(RecordDict(content), dst_node_id=node, message_type=MessageType.TRAIN) for node in nodes]
        replies = {reply.metadata.src_node_id: reply for reply in grid.send_and_receive(messages, timeout=timeout_s)}
        sent = (replies.get(node) for node in nodes)
        return [
            _read(reply.content, _WEIGHTS).to(weights.device)
            if reply is not None and reply.has_content() and _WEIGHTS in reply.content
            else None
            for reply in sent
        ]

    order = sorted(introduced, key=lambda node: int(introduced[node]["number"]))
    return [Node(node, cast(int, introduced[node]["samples"]), ask) for node in order], ask


def _record(weights: torch.Tensor) -> ArrayRecord:
    return ArrayRecord([weights.detach().cpu().numpy()])


def _read(records: RecordDict, name: str) -> torch.Tensor:
    """Weights [W] of a record; a copy, for Flower's array may not be written to."""
    (weights,) = records[name].to_numpy_ndarrays()
    return torch.tensor(weights)
