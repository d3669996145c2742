"""Joins a Ray cluster and leaves it: prints as its last line, as JSON, why that was not possible, or null."""

from __future__ import annotations

import json
import os
import sys
import threading

from nastk.executors.ray_cluster import import_ray

ANSWER_SECONDS = 8.0


def main() -> None:
    """Tries the address that is the only argument."""
    ray = import_ray()
    why = None
    silence = threading.Timer(ANSWER_SECONDS, _give_up)
    silence.daemon = True
    silence.start()
    try:
        ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
    except Exception as error:
        why = " ".join(str(error).split())[:300]
    silence.cancel()
    print(json.dumps(why), flush=True)
    ray.shutdown()


def _give_up() -> None:
    print(json.dumps(f"no Ray answers there within {ANSWER_SECONDS:.0f} seconds"), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
