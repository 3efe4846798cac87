"""Jobs that do nothing through Celery on RabbitMQ: how many a second once many wait, and how long one waits when few do.

    bench.py AMQP_URL JOBS JOBS_PER_S SECONDS FOLDER      prints one line of JSON

The worker is `celery worker` as people run it: prefork, a process a core, messages persistent and acknowledged late.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from celery import Celery

URL = os.environ.get("BENCH_AMQP_URL", "")
FOLDER = Path(os.environ.get("BENCH_FOLDER", "."))
OUTPUTS = {"n": {"op": "fleet.noop"}}

app = Celery("bench", broker=URL)
app.conf.update(task_acks_late=True, task_ignore_result=True, worker_send_task_events=False)


@app.task(name="noop")
def noop(sent_at: float, source: str, outputs: dict) -> None:
    """Does nothing; keeps how long it waited."""
    wait_ms = (time.time() - sent_at) * 1e3
    with (FOLDER / f"waits-{os.getpid()}").open("a") as waits:
        waits.write(f"{wait_ms}\n")


def waiting(channel) -> int:
    """Messages that no worker has asked for yet."""
    return channel.queue_declare("celery", passive=True).message_count


def submit() -> None:
    noop.apply_async((time.time(), "none", OUTPUTS))


def waits() -> list[float]:
    files = FOLDER.glob("waits-*")
    return sorted(float(line) for file in files for line in file.read_text().split())


def measure(jobs: int, rate: int, seconds: int) -> dict[str, float]:
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        begun = time.monotonic()
        for _ in range(jobs):
            submit()
        accepted = jobs / (time.monotonic() - begun)

        command = [sys.executable, "-m", "celery", "-A", "bench", "worker", "-c", str(os.cpu_count()), "-l", "ERROR"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        log = (FOLDER.parent / "celery.log").open("w")
        worker = subprocess.Popen(command, cwd=Path(__file__).parent, stdout=log, stderr=log)
        try:
            while waiting(channel) > jobs - 100:
                time.sleep(0.005)
            begun, first = time.monotonic(), waiting(channel)
            while waiting(channel) > 0:
                time.sleep(0.02)
            ran = first / (time.monotonic() - begun)
            while len(waits()) < jobs:
                time.sleep(0.1)
            for file in FOLDER.glob("waits-*"):
                file.write_text("")

            begun = time.monotonic()
            for n in range(rate * seconds):
                time.sleep(max(0.0, begun + n / rate - time.monotonic()))
                submit()
            while len(found := waits()) < rate * seconds:
                time.sleep(0.1)
        finally:
            worker.terminate()
            worker.wait()

    def at(share: float) -> float:
        return found[int(share * (len(found) - 1))]

    return {"accepted_per_s": accepted, "ran_per_s": ran, "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99)}


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:]))))
