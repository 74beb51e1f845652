"""The whole rig: a simulated arm and camera, and perception that tells where the cubes stand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from processes import launched, wait_for

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

import rospy
from geometry_msgs.msg import Point, Pose, Quaternion
from lds_scenes.msg import SceneObjects, SegmentedObject, SegmentedScene
from lds_scenes.srv import QueryView
from std_srvs.srv import Trigger

from capture.arms.follow_joint_trajectory import FollowJointTrajectoryArm
from capture.arms.robot_urdf import robot_urdf
from capture.motion.planning import Planner
from capture.motion.robot_profile import load_robot_profile
from capture.motion.view_planning import plan_views
from capture.motion.viewpoints import load_viewpoints
from capture.recording.approach import DrivenApproach
from capture.simulation.truth import T_TOOL_CAMERA
from lds_models.mulmon import MulMON, MulMONConfig
from lds_models.weights import save_weights
from lds_ros.poses import TfPoses


class Listener:
    def __init__(self, topic: str) -> None:
        self.newest: SegmentedScene | None = None
        self._subscriber = rospy.Subscriber(topic, SegmentedScene, self._keep)

    def _keep(self, message: SegmentedScene) -> None:
        self.newest = message

    def close(self) -> None:
        self._subscriber.unregister()


@pytest.fixture(scope="module")
def rig(ros: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with launched(tmp_path_factory.mktemp("robot") / "log", "robot.launch", "simulated:=true"):
        yield


@pytest.fixture(scope="module")
def truth(rig: None) -> np.ndarray:
    """Where the cubes are, [N,3] in the world."""
    message = rospy.wait_for_message("/simulation/objects", SceneObjects, 60)
    return np.array([[o.pose.position.x, o.pose.position.y, o.pose.position.z] for o in message.objects])


@pytest.fixture(scope="module")
def poses(rig: None) -> TfPoses:
    return TfPoses("world")


def in_world(scene: SegmentedScene, place: int, poses: TfPoses) -> np.ndarray:
    """Centres [N,3] of the objects that are placed in this way; none where the camera's pose is not known yet."""
    try:
        T = poses.at(scene.header.frame_id, scene.header.stamp.to_sec(), 0.5)
    except ValueError:
        return np.zeros((0, 3))
    found = [each.pose.position for each in scene.objects if each.place == place]
    return np.array([T[:3, :3] @ [p.x, p.y, p.z] + T[:3, 3] for p in found]).reshape(-1, 3)


def nearest(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How far each true centre is from the nearest that was found, metres."""
    return np.linalg.norm(truth[:, None] - found, axis=-1).min(1)


def visit_views(count: int, seed: int) -> None:
    """Move the arm's camera to views around the table."""
    profile = load_robot_profile("simulated")
    planner = Planner(profile, robot_urdf(profile))
    with FollowJointTrajectoryArm(profile, planner.joint_names) as arm:
        plan = plan_views(load_viewpoints("ring"), count, planner, T_TOOL_CAMERA, arm.joints().positions, seed=seed)
        approach = DrivenApproach(arm, planner, [view.joints for view in plan.views])  # tries twice, as recording does
        for view in range(count):
            approach.approach(view, lambda *_, **__: None, lambda: False)


def test_depth_places_the_cubes_in_the_world(truth: np.ndarray, poses: TfPoses) -> None:
    listener = Listener("/segmentation/objects")

    def all_are_placed() -> bool:
        scene = listener.newest
        if scene is None:
            return False
        found = in_world(scene, SegmentedObject.PLACE_BY_DEPTH, poses)
        return len(found) >= len(truth) and bool((nearest(found, truth) < 0.01).all())

    wait_for("the cubes' places", all_are_placed)
    for each in listener.newest.objects:
        assert 0.03 < each.size.x < 0.09 and 0.03 < each.size.z < 0.08
    listener.close()


def test_views_place_the_cubes_where_there_is_no_depth(truth: np.ndarray, poses: TfPoses, start_node) -> None:
    start_node(
        "segmentation_node.py", "without_depth", world="world", threads=1,
        **{"~image": "/camera/image_raw", "~camera_info": "/camera/camera_info"},
    )  # fmt: skip
    listener = Listener("/without_depth/objects")
    wait_for("segmentations", lambda: listener.newest)
    visit_views(5, seed=1)

    def are_placed() -> bool:
        found = in_world(listener.newest, SegmentedObject.PLACE_BY_VIEWS, poses)
        return bool(len(found) and np.median(nearest(found, truth)) < 0.015)

    wait_for("the cubes' places", are_placed)
    assert not len(in_world(listener.newest, SegmentedObject.PLACE_BY_DEPTH, poses))
    listener.close()


def test_a_multi_view_model_fuses_views_as_the_arm_moves_and_shows_others(
    rig: None, start_node, tmp_path: Path
) -> None:
    """Untrained: what it sees means nothing, but it must come."""
    torch.manual_seed(0)
    config = MulMONConfig(image_size=16, num_slots=3, iterations=2, decoder_channels=4, hidden=8, viewpoint_kind="pose")
    save_weights(tmp_path / "views.safetensors", MulMON(config), {"name": "views"})
    start_node(
        "segmentation_node.py", "views", world="world", weights=tmp_path / "views.safetensors",
        cosine=1.0, min_area=0.0, min_confidence=0.0,
        **{"~image": "/camera/image_raw", "~camera_info": "/camera/camera_info"},
    )  # fmt: skip
    query = rospy.ServiceProxy("/views/query_view", QueryView)
    query.wait_for_service(180)  # the model is compiled first
    somewhere = Pose(Point(0.3, 0.0, 0.4), Quaternion(1, 0, 0, 0))
    refused = query(somewhere)
    assert not refused.success and "nothing has been seen" in refused.message
    listener = Listener("/views/objects")
    wait_for("segmentations", lambda: listener.newest)
    visit_views(2, seed=2)
    shown = query(somewhere)
    assert shown.success and shown.views >= 2
    assert (shown.image.height, shown.image.encoding, shown.label.encoding) == (16, "rgb8", "32SC1")
    known = {each.id for each in listener.newest.objects}
    assert known and rospy.ServiceProxy("/views/reset_scene", Trigger)().success
    forgotten = rospy.Time.now()

    def objects_since() -> list[SegmentedObject]:
        scene = listener.newest
        return scene.objects if scene.header.stamp > forgotten else []

    # or the places of objects that were forgotten would be told of others
    assert min(each.id for each in wait_for("objects", objects_since)) > max(known)
    listener.close()
