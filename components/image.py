"""The image that the steps run in: Python with weathervane and its training and tracking extras.

Compiled into each component, because a component's source travels without this module.
"""

IMAGE = "weathervane-pipeline:0.1.0"
