"""A node that listens to label images, and prints of each how many seconds after its stamp it came."""

from __future__ import annotations

import rospy
from sensor_msgs.msg import Image


def tell(message: Image) -> None:
    print(rospy.get_time() - message.header.stamp.to_sec(), flush=True)


if __name__ == "__main__":
    rospy.init_node("listener", anonymous=True)
    rospy.Subscriber("/segmentation/label", Image, tell, queue_size=10, buff_size=2**24)
    rospy.spin()
