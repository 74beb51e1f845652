"""What the segmentation node answers when it is asked: one image's objects, or a fused scene from elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import rospy
from lds_scenes.srv import (
    QueryView,
    QueryViewRequest,
    QueryViewResponse,
    Segment,
    SegmentRequest,
    SegmentResponse,
)
from std_msgs.msg import Header
from std_srvs.srv import Trigger, TriggerRequest, TriggerResponse

from lds_ros.messages import depth_from_message, image_from_message, image_message, label_message
from lds_ros.poses import matrix_of_pose
from perception.messages import lens_of, scene_message
from perception.placing import Depth, Placer
from perception.scene_memory import SceneMemory
from perception.segmenter import Segmenter


class SegmentService:
    """~segment, with a single-view model: one image apart from the stream.

    Args:
        segmenting: held while the segmenter works.
    """

    def __init__(self, segmenter: Segmenter, segmenting: threading.Lock) -> None:
        self._segmenter, self._segmenting = segmenter, segmenting
        rospy.Service("~segment", Segment, self._answer)

    def _answer(self, request: SegmentRequest) -> SegmentResponse:
        try:
            image = image_from_message(request.image)
            with self._segmenting:
                segmentation = self._segmenter.segment(image)
            placer, stamp = Placer(), request.image.header.stamp.to_sec()
            placer.lens = lens_of(request.camera_info)
            if request.depth.data:
                depth = Depth(request.depth.header.frame_id, partial(depth_from_message, request.depth))
                placer.depth.put(stamp, depth)
            places = placer.place(segmentation, stamp, None, request.image.header.frame_id)
        except ValueError as error:
            return SegmentResponse(success=False, message=str(error))
        scene = scene_message(segmentation, request.image.header, self._segmenter.name, places)
        return SegmentResponse(
            True, places.depth_problem, scene, label_message(segmentation.labels, request.image.header)
        )


class SceneServices:
    """~query_view and ~reset_scene, with a multi-view model.

    Args:
        memory: the segmenter's.
        segmenting: held while the segmenter works, and while its objects are tracked.
        forgotten: called when the scene was reset, with `segmenting` held.
    """

    def __init__(
        self, segmenter: Segmenter, memory: SceneMemory, segmenting: threading.Lock, forgotten: Callable[[], None]
    ) -> None:
        self._segmenter, self._memory, self._segmenting, self._forgotten = segmenter, memory, segmenting, forgotten
        rospy.Service("~query_view", QueryView, self._show_view)
        rospy.Service("~reset_scene", Trigger, self._reset)

    def _show_view(self, request: QueryViewRequest) -> QueryViewResponse:
        header = Header(stamp=rospy.Time.now())
        try:
            with self._segmenting:
                labels, image = self._segmenter.view_from(matrix_of_pose(request.camera))
                views = self._memory.views
        except ValueError as error:
            return QueryViewResponse(success=False, message=str(error))
        return QueryViewResponse(True, "", views, label_message(labels, header), image_message(image, header))

    def _reset(self, _: TriggerRequest) -> TriggerResponse:
        with self._segmenting:
            self._memory.reset()
            self._forgotten()
        return TriggerResponse(True, "")
