"""The networks, one file a family. To add a family: write its file, and name it here."""

from __future__ import annotations

from actionzoo.models import (
    c3d,
    csn,
    figures,
    i3d_inception,
    i3d_resnet,
    movinet,
    mvit,
    p3d,
    r2plus1d,
    r3d,
    s3d,
    slowfast,
    slowonly,
    swin3d,
    tpn,
    tsn,
    vtn,
    x3d,
)

FAMILIES = (
    figures,
    tsn,
    c3d,
    p3d,
    r2plus1d,
    i3d_inception,
    i3d_resnet,
    slowfast,
    slowonly,
    tpn,
    csn,
    vtn,
    x3d,
    movinet,
    r3d,
    s3d,
    mvit,
    swin3d,
)
