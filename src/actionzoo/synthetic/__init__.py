"""Draws human figures that perform actions: labelled video for tests, tutorials and training.

A clip is made in four hops, each a pure function of its random generator::

    seconds, Body --Action.move--> Motion --skeleton--> limbs in metres
        --Camera.project--> limbs in pixels --draw_silhouette, draw_colour--> (T, H, W, 3)

The legs are placed by where the feet meet the ground: a foot in stance does not move, the pelvis
travels over it and falls freely while both feet are in the air, and the knee follows by inverse
kinematics. Segment lengths are those of Winter, *Biomechanics and Motor Control of Human Movement*
(figure 4.1), gaits those of Novacheck, *The biomechanics of running*, Gait & Posture 7 (1998).
"""

from actionzoo.synthetic.actions import ACTIONS, Action
from actionzoo.synthetic.dataset import STYLES, make_dataset
from actionzoo.synthetic.scene import Style, draw_clip

__all__ = ["ACTIONS", "STYLES", "Action", "Style", "draw_clip", "make_dataset"]
