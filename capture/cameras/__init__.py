"""Where images come from: a webcam, a RealSense, or any ROS image topic, behind the one interface of `camera.py`."""
