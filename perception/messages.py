"""What was segmented, as ROS messages. Images are converted by `lds_ros.messages`."""

from __future__ import annotations

from lds_scenes.msg import SegmentedObject, SegmentedScene
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from perception.segmenter import Segmentation


def scene_message(segmentation: Segmentation, header: Header, model: str) -> SegmentedScene:
    """A SegmentedScene of the objects of one image; `model` names the weights."""
    height, width = segmentation.labels.shape
    objects = [
        SegmentedObject(
            id=segment.id,
            box=RegionOfInterest(
                x_offset=segment.box[0], y_offset=segment.box[1], width=segment.box[2], height=segment.box[3]
            ),
            area=segment.area,
            centroid_x=segment.centroid[0],
            centroid_y=segment.centroid[1],
            confidence=segment.confidence,
            latent=segment.latent.tolist(),
            slots_merged=segment.slots_merged,
        )
        for segment in segmentation.objects
    ]
    return SegmentedScene(header, model, width, height, objects, segmentation.duplicates_merged)
