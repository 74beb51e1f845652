"""The calibration board: a ChArUco pattern that is printed, shown in simulation, and found in pictures.

Its frame: origin at the pattern's top left corner, x to the right, y down, z into the paper (OpenCV's CharucoBoard).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

MIN_CORNERS = 6  # that a picture must show to say where the board is
MAX_SQUARE = 10.0  # metres


@dataclass(frozen=True)
class Detection:
    """The board's corners in one picture. Row i of each array is the same corner: pairs are made by id, never by order.

    Attributes:
        ids: int [N], which of the board's corners.
        corners: float64 [N,2], where they are in the picture, pixels; the centre of the top-left pixel is (0, 0).
        object_points: float64 [N,3], where they are on the board, metres in the board's frame.
        width, height: of the picture, pixels.
    """

    ids: np.ndarray
    corners: np.ndarray
    object_points: np.ndarray
    width: int
    height: int

    @property
    def usable(self) -> bool:
        """Whether there are enough corners, and not all on one line, to say where the board is."""
        if len(self.ids) < MIN_CORNERS:
            return False
        plane = self.object_points[:, :2]
        return bool(np.linalg.matrix_rank(plane - plane.mean(0), tol=1e-4) == 2)

    def homography(self) -> np.ndarray:
        """float64 [3,3], from the board's plane (x, y, metres) to the picture; the detection must be usable."""
        return cv2.findHomography(self.object_points[:, :2], self.corners)[0]


@dataclass(frozen=True)
class Board:
    """A ChArUco board: `columns` x `rows` chess squares with a marker in every white one.

    Attributes:
        square, marker: sides of a square and of a marker, metres.
        dictionary: of the markers, by its name in cv2.aruco.

    Raises:
        ValueError: there can be no such board.
    """

    columns: int = 7
    rows: int = 5
    square: float = 0.030
    marker: float = 0.022
    dictionary: str = "DICT_4X4_50"

    def __post_init__(self) -> None:
        if not (min(self.columns, self.rows) >= 3 and 0 < self.marker < self.square < MAX_SQUARE):
            raise ValueError("a board has 3 x 3 squares or more, and its markers are smaller than its squares")
        if not (self.dictionary.startswith("DICT_") and hasattr(cv2.aruco, self.dictionary)):
            raise ValueError(f"'{self.dictionary}' is none of OpenCV's dictionaries of markers: DICT_4X4_50, ...")
        if (needed := self.columns * self.rows // 2) > (known := len(self._markers.bytesList)):
            raise ValueError(f"{self.dictionary} has {known} markers, and a board of this size needs {needed}")

    @property
    def width(self) -> float:
        """Of the pattern without its white margin, metres."""
        return self.columns * self.square

    @property
    def height(self) -> float:
        """Of the pattern without its white margin, metres."""
        return self.rows * self.square

    @property
    def middle(self) -> np.ndarray:
        """Of the pattern, float64 [3], metres in the board's frame."""
        return np.array([self.width / 2, self.height / 2, 0.0])

    @property
    def object_points(self) -> np.ndarray:
        """All inner chess corners, by id; float64 [(columns-1)*(rows-1),3], metres in the board's frame."""
        return np.asarray(self._charuco.getChessboardCorners(), np.float64)

    def image(self, pixels_per_mm: int = 12) -> np.ndarray:
        """The pattern as it is printed, without margin, uint8 [H,W,3] RGB; its top left is the board frame's origin."""
        scale = 1000 * pixels_per_mm
        size = round(self.width * scale), round(self.height * scale)
        return cv2.cvtColor(self._charuco.generateImage(size, marginSize=0, borderBits=1), cv2.COLOR_GRAY2RGB)

    def detect(self, image: np.ndarray) -> Detection:
        """The corners that a picture, uint8 [H,W,3] RGB or [H,W] grey, shows of the board; maybe none."""
        grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        corners, ids, _, _ = self._detector.detectBoard(np.ascontiguousarray(grey))
        found = np.zeros(0, int) if ids is None else ids.ravel().astype(int)
        pixels = np.zeros((0, 2)) if ids is None else corners.reshape(-1, 2).astype(np.float64)
        height, width = grey.shape
        return Detection(found, pixels, self.object_points[found], width, height)

    @cached_property
    def _markers(self) -> cv2.aruco.Dictionary:
        return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary))

    @cached_property
    def _charuco(self) -> cv2.aruco.CharucoBoard:
        return cv2.aruco.CharucoBoard((self.columns, self.rows), self.square, self.marker, self._markers)

    @cached_property
    def _detector(self) -> cv2.aruco.CharucoDetector:
        parameters = cv2.aruco.DetectorParameters()
        parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_SUBPIX  # of the markers, which bring the corners
        return cv2.aruco.CharucoDetector(self._charuco, cv2.aruco.CharucoParameters(), parameters)


BOARD = Board()
