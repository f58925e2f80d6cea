"""What may change in a clip while a model learns from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from actionzoo.errors import ConfigError


# No slots: jsonargparse reads the defaults of a nested dataclass from its __dict__.
@dataclass(frozen=True, kw_only=True)
class RandAugmentConfig:
    """RandAugment: some random operations, one after another, all equally strong.

    Cubuk et al., RandAugment: Practical automated data augmentation, 2020; the same operations
    for all frames of a clip, as PySlowFast and torchvision's video references apply it.
    """

    operations: int = 0
    """How many a clip; 0 is none."""
    magnitude: float = 9.0
    """How strong, from 0 to 10."""
    spread: float = 0.5
    """Standard deviation of the strength."""
    share: float = 0.5
    """How often each of the operations is really done."""

    def __post_init__(self) -> None:
        if self.operations < 0:
            raise ConfigError(f"operations is {self.operations}; it is at least 0")
        if not 0 <= self.magnitude <= 10:
            raise ConfigError(f"magnitude is {self.magnitude}; it is from 0 to 10")
        if self.spread < 0:
            raise ConfigError(f"spread is {self.spread}; it is at least 0")
        if not 0 <= self.share <= 1:
            raise ConfigError(f"share is {self.share}; it is from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How far clips are changed; the defaults draw the start and the place of the crop only.

    The window is drawn in one of three ways: ``area`` cuts a random share of the frame and scales
    it to the crop (Inception's random resized crop); ``short_side`` scales the frame to a random
    size and cuts the crop out (as PySlowFast and GluonCV do); else ``zoom`` and ``shift`` move
    the crop around in the frame.
    """

    speed: tuple[float, float] = (1.0, 1.0)
    """Least and most factor on the stride."""
    area: tuple[float, float] | None = None
    """Least and most share of the frame's area that is cut out; both at most 1."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Least and most width by height of what ``area`` cuts out."""
    short_side: tuple[int, int] | None = None
    """Least and most length of the frame's short side, px, before the crop is cut out."""
    zoom: tuple[float, float] = (1.0, 1.0)
    """Least and most factor on the size of what is seen; below 1 leaves a black rim."""
    shift: float = 0.0
    """Most displacement, as a share of height and width, beyond what lies outside the crop."""
    flip: bool = False
    """Mirror every second clip. Labels that mirror one another (``swipe left``, ``swipe right``)
    are swapped; clips of a label that has no counterpart are not mirrored."""
    brightness: float = 0.0
    """Most brightness added or taken, as a share of the full range."""
    contrast: float = 0.0
    """Most change of contrast: 0.3 scales it by 0.7 to 1.3."""
    saturation: float = 0.0
    """Most change of saturation: 0.3 scales it by 0.7 to 1.3."""
    hue: float = 0.0
    """Most turn of the hue, as a share of the full circle; at most 0.5."""
    grey: float = 0.0
    """How often a clip loses its colours, as a share of the clips."""
    noise: float = 0.0
    """Most standard deviation of the noise, as a share of the full range."""
    erase: float = 0.0
    """How often a random box is covered with noise, the same box in all frames, as a share of the
    clips (Zhong et al., Random Erasing Data Augmentation, 2020)."""
    randaugment: RandAugmentConfig = field(default_factory=RandAugmentConfig)

    def __post_init__(self) -> None:
        ranges = {"speed": self.speed, "zoom": self.zoom, "ratio": self.ratio}
        ranges |= {"area": self.area} if self.area else {}
        for name, (low, high) in ranges.items():
            if not 0 < low <= high:
                raise ConfigError(f"{name} is {low}..{high}; it is two factors above 0")
        if self.area and self.area[1] > 1:
            raise ConfigError(f"area is {self.area[0]}..{self.area[1]}; it is at most 1")
        if self.short_side and not 1 <= self.short_side[0] <= self.short_side[1]:
            low, high = self.short_side
            raise ConfigError(f"short_side is {low}..{high}; it is two lengths in pixels")
        if self.area and self.short_side:
            raise ConfigError("area and short_side are two ways to cut a window; give one of them")
        for name in ("shift", "brightness", "contrast", "saturation", "grey", "noise", "erase"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"{name} is {value}; it is a share, from 0 to 1")
        if not 0 <= self.hue <= 0.5:
            raise ConfigError(f"hue is {self.hue}; it is a share of the circle, from 0 to 0.5")


@dataclass(frozen=True, kw_only=True)
class MixConfig:
    """Two clips of a batch in one, with the labels of both in proportion.

    Where both are above 0, each batch is mixed in one of the two ways, by chance.
    """

    mixup: float = 0.0
    """Parameter of the Beta distribution that shares are drawn from; 0 never blends clips
    (Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018)."""
    cutmix: float = 0.0
    """The same for a box, all frames long, cut out of the other clip; 0 never does
    (Yun et al., CutMix, 2019)."""
    share: float = 1.0
    """How many of the batches are mixed."""

    def __post_init__(self) -> None:
        for name in ("mixup", "cutmix"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it is at least 0")
        if not 0 <= self.share <= 1:
            raise ConfigError(f"share is {self.share}; it is from 0 to 1")

    @property
    def is_on(self) -> bool:
        """Whether anything is mixed at all."""
        return self.share > 0 and (self.mixup > 0 or self.cutmix > 0)
