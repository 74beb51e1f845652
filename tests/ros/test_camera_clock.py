"""A camera of this computer whose clock is set back, as at a boot before the network is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from processes import wait_for

pytest.importorskip("lds_scenes.msg", reason="the ROS messages are not built: run the tests with ./run test")

import rospy
from sensor_msgs.msg import Image

NODE = """
import os, sys, time
true_time = time.time
time.time = lambda: true_time() - 3600 * os.path.exists({file!r})
from capture.camera_node import main
sys.exit(main())
"""


def test_pictures_go_on_where_the_clock_is_set_back(ros: None, tmp_path: Path) -> None:
    for number in range(40):
        cv2.imwrite(str(tmp_path / f"{number:04d}.png"), np.zeros((48, 64, 3), np.uint8))
    webcam, an_hour_ago = tmp_path / "webcam.yaml", tmp_path / "an_hour_ago"
    webcam.write_text(f"kind: webcam\ndevice: {tmp_path}/%04d.png\nfps: 20\nlatency: 0\n")
    images: list[Image] = []
    listener = rospy.Subscriber("/set_back/image_raw", Image, images.append)
    code = NODE.format(file=str(an_hour_ago))
    node = subprocess.Popen(
        [sys.executable, "-c", code, "__name:=set_back", f"_camera:={webcam}"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        before = wait_for("an image", lambda: images and images[0].header.stamp)
        an_hour_ago.touch()
        for _ in range(2):
            images.clear()
            wait_for("images of then", lambda: images and images[-1].header.stamp < before - rospy.Duration(1800))
    finally:
        listener.unregister()
        node.kill()
        node.wait()
