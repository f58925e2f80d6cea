"""Random changes that leave the action what it is; for training only.

All chance comes from the generator that is passed in: the same seed gives the same clip, however
many threads there are.
"""

from actionzoo.augment.config import AugmentConfig as AugmentConfig
from actionzoo.augment.config import MixConfig as MixConfig
from actionzoo.augment.config import RandAugmentConfig as RandAugmentConfig
from actionzoo.augment.mixing import mix as mix
from actionzoo.augment.pipeline import Augmented as Augmented
from actionzoo.augment.pipeline import augment as augment
from actionzoo.augment.ticks import random_ticks as random_ticks
from actionzoo.augment.window import drawn_resize as drawn_resize
