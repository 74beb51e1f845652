"""Perception on the robot: a camera's frames become de-duplicated objects. ROS is met only in *_node.py and messages.py."""
