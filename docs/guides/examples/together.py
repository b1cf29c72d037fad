"""UEs learn together what gains are like in Munich, by the network of coordinates; each keeps what it has measured."""

from pathlib import Path

import torch
from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from safetensors.torch import save_file

from twin_envs.envs.reality.twin_error import measure
from twin_envs.twin.federated.client import NetworkClient
from twin_envs.twin.federated.flower import client_app, connected
from twin_envs.twin.federated.server import Plan, federate
from twin_envs.twin.neural.coordinates import HIDDEN, coordinates
from twin_envs.twin.neural.network import new_network
from twin_envs.world.store.site import load_site

MEAN_DB, STD_DB = -110.0, 15.0  # of gains, as the UEs have agreed


def network() -> torch.nn.Module:
    return new_network(4, HIDDEN, 1, 0)


def client(number: int) -> NetworkClient:
    site = load_site("munich", "cpu")
    measured = measure(site, "reality", 200, seed=number)  # in the place of a file of what this UE has measured
    told = coordinates(site.geometry, measured.sensed.position_m, measured.ap)
    wanted = (measured.values[:, :1] - MEAN_DB) / STD_DB  # the gain comes first
    return NetworkClient(network, told, wanted, steps=20, batch=64, seed=number)


def start() -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(network().parameters()).detach()


ue = client_app(lambda context: client(int(context.node_config["partition-id"])))
server = ServerApp()


@server.main()
def main(grid: Grid, context: Context) -> None:
    config = context.run_config
    clients, ask = connected(grid, int(config["clients"]))
    made = federate(clients, start(), Plan(rounds=int(config["rounds"])), ask=ask)
    print(made.tally)
    save_file({"weights": made.weights}, Path(str(config["file"])))
