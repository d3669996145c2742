"""Joins a Ray cluster and leaves it: prints as its last line, as JSON, why that was not possible, or null."""

from __future__ import annotations

import json
import sys

from nastk.executors.ray_cluster import import_ray


def main() -> None:
    """Tries the address that is the only argument."""
    ray = import_ray()
    why = None
    try:
        ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
    except Exception as error:
        why = " ".join(str(error).split())[:300]
    print(json.dumps(why), flush=True)
    ray.shutdown()


if __name__ == "__main__":
    main()
