"""What `datasets.check` looks at, one topic a file. Each check adds to the `Findings` of a whole dataset."""
