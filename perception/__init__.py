"""Perception on the robot: frames become de-duplicated objects. ROS is met only in *_node.py and messages.py."""
