"""Datasets of labelled videos: a file a format, one model of them all.

::

    path --recognise, read--> VideoDataset --split, check--> VideoDataset --place, annotate--> path

A format (``Format``) is a value: what it needs to be recognised, how it is read, where its videos
lie, how its annotation is written, and what it can say at all. Placing, linking and encoding of
videos is the same for all of them (``convert``).
"""

from actionzoo.datasets.dataset import Problem, Sample, VideoDataset
from actionzoo.datasets.format import Format
from actionzoo.datasets.opening import FORMATS, open_dataset
from actionzoo.datasets.rows import Given

__all__ = ["FORMATS", "Format", "Given", "Problem", "Sample", "VideoDataset", "open_dataset"]
