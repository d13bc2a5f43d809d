"""What the PyTorch sides of the benches share: the loop over requests, a JSON line each (worker.mjs is the other end), and the clock."""

import json
import os
import resource
import statistics
import sys
import time

import torch

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


def median_ms(run, ms, count=3):
    """Median over calls for at least `ms` milliseconds, and at least `count` of them."""
    times = []
    start = time.perf_counter()
    while len(times) < count or (time.perf_counter() - start) * 1e3 < ms:
        t = time.perf_counter()
        run()
        times.append((time.perf_counter() - t) * 1e3)
    return statistics.median(times)


def peak_rss_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def serve(answer):
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
        print(json.dumps(reply), flush=True)
