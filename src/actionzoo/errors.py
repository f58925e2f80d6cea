"""What can go wrong because of what a user gave, as one tree.

::

    ActionZooError
    ├── UnknownModel    (LookupError)   no model of that name
    ├── BadWeights      (ValueError)    a weights or model file that cannot be used
    ├── ConfigError     (ValueError)    an option or a configuration that cannot be used
    ├── BadDataset      (ValueError)    a dataset whose files cannot be read or understood
    ├── MissingExtra    (ImportError)   a part of the package that is not installed
    └── VideoError      (ValueError)    a video that cannot be used
        ├── CannotOpen  (OSError)       it cannot be opened, or holds no video
        ├── CannotDecode                it was opened, but its pictures cannot be read
        └── ClipTooShort                it has fewer frames than the model needs

Every message is one sentence: what was got, what is allowed, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ActionZooError(Exception):
    """The root: everything a user can cause and mend."""


class UnknownModel(ActionZooError, LookupError):
    """No model of that name."""


class BadWeights(ActionZooError, ValueError):
    """A weights or model file that cannot be used."""


class ConfigError(ActionZooError, ValueError):
    """An option or a configuration that cannot be used."""


class BadDataset(ActionZooError, ValueError):
    """A dataset whose files cannot be read or understood."""


class MissingExtra(ActionZooError, ImportError):
    """A part of the package that is not installed; the message is the pip line to type."""

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs more packages: pip install 'actionzoo[{extra}]'")


class VideoError(ActionZooError, ValueError):
    """A video that cannot be used."""


class CannotOpen(VideoError, OSError):
    """A source that cannot be opened, or that holds no video."""


class CannotDecode(VideoError):
    """A video that was opened but whose pictures cannot be read."""


class ClipTooShort(VideoError):
    """A video with fewer frames than the model needs, under the policy ``error``."""


MOST_NAMES = 12
"""As many names as a message lists."""


def nearest_names(name: str, known: Iterable[str]) -> str:
    """Say which known names are near a mistyped one, or which there are where none is near.

    >>> nearest_names("figure10", ["figures10", "x3d_s"])
    "did you mean 'figures10'?"
    >>> nearest_names("x3d_s", ["figures10", "x3d_s_kinetics400"])
    "did you mean 'x3d_s_kinetics400'?"
    >>> nearest_names("resnet", ["figures10", "x3d_s"])
    "known: 'figures10', 'x3d_s'"
    """
    known = list(known)
    beginning = [one for one in known if one.startswith(name)]
    near = beginning[:3] or difflib.get_close_matches(name, known, n=3)
    if near:
        return f"did you mean {', '.join(map(repr, near))}?"
    more = f" and {len(known) - MOST_NAMES} more" if len(known) > MOST_NAMES else ""
    return f"known: {', '.join(map(repr, known[:MOST_NAMES]))}{more}"
