"""`python -m nastk.training.rank FOLDER`: one of the processes that train a network; torch's launcher starts it.

What it trains it reads from the folder's job.json, so every rank trains the same. It tells whoever started it in lines
of JSON on its standard output: {"epoch", "epochs", "loss"} after each epoch, {"error"} with what it ended for, and
{"reason"} beside it where that is a TrainingFailed, {"rank", "failed"} with the traceback of a bug, {"rank", "lost"}
where it only lost another process, {"rank", "weights"} with a hash of the weights that it holds at the end.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from nastk.errors import UserError
from nastk.training.device import choose_device
from nastk.training.failure import TrainingFailed
from nastk.training.job import read_job
from nastk.training.launcher import PARENT, TAIL
from nastk.training.share import Share
from nastk.training.transfer import train_share

CONNECTION = ("gloo/", "Connection closed by peer", "Connection reset by peer", "NCCL")  # of messages of torch's


def main() -> None:
    """Trains; exits with 2 where the training cannot give a result."""
    if os.environ.get(PARENT):
        threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        rank(Path(sys.argv[1]))
    except UserError as error:
        _say(error=str(error), **({"reason": error.reason} if isinstance(error, TrainingFailed) else {}))
        os._exit(2)  # at once: an orderly end would wait for the other ranks
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        what = {"lost": str(error)[-TAIL:]} if lost_another(error) else {"failed": traceback.format_exc()[-TAIL:]}
        _say(rank=int(os.environ["RANK"]), **what)
        os._exit(1)


def rank(folder: Path) -> None:
    """Takes part in the training of `folder`, in the process group that the launcher's environment describes."""
    job = read_job(folder)
    device = choose_device(job.settings.device)
    if device.type == "cuda" and job.run.devices > 1:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    share = Share.of_group()
    if share.ranks != job.run.devices:
        raise UserError(f"{folder}: {share.ranks} processes, expected devices={job.run.devices} as in its job.json")

    def progress(epoch: int, epochs: int, loss: float) -> None:
        if share.first:
            _say(epoch=epoch, epochs=epochs, loss=loss)

    network = train_share(job, folder, share, device, progress)
    _say(rank=share.rank, weights=weights_hash(network))
    dist.destroy_process_group()


def lost_another(error: BaseException) -> bool:
    """Says whether a process failed because another one that it trains with has gone."""
    connection = isinstance(error, (dist.DistError, ConnectionError)) or any(word in str(error) for word in CONNECTION)
    return connection or (error.__cause__ is not None and lost_another(error.__cause__))


def weights_hash(network: torch.nn.Module) -> str:
    """Returns the SHA-256 of all weights and statistics of a network."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _say(**facts: Any) -> None:
    os.write(1, f"{json.dumps(facts)}\n".encode())  # in one piece: several ranks write to one pipe


def _end_with_parent() -> None:
    """Waits until the process that started the training is gone, however it ended, and ends this one."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
