"""Perception on the robot: frames become de-duplicated objects. ROS is met in *_node.py, messages.py, services.py."""
