"""Joins a Ray cluster and leaves it: prints as its last line, as JSON, why that was not possible, or null."""

from __future__ import annotations

import json
import os
import sys
import threading

from nastk.executors.ray_cluster import import_ray

ANSWER_SECONDS = 7.0  # what does not even speak gRPC by then is no Ray
JOIN_SECONDS = 60.0  # a cluster starts processes for who joins


def main() -> None:
    """Tries the address that is the only argument."""
    address = sys.argv[1]
    why = _silence(address)  # before Ray is imported, which takes seconds
    if why is None:
        why = _joins(address)
    print(json.dumps(why), flush=True)


def _joins(address: str) -> str | None:
    ray = import_ray()
    late = threading.Timer(JOIN_SECONDS, _give_up)
    late.daemon = True
    late.start()
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except Exception as error:
        return " ".join(str(error).split())[:300]
    finally:
        late.cancel()
        ray.shutdown()
    return None


def _silence(address: str) -> str | None:
    """Returns what is wrong where nothing at the address speaks Ray's protocol; "auto" is found another way."""
    import grpc

    if address == "auto":
        return None
    with grpc.insecure_channel(address.removeprefix("ray://")) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=ANSWER_SECONDS)
        except grpc.FutureTimeoutError:
            return f"no Ray answers there within {ANSWER_SECONDS:.0f} seconds"
    return None


def _give_up() -> None:
    print(json.dumps(f"cannot be joined within {JOIN_SECONDS:.0f} seconds"), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
