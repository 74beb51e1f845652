"""What the surfaces of a `clevr_world` look like: its floor, its sky, and what metal mirrors. All RGB, 0-255."""

from __future__ import annotations

import numpy as np

FLOOR_HALF = 150.0  # half the floor's side, metres
_TEXELS = 1024  # along the floor's side
_HORIZON = 138  # grey level
_DUSK = 3.2  # grey levels that the sky loses for every degree above the horizon


def floor_tones() -> np.ndarray:
    """uint8 [T,T,3]: the lit floor seen from above, x to the right, y up; fitted to the official scenes' background.

    It is brighter in the middle, with a warm pool of light under the key lamp and a faint blue one under the fill.
    """
    steps = (np.arange(_TEXELS) + 0.5) / _TEXELS * 2 * FLOOR_HALF - FLOOR_HALF
    x, y = np.meshgrid(steps, -steps)

    def pool(centre: tuple[float, float], width: float, tone: tuple[float, float, float]) -> np.ndarray:
        falloff = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * width**2))
        return falloff[..., None] * np.array(tone)

    dusk = _HORIZON + pool((0, 0), 75, (14, 14, 14))
    pools = pool((0, 0), 5, (21, 21, 21)) + pool((5.3, -2.3), 1.8, (26, 24, 17)) + pool((-3.8, -3.3), 1.5, (5, 6, 10))
    return np.rint(dusk + pools).astype(np.uint8)


def sky_tones() -> np.ndarray:
    """uint8 [6T,T,3]: the dim grey around, as MuJoCo's sky box; alike above and below the horizon."""
    slope = np.linspace(1, -1, 256)
    side = np.tile(horizon_tone(np.rad2deg(np.arctan(slope)))[:, None], (1, len(slope)))
    return _grey(np.tile(side, (6, 1)))


def horizon_tone(elevation: np.ndarray) -> np.ndarray:
    """Grey levels of the sky at so many degrees above the horizon, or below it."""
    return np.maximum(_HORIZON - _DUSK * np.abs(elevation), 90)


def reflections() -> np.ndarray:
    """uint8 [6T,T,3]: what polished metal mirrors, as MuJoCo's cube map: sky, horizon, floor, its shadow underneath."""
    height = np.linspace(1, -1, 32)  # of what a side's texels show, from top to bottom
    tones = 244 - 10 * height - 60 * np.exp(-(((height - 0.8) / 0.25) ** 2))
    side = np.tile(tones[:, None], (1, len(tones)))
    top = np.full_like(side, 205)
    bottom = 90 + 160 * np.maximum(np.abs(height), np.abs(height)[:, None]) ** 2
    # In the order +x, -x, +y, -y, top, bottom, each turned in its own way.
    return _grey(np.concatenate([side.T, side[::-1].T, side[::-1], side, top, bottom]))


def _grey(tones: np.ndarray) -> np.ndarray:
    return np.rint(tones)[..., None].repeat(3, -1).astype(np.uint8)
