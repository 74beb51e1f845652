"""What was segmented, and how the node is, as ROS messages. Images are converted by `lds_ros.messages`."""

from __future__ import annotations

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from lds_scenes.msg import SegmentedObject, SegmentedScene
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, PointCloud2, PointField, RegionOfInterest
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from lds_ros.messages import intrinsics_from_message
from perception.health import Status
from perception.overlay import object_colour
from perception.placing import NOWHERE, Lens, Places
from perception.segmentation import ObjectSegment, Segmentation

_UPRIGHT = Quaternion(0, 0, 0, 1)
_MARK, _TEXT = 0.02, 0.03  # metres: size of a mark where only the centre is known; height of the numbers
_FIELDS = {"x": "<f4", "y": "<f4", "z": "<f4", "rgb": "<u4", "label": "<u4"}
_POINT = np.dtype([*_FIELDS.items()])


def scene_message(segmentation: Segmentation, header: Header, model: str, places: Places = NOWHERE) -> SegmentedScene:
    """A SegmentedScene of the objects of one image; `model` names the weights."""
    height, width = segmentation.labels.shape
    objects = [_object(segment, places) for segment in segmentation.objects]
    return SegmentedScene(header, model, width, height, objects, segmentation.duplicates_merged)


def lens_of(message: CameraInfo) -> Lens | None:
    """None of a camera that is not calibrated. Raises ValueError for a lens that is not taken."""
    lens = intrinsics_from_message(message)
    return None if lens is None else Lens(*lens, (message.height, message.width))


def marker_array(places: Places, header: Header) -> MarkerArray:
    """For rviz: a box around each object that depth shows, a ball at each other that has a place, and their ids."""
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    for id_, box in places.boxes.items():
        above = box.T_camera_box[:3, 3] + (box.size[2] / 2 + _MARK) * box.T_camera_box[:3, 2]
        markers += _marked(id_, header, Marker.CUBE, _pose(box.T_camera_box), Vector3(*box.size), Point(*above))
    for id_, position in places.positions.items():
        markers += _marked(
            id_, header, Marker.SPHERE, Pose(Point(*position), _UPRIGHT), Vector3(*[_MARK] * 3), Point(*position)
        )
    return MarkerArray(markers)


def cloud_message(places: Places, header: Header) -> PointCloud2:
    """The points of all objects that depth shows: x, y, z in metres, rgb (their overlay's colour), label (their id)."""
    parts = [np.zeros(0, _POINT)]
    for id_, box in places.boxes.items():
        part = np.zeros(len(box.points), _POINT)
        part["x"], part["y"], part["z"] = box.points.T
        red, green, blue = object_colour(id_).tolist()
        part["rgb"], part["label"] = red << 16 | green << 8 | blue, id_
        parts.append(part)
    points = np.concatenate(parts)
    fields = [  # rviz wants rgb to be called a float
        PointField(name, 4 * i, PointField.UINT32 if name == "label" else PointField.FLOAT32, 1)
        for i, name in enumerate(_FIELDS)
    ]
    size = _POINT.itemsize
    return PointCloud2(header, 1, len(points), fields, False, size, size * len(points), points.tobytes(), True)


def diagnostics_message(status: Status, doing: str, name: str, model: str, header: Header) -> DiagnosticArray:
    """How a node is; where it has no problems, `doing` says what it does. `model` names the weights."""
    level = DiagnosticStatus.WARN if status.problems else DiagnosticStatus.OK
    values = [KeyValue(key, value) for key, value in status.values.items()]
    return DiagnosticArray(header, [DiagnosticStatus(level, name, "; ".join(status.problems) or doing, model, values)])


def _object(segment: ObjectSegment, places: Places) -> SegmentedObject:
    x, y, width, height = segment.box
    message = SegmentedObject(
        id=segment.id,
        box=RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height),
        area=segment.area,
        centroid_x=segment.centroid[0],
        centroid_y=segment.centroid[1],
        confidence=segment.confidence,
        latent=segment.latent.tolist(),
        slots_merged=segment.slots_merged,
        pose=Pose(orientation=_UPRIGHT),
    )
    if segment.id in places.boxes:
        box = places.boxes[segment.id]
        message.place, message.pose = SegmentedObject.PLACE_BY_DEPTH, _pose(box.T_camera_box)
        message.size = Vector3(*box.size)
    elif segment.id in places.positions:
        message.place = SegmentedObject.PLACE_BY_VIEWS
        message.pose = Pose(Point(*places.positions[segment.id]), _UPRIGHT)
    return message


def _pose(T: np.ndarray) -> Pose:
    return Pose(Point(*T[:3, 3]), Quaternion(*Rotation.from_matrix(T[:3, :3]).as_quat()))


def _marked(id_: int, header: Header, kind: int, pose: Pose, size: Vector3, number_at: Point) -> list[Marker]:
    """A shape, and the object's number."""
    red, green, blue = (object_colour(id_) / 255).tolist()
    shape = Marker(
        header=header, ns="objects", id=id_, type=kind, pose=pose, scale=size, color=ColorRGBA(red, green, blue, 0.6)
    )
    text = Marker(
        header=header, ns="ids", id=id_, type=Marker.TEXT_VIEW_FACING, pose=Pose(number_at, _UPRIGHT),
        scale=Vector3(0, 0, _TEXT), color=ColorRGBA(1, 1, 1, 1), text=str(id_),
    )  # fmt: skip
    return [shape, text]
