"""The one door to compiled code: one launch at a time, whichever thread asks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import torch
from threadpoolctl import threadpool_info

from polyfield.fields import HashGrid
from polyfield.kernels import launch
from polyfield.kernels.spherical_harmonics import spherical_harmonics


def test_a_thread_waits_while_another_launches() -> None:
    entered = threading.Event()

    def other() -> None:
        with launch():
            entered.set()

    thread = threading.Thread(target=other)
    with launch():
        thread.start()
        assert not entered.wait(0.2)
        with launch():  # the holder may enter again
            pass
    assert entered.wait(10)
    thread.join()


def test_the_door_opens_again_after_an_error() -> None:
    try:
        with launch():
            raise KeyError
    except KeyError:
        pass
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: bool(launch().__enter__() is None)).result(10)


def test_blas_has_one_thread_within_a_launch_and_its_own_number_after() -> None:
    def scipys() -> list[int]:
        return [i["num_threads"] for i in threadpool_info() if i["internal_api"] == "openblas"]

    before = scipys()
    with launch():
        assert all(n == 1 for n in scipys())
    assert scipys() == before


def test_many_threads_get_the_results_of_one() -> None:
    grid = HashGrid(4, 4, 6, 3, 20).double()
    points = torch.rand(8, 500, 3, generator=torch.Generator().manual_seed(0)).double()
    right = [grid(x).detach() for x in points]
    harmonics = [spherical_harmonics(x, 2) for x in points]

    def work(i: int) -> bool:
        x = points[i]
        with torch.no_grad():
            return all(
                torch.equal(grid(x), right[i]) and torch.equal(spherical_harmonics(x, 2), h)
                for h in [harmonics[i]] * 20
            )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))
