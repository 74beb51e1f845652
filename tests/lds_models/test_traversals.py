from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from colour_scenes import ColourModel, OrbitModel, packed_orbits, packed_squares
from PIL import Image

from lds_models.animation import animated_views
from lds_models.evaluation import evaluate
from lds_models.explainer import Explainer
from lds_models.iodine import IODINE, IODINEConfig
from lds_models.monet import MONet, MONetConfig
from lds_models.traversals import DIMENSIONS, VALUES, dimension_information, traverse


class Movable(OrbitModel):
    """OrbitModel with a latent whose last dimension says most: the square's column, near the middle at all VALUES."""

    def render(self, latents, viewpoints):
        column = 0.05 + 0.003 * latents[..., -1:]
        return super().render(torch.cat([latents[..., :-1], column], -1), viewpoints)

    def infer(self, images, viewpoints=None):
        inference = super().infer(images, viewpoints)
        std = torch.ones_like(inference.mean)
        std[..., -1] = 0.01
        return replace(inference, std=std)


@pytest.fixture(scope="module")
def moved():
    packed = packed_orbits(scenes=3, views=6)
    model = Movable()
    evaluation = evaluate(model, packed)
    return packed, evaluation, traverse(Explainer(model, packed), evaluation.examples)


def test_information_is_the_kl_of_each_dimension_from_the_prior():
    from torch.distributions import Normal, kl_divergence

    mean, std = np.array([[0.0, 1.5, -2.0]]), np.array([[1.0, 0.3, 2.0]])
    expected = kl_divergence(Normal(torch.tensor(mean), torch.tensor(std)), Normal(0.0, 1.0)).numpy()
    assert dimension_information(mean, std) == pytest.approx(expected)


def test_the_most_informative_dimensions_of_the_largest_objects_are_taken(moved):
    _, evaluation, traversed = moved
    assert traversed.example is evaluation.examples[0]
    assert len({shown.slot for shown in traversed.traversals}) == 2
    assert 0 not in {shown.slot for shown in traversed.traversals}  # the background
    for slot in {shown.slot for shown in traversed.traversals}:
        of_slot = [shown for shown in traversed.traversals if shown.slot == slot]
        assert len(of_slot) == DIMENSIONS and of_slot[0].dimension == 8
        assert of_slot[0].information == max(shown.information for shown in of_slot)


def test_only_the_traversed_slot_changes_and_only_in_that_dimension(moved):
    packed, _, traversed = moved
    shown = traversed.traversals[0]
    latents = traversed.example.explanation.means
    assert shown.value == pytest.approx(latents[0, shown.slot, shown.dimension])
    model = Movable()
    viewpoint = torch.from_numpy(packed.viewpoints["clevr"][traversed.example.row])[None, None]
    for index, value in enumerate(VALUES):
        changed = torch.from_numpy(latents.copy())
        changed[0, shown.slot, shown.dimension] = value
        rendering = model.render(changed, viewpoint)
        assert shown.masks[index] == pytest.approx(rendering.log_masks[0, 0, shown.slot, 0].exp().numpy(), abs=1e-6)
        expected = rendering.reconstruction[0, 0].permute(1, 2, 0).numpy()
        assert shown.reconstructions[index] == pytest.approx(expected, abs=1e-5)
    columns = [mask.sum(0).argmax() for mask in shown.masks]
    assert columns == sorted(columns) and columns[0] < columns[-1]  # the square moves to the right


def test_a_model_that_cannot_render_its_latents_alone_has_no_traversals():
    packed = packed_squares(scenes=2)
    model = ColourModel()
    assert traverse(Explainer(model, packed), evaluate(model, packed).examples) is None


@pytest.mark.parametrize("kind", ["monet", "iodine"])
def test_models_render_their_latents_as_their_generative_model_does(kind):
    torch.manual_seed(0)
    small = {"image_size": 16, "num_slots": 3, "latent_dim": 4, "decoder_channels": 8}
    if kind == "monet":
        model = MONet(MONetConfig(attention_channels=8, **small)).eval()
    else:
        model = IODINE(IODINEConfig(iterations=1, refinement_channels=8, hidden=8, **small)).eval()
    with torch.no_grad():
        inference = model.infer(torch.rand(2, 1, 3, 16, 16))
        rendering = model.render(inference.mean)
    assert rendering.appearances == pytest.approx(inference.appearances, abs=1e-5)
    assert rendering.log_masks.exp().sum(2) == pytest.approx(torch.ones(2, 1, 1, 16, 16), abs=1e-5)
    mixed = (rendering.log_masks.exp() * rendering.appearances).sum(2)
    assert rendering.reconstruction == pytest.approx(mixed, abs=1e-5)
    if kind == "iodine":
        assert rendering.log_masks == pytest.approx(inference.log_masks, abs=1e-4)


def test_scenes_are_animated_view_by_view(moved):
    _, evaluation, _ = moved
    gif = Image.open(io.BytesIO(animated_views(evaluation.scenes)))
    assert gif.format == "GIF" and gif.n_frames == 6 and gif.info["loop"] == 0
    frames = []
    for frame in range(gif.n_frames):
        gif.seek(frame)
        frames.append(np.asarray(gif.convert("RGB")).astype(int))
    assert all(np.abs(a - b).max() > 50 for a, b in zip(frames, frames[1:], strict=False))
    # An orange frame stands round the pictures of views that the model was not shown, and only there.
    observed = evaluation.scenes[0].explanation.observed
    framed = [np.abs(frame[34 + 20, 10 - 2] - (232, 112, 26)).max() < 40 for frame in frames]
    assert framed == [not shown for shown in observed]
