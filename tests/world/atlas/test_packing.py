"""Packing paths in a few bytes: what comes back is what was put in, to stated accuracies."""

import numpy as np
import torch

from twin_envs.world.atlas.atlas import Atlas
from twin_envs.world.atlas.geometry import Geometry
from twin_envs.world.atlas.packing import pack_paths
from twin_envs.world.atlas.traced_paths import TracedPaths, empty_paths
from twin_envs.world.atlas.tracks import track_paths


def unpacked(packed, links):
    """The atlas of one AP and `links` grid points in a row."""
    geometry = Geometry(
        carrier_hz=3.5e9,
        ap_position_m=torch.zeros(1, 3),
        cell_of=torch.arange(links)[None],
        point_m=torch.stack([torch.tensor([1.0 * n, 0.0, 1.5]) for n in range(links)]),
        origin_m=(0.0, 0.0),
        grid_m=1.0,
    )
    tensors = {key: torch.from_numpy(value) for key, value in packed.items()}
    tensors["count"] = tensors["count"][None]
    return Atlas(geometry, {**tensors, "track": track_paths(geometry, tensors), "antenna_m": torch.zeros(1, 1, 3)})


def one_path_each(links, **fields):
    """`TracedPaths` of links with a path each, of which the given fields [links, ...] are."""
    described = empty_paths(links, 1)
    described["gain"][:], described["length_m"][:] = 1e-4, 50.0
    for name, values in fields.items():
        described[name][:, 0] = values
    return TracedPaths(**described)


def directions(count, rng):
    axes = np.concatenate([np.eye(3), -np.eye(3)])
    diagonals = np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if x or y or z])
    drawn = np.concatenate([axes, diagonals, rng.standard_normal((count, 3))])
    return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)


def test_directions_survive_packing_to_65_microradians():
    truth = directions(20_000, np.random.default_rng(0))
    packed = pack_paths(one_path_each(len(truth), departure=truth))
    found = unpacked(packed, len(truth)).packed_paths(0).departure.double().numpy()
    angle = 2 * np.arcsin(np.linalg.norm(found - truth, axis=-1) / 2)
    assert packed["departure"].dtype == np.int16
    assert angle.max() < 6.5e-5
    assert angle.max() > 1e-5  # int16 cannot do better; less would mean that nothing was packed


def test_reflections_survive_packing_to_a_ten_thousandth():
    rng = np.random.default_rng(1)
    normals = directions(2000, rng)
    mirrors = np.eye(3) - 2 * normals[:, :, None] * normals[:, None, :]
    products = [
        mirrors,
        mirrors @ rng.permutation(mirrors),
        mirrors @ rng.permutation(mirrors) @ rng.permutation(mirrors),
    ]
    half_turns = np.array([np.diag(d) for d in ([1, -1, -1], [-1, 1, -1], [-1, -1, 1])], float)
    for turns in (*products, half_turns):
        # A path that leaves along an axis arrives along the turn's row.
        for row, axis in enumerate(np.eye(3)):
            packed = pack_paths(one_path_each(len(turns), departure=np.tile(axis, (len(turns), 1)), turn=turns))
            found = unpacked(packed, len(turns)).packed_paths(0).arrival
            assert np.abs(found.double().numpy() - turns[:, row]).max() < 1e-4


def test_packed_paths_are_what_was_traced():
    rng = np.random.default_rng(2)
    links, places = 50, 6
    power_db = -rng.uniform(60, 129, (links, places))
    power_db[1, 0] = -80
    gain = 10 ** (power_db / 20) * np.exp(1j * rng.uniform(-np.pi, np.pi, (links, places)))
    gain[rng.random((links, places)) < 0.4] = 0  # unused places, anywhere
    gain[0], gain[1, 0] = 0, -1e-4  # a link without a path, and a phase on the seam of -pi and pi
    turn = np.linalg.qr(rng.standard_normal((links, places, 3, 3)))[0]
    departure = directions(links * places, rng)[-links * places :].reshape(links, places, 3)
    paths = TracedPaths(
        gain=gain,
        length_m=rng.uniform(1, 500, (links, places)),
        departure=departure,
        arrival=np.einsum("npij,npi->npj", turn, departure),
        turn=turn,
        source_m=np.where(rng.random((links, places)) < 0.5, 0, rng.uniform(0.5, 200, (links, places))),
        line_of_sight=rng.random((links, places)) < 0.2,
    )
    packed = pack_paths(paths)
    used = gain != 0
    per_path = sum(packed[key][0].nbytes for key in packed if key != "count")
    assert per_path == 21
    assert packed["count"].tolist() == used.sum(-1).tolist()
    atlas = unpacked(packed, links)
    found = atlas.packed_paths(0)
    assert found.link.tolist() == np.nonzero(used)[0].tolist()
    np.testing.assert_allclose(10 * np.log10(found.power.numpy()), power_db[used], atol=0.006)
    np.testing.assert_allclose(found.length_m, paths.length_m[used], rtol=1e-6)
    np.testing.assert_allclose(found.departure, departure[used], atol=6e-5)
    np.testing.assert_allclose(found.arrival, paths.arrival[used], atol=2e-4)
    assert found.line_of_sight.tolist() == paths.line_of_sight[used].tolist()
    local = atlas.paths(atlas.geometry.point_m, torch.zeros(links, dtype=torch.int64))
    by_strength = np.take_along_axis(gain, np.argsort(-np.abs(gain), -1), -1)
    assert ((local.gain != 0).numpy() == (by_strength != 0)).all()
    turned = np.angle(local.gain.numpy() * by_strength.conj())[by_strength != 0]
    assert np.abs(turned).max() < 1e-4
    assert local.line_of_sight.tolist() == (paths.line_of_sight & used).any(-1).tolist()
    np.testing.assert_allclose(
        local.first_m, np.where(used.any(-1), np.where(used, paths.length_m, np.inf).min(-1), 0.0), rtol=1e-6
    )
    # Sums over the paths of each link
    np.testing.assert_allclose(atlas.gain[0], (np.abs(gain) ** 2).sum(-1), rtol=2e-3)
    value = torch.tensor(rng.standard_normal(int(used.sum())), dtype=torch.float32)
    sums = np.zeros(links)
    np.add.at(sums, np.nonzero(used)[0], value.double().numpy())
    np.testing.assert_allclose(atlas.per_link(value, 0), sums, atol=1e-6)
