"""The main job on one machine, told in acts: `weathervane demo`."""
