"""`python -m nastk.training.agent FOLDER DEVICES`: starts the ranks of a training with torch's launcher, and waits.

A process of its own, so that the launcher's signal handlers are not the user's, and its output is not either.
"""

from __future__ import annotations

import json
import sys
import uuid

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

SHUTDOWN_SECONDS = 3


def main() -> None:
    """Prints a JSON line with each failed rank's exit code, where there is one, and exits with 1 then."""
    folder, devices = sys.argv[1:]
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=int(devices),
        run_id=str(uuid.uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,  # a rank that ended would end again: it computes the same
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "nastk.training.rank", folder)
    except ChildFailedError as error:
        print(json.dumps({"exit": {rank: failure.exitcode for rank, failure in error.failures.items()}}), flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
