"""Between plain Python and ROS messages: what capture and perception share of their edge to ROS."""
