"""What names of files and folders tell: splits, folds, groups; and names that are safe to make."""

from __future__ import annotations

import re

SPLIT_OF_WORD = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Words for splits, in lower case, and the one that stands for each here."""

_SPLIT = re.compile(
    r"(?<![a-z])(train|val|valid|validate|validation|dev|test|training|testing)(?=list|[^a-z]|$)",
    re.IGNORECASE,
)
_FOLD = re.compile(r"split[_-]?(\d+)|list0?(\d+)", re.IGNORECASE)
_UCF_NAME = re.compile(r"(?:^|/)v_[A-Za-z0-9]+_(g\d{2,})_c\d{2,}(?:\.[A-Za-z0-9]+)?$")


def split_of(name: str) -> str | None:
    """Return the split that the name of a file tells, or None.

    >>> split_of("kinetics400_train_list_videos.txt"), split_of("ucf101_val_split_1_videos.txt")
    ('train', 'val')
    >>> split_of("testlist03.txt"), split_of("annotations.csv")
    ('test', None)
    """
    words = _SPLIT.findall(name.rpartition(".")[0] or name)
    return SPLIT_OF_WORD[words[-1].lower()] if words else None


def fold_of(name: str) -> int:
    """Return the way of splitting that the name of a file tells, or 1.

    >>> fold_of("hmdb51_train_split_2_videos.txt"), fold_of("trainlist03.txt"), fold_of("val.csv")
    (2, 3, 1)
    """
    found = _FOLD.search(name)
    return int(found[1] or found[2]) if found else 1


def group_of(name: str) -> str | None:
    """Return the group that UCF's file names tell, or None; the name may be a whole path.

    >>> group_of("v_HandStandPushups_g07_c02.avi"), group_of("walk.mp4")
    ('g07', None)
    """
    found = _UCF_NAME.search(name) if "v_" in name else None
    return found[1] if found else None


_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_EDGES = re.compile(r"^[\s.]+|[\s.]+$")


def safe_name(name: str) -> str:
    """Return a name that every file system takes, equal to the given one if that is safe already.

    A leading dot goes, too: hidden files are passed over when a folder is read.

    >>> safe_name("shooting goal (soccer)"), safe_name("push/pull"), safe_name("..")
    ('shooting goal (soccer)', 'push_pull', '_')
    """
    cleaned = _EDGES.sub("", _UNSAFE.sub("_", name))
    return cleaned or "_"
