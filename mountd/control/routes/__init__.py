"""The control API's routes, one file a topic. Each states who may use it; the work is the workspace's."""
