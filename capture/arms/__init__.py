"""What moves the camera: any ROS arm, or an operator's hand, behind the one interface of `arm.py`."""
