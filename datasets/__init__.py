"""Multi-view scene datasets: one in-memory form (`Scene`), loaders, synthesis and packing. No ROS, no torch."""

# `datasets` is also the import name of a Hugging Face package; `lds` looks for this mark to know that it got ours.
IS_LDS_SCENES = True
