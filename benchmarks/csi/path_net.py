"""The network of the codec `path-net`: what it was trained on, and how many bits it takes to say what it expects.

It learns from channels of twins alone, on the streets of three sites that are not kept for scoring. The weights that
come with the package are those of this study.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch

from twin_envs.benchmarks.csi.runs import Run
from twin_envs.benchmarks.csi.setting import Setting
from twin_envs.csi.channels import angle_delay_grid
from twin_envs.csi.codecs.path_net.circumstances import NONE
from twin_envs.csi.codecs.path_net.formats import FORMATS
from twin_envs.csi.codecs.path_net.network import PriorNetwork
from twin_envs.csi.codecs.path_net.weights import STORED
from twin_envs.csi.codecs.path_net_twin.codec import PathNetTwin
from twin_envs.csi.training.path_net import LINKS, Reports, draw_reports, report_bits, train_network
from twin_envs.world.store.site import Site, load_site, world_file

SITES = {"munich": 2, "munich-28ghz": 1, "munich-cellfree": 1}
"""Where channels are from, and in which proportion."""
BATCHES, QUICK_BATCHES = 21, 1
"""Of `LINKS` channels each, at a site of proportion 1."""
PASSES, QUICK_PASSES = 4, 1
WORLD = "twin"


def figures(setting: Setting) -> dict[str, Any]:
    """Train the network, keep its weights in the folder of the run, and count the bits of reports it has never seen.

    Returns:
        `sites`: channels and sha256 of the twin of each. `passes`, `losses`: of each pass, mean bits of a path's place.
        `weights_sha256`: of the file. `bits`: by site and by the most paths of a report, the mean number of bits of
        reports on the streets that are kept from training, if their UEs are `told` what the twin expects, and if not,
        and what they would take if all places were `even`, which is what is saved.
    """
    sites = {name: load_site(name, setting.site.device) for name in SITES}
    batches, passes = (QUICK_BATCHES, QUICK_PASSES) if setting.quick else (BATCHES, PASSES)
    links = {name: batches * share * LINKS for name, share in SITES.items()}
    about = {
        "sites": {
            name: {"links": links[name], "twin_sha256": site.manifest["files"][world_file(WORLD)]["sha256"]}
            for name, site in sites.items()
        },
        "passes": passes,
    }
    run = Run(setting.run, {**about, "seed": setting.seed, "formats": json.dumps(STORED.made_for["formats"])})
    losses: list[float] = []

    def trained() -> dict[str, torch.Tensor]:
        reports: list[Reports] = []
        for number, (name, site) in enumerate(sites.items()):
            setting.report("drawing channels", number / len(sites), name)
            reports += draw_reports(site, links[name], seed=setting.seed + number, held_out=False)

        def told(done: int, loss: float) -> None:
            losses.append(loss)
            setting.report("training", done / passes, f"{loss:.2f} bits a place")

        return dict(train_network(reports, passes=passes, seed=setting.seed, progress=told).state_dict())

    tensors = run.tensors("network", trained)
    network = PriorNetwork()
    network.load_state_dict(tensors)
    path = setting.run / STORED.file.name
    STORED.save(network, path, {"seed": str(setting.seed), "sites": ", ".join(SITES), "world": WORLD})
    return {
        **about,
        "losses": run.piece("losses", lambda: {"bits": losses})["bits"],
        "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bits": run.piece(
            "bits", lambda: {name: _bits(site, network, setting.seed + len(SITES)) for name, site in sites.items()}
        ),
    }


def _bits(site: Site, network: PriorNetwork, seed: int) -> dict[str, dict[str, float]]:
    codec = PathNetTwin(network, angle_delay_grid(site), site.device)
    result = {}
    for reports in draw_reports(site, len(FORMATS) * LINKS, seed=seed, held_out=True, untold=0.0, elsewhere=0.0):
        said, nothing = FORMATS[reports.number], torch.tensor([0, 0, 0, NONE], device=site.device)
        below_db = reports.paths[..., 4].cumsum(1) * said.fall_db
        places = float(torch.tensor([size for size in reports.sizes if size > 1]).double().log2().sum())
        coarser = said.steps(below_db) * sum(size > 1 for size in reports.sizes)
        where = codec.prior.information(reports.told, reports.paths[..., 1:4], below_db, said.steps(below_db))
        told = report_bits(codec, reports)
        result[str(said.paths)] = {
            "told": told,
            "untold": report_bits(codec, reports, nothing.expand_as(reports.told)),
            "even": told + float((places - coarser - where).sum(1).mean()),
        }
    return result
