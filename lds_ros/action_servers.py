"""What actionlib's servers lack."""

from __future__ import annotations

import actionlib
import rospy


def keep_telling(server: actionlib.ActionServer) -> None:
    """Let a server that was started tell its status again where ROS time is set back: actionlib's own timer ends then.

    To its clients, a server that no longer tells its status is gone.
    """
    server.status_timer.shutdown()
    period = rospy.Duration.from_sec(1 / server.status_frequency)
    server.status_timer = rospy.Timer(period, server.publish_status_async, reset=True)
