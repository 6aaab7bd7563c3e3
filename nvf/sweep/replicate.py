"""Training settings again, over seeds, on Ray: what a confirmation is made of. Nothing is searched here.

A replicate is one order, carried out by the same worker as a trial, from its start to its end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from nvf.sweep import ray_session, signals
from nvf.sweep.orders import Order, Report
from nvf.sweep.worker import Worker

log = logging.getLogger(__name__)

LOSSES = 3
"""How often a replicate is begun anew because its worker died."""
LOOK = 0.5
"""Seconds after which a signal is heard at the latest."""

Done = Callable[[int, list[Report]], None]


def carry_out(orders: Sequence[Order], done: Done, *, address: str | None = None) -> bool:
    """Run every order to its end, as many at a time as Ray has room for; returns whether all were.

    Parameters
    ----------
    orders
        What to train; all ask for the same resources.
    done
        Called in this thread with an order's place and its reports, from epoch 0 to the last, as soon as it has ended.
        The last report has an error where training failed.
    address
        A running cluster, or None.

    Raises
    ------
    SweepError
        Where Ray does not start, the cluster does not answer, or no node has room for one training.
    """
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True

    cluster = ray_session.cluster(address)
    log.info(f"ray: joining {cluster}" if cluster else "ray: starting")
    # The signals a second time within the session: Ray puts handlers of its own in their place.
    first = orders[0]
    ray_session.look(cluster, first.cpu, first.gpu)
    with signals.calling(stop), ray_session.session(cluster) as nodes, signals.calling(stop):
        import ray

        ray_session.slots(first.cpu, first.gpu, nodes)  # Ray itself would wait for ever
        remote: Any = ray.remote(num_cpus=first.cpu, num_gpus=first.gpu, max_retries=LOSSES)(_train)
        waiting = {remote.remote(order): place for place, order in enumerate(orders)}
        while waiting and not stopped:
            ready, _ = ray.wait([*waiting], timeout=LOOK)
            for task in ready:
                place = waiting.pop(task)
                done(place, _reports(task, orders[place]))
        for task in waiting:
            ray.cancel(task, force=True)
    return not stopped


def _train(order: Order) -> list[Report]:
    """Run a worker to its end, on whatever process Ray chose."""
    worker = Worker(order)
    reports = [worker.step()]
    while reports[-1].error is None and not reports[-1].final:
        reports.append(worker.step())
    return reports


def _reports(task: Any, order: Order) -> list[Report]:
    import ray

    try:
        reports: list[Report] = ray.get(task)
        return reports
    except ray.exceptions.RayError as error:
        reason = f"the worker process died, and {LOSSES} more after it: {type(error).__name__}"
        return [Report(trial=order.trial, error=reason)]
