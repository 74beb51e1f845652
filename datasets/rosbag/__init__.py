"""ROS 1 bags into recorded datasets, without ROS: the library rosbags reads them."""
