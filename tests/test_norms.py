"""Statistics of batch norms against plain sums, and of two processes against those of one."""

from __future__ import annotations

import copy
from datetime import timedelta
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from actionzoo.training.norms import measure_batch_norms, synchronise_batch_norms


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(3, 4, 3, padding=1, bias=False),
        nn.BatchNorm3d(4, momentum=0.3),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Conv3d(4, 5, 1),
        nn.BatchNorm3d(5),
    )


def clips(batch: int) -> Tensor:
    return 3 * torch.randn(batch, 3, 2, 4, 4, generator=torch.Generator().manual_seed(1)) + 5


def test_measured_statistics_are_those_of_all_values() -> None:
    model = network().train()
    batches = clips(7).split(3)  # of 3, 3 and 1
    measure_batch_norms(model, batches)
    values = torch.cat([model[0](one) for one in batches]).detach()
    torch.testing.assert_close(model[1].running_mean, values.mean((0, 2, 3, 4)))
    torch.testing.assert_close(model[1].running_var, values.var((0, 2, 3, 4), correction=0))


def test_later_norms_see_batches_normed_by_themselves_and_nothing_dropped() -> None:
    model = network().train()
    measure_batch_norms(model, clips(6).split(3))
    inner = copy.deepcopy(model[:5])
    inner[1].train()
    inner[3].eval()
    values = torch.cat([inner(one) for one in clips(6).split(3)]).detach()
    torch.testing.assert_close(model[5].running_mean, values.mean((0, 2, 3, 4)))
    torch.testing.assert_close(model[5].running_var, values.var((0, 2, 3, 4), correction=0))


def test_measuring_changes_nothing_else() -> None:
    model = network().train()
    model[3].eval()
    model[5].requires_grad_(False)
    frozen = copy.deepcopy(model[5].state_dict())
    measure_batch_norms(model, [clips(2)])
    torch.testing.assert_close(model[5].state_dict(), frozen)
    assert [one.training for one in model] == [True, True, True, False, True, True]
    assert model[1].momentum == 0.3
    assert not model[1]._forward_hooks
    before = copy.deepcopy(model.state_dict())
    measure_batch_norms(model, [])
    torch.testing.assert_close(model.state_dict(), before)


def without_dropout() -> nn.Sequential:
    model = network()
    model[3] = nn.Identity()
    return model.train()


def after_a_step(model: nn.Module, part: Tensor) -> dict[str, dict[str, Tensor]]:
    """Return all that a step over some of five clips leaves behind."""
    given = part.clone().requires_grad_()
    output = model(given)
    (output.sin().sum() / 5).backward()
    assert given.grad is not None
    return {
        "clips": {"output": output.detach(), "gradient": given.grad},
        "gradients": {
            name: one.grad for name, one in model.named_parameters() if one.grad is not None
        },
        "buffers": {name: one.clone() for name, one in model.named_buffers()},
    }


def one_of_two(rank: int, folder: Path) -> None:
    meet = f"file://{folder}/meet"
    limit = timedelta(minutes=2)
    dist.init_process_group("gloo", init_method=meet, rank=rank, world_size=2, timeout=limit)
    model = without_dropout()
    expected = {name: one.clone() for name, one in model.state_dict().items()}
    synchronise_batch_norms(model, on_gpu=False)
    torch.testing.assert_close(dict(model.state_dict()), expected)
    part = clips(5).split([3, 2])[rank]
    left = after_a_step(model, part)
    evaluated = model.eval()(part)
    measure_batch_norms(model, [part])
    torch.save((left, evaluated.detach(), model.state_dict()), folder / f"{rank}.pt")
    dist.barrier()  # who goes while the other still hears of it may take it along
    dist.destroy_process_group()


def the_other(_: int, folder: Path) -> None:
    one_of_two(1, folder)


def test_two_processes_do_what_one_does_with_all_clips(tmp_path: Path) -> None:
    child = mp.spawn(the_other, (tmp_path,), nprocs=1, join=False)
    one_of_two(0, tmp_path)
    child.join()
    (first, evaluated1, measured), (second, evaluated2, same) = (
        torch.load(tmp_path / f"{rank}.pt") for rank in range(2)
    )
    model = without_dropout()
    whole = after_a_step(model, clips(5))
    for name, value in whole["clips"].items():
        close(torch.cat([first["clips"][name], second["clips"][name]]), value)
    for name, value in whole["gradients"].items():
        close(first["gradients"][name] + second["gradients"][name], value)
    for name, value in whole["buffers"].items():
        close(first["buffers"][name], value)
        close(second["buffers"][name], value)
    close(torch.cat([evaluated1, evaluated2]), model.eval()(clips(5)))
    measure_batch_norms(model, [clips(5)])
    close(measured, model.state_dict())
    close(same, measured)


close = partial(torch.testing.assert_close, rtol=1e-5, atol=1e-5)


def test_one_process_is_in_no_need_of_others() -> None:
    model, alone = without_dropout(), without_dropout()
    synchronise_batch_norms(model, on_gpu=False)
    torch.testing.assert_close(model(clips(3)), alone(clips(3)))
    torch.testing.assert_close(model.state_dict(), alone.state_dict())
