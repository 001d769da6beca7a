"""The bound on what is taken on at once."""

import asyncio
import gc
import weakref
from contextlib import suppress
from threading import Barrier, Event, get_ident

import pytest

from predictor.protocol import ProtocolError
from predictor.workers import Workers


def test_what_finds_no_place_is_turned_away_at_once_and_places_come_back():
    workers = Workers(threads=1, queue=2)
    go_on = Event()

    async def fill() -> list[int]:
        taken = [
            asyncio.ensure_future(workers.run(lambda n=n: go_on.wait(5) and n)) for n in range(3)
        ]
        await asyncio.sleep(0)
        with pytest.raises(ProtocolError, match="try again") as refused:
            await workers.run(lambda: 3)
        assert refused.value.status == 429
        go_on.set()
        return [*await asyncio.gather(*taken), await workers.run(lambda: 4)]

    assert asyncio.run(fill()) == [0, 1, 2, 4]
    workers.close()


def test_slow_jobs_may_wait_in_smaller_numbers_than_quick_ones():
    now = 0.0
    workers = Workers(threads=1, queue=64, max_wait_seconds=1.0, clock=lambda: now)
    go_on = Event()

    def lasting(seconds: float) -> None:
        nonlocal now
        now += seconds

    async def fill(taken: list[asyncio.Future[object]]) -> None:
        while len(taken) < 100:
            task = asyncio.ensure_future(workers.run(lambda: None))
            await asyncio.sleep(0)
            if task.done():
                task.result()
            taken.append(task)

    async def admitted() -> tuple[int, int]:
        go_on.clear()
        taken = [asyncio.ensure_future(workers.run(lambda: go_on.wait(5)))]
        await asyncio.sleep(0)
        with pytest.raises(ProtocolError) as refused:
            await fill(taken)
        go_on.set()
        await asyncio.gather(*taken)
        return len(taken) - 1, refused.value.status

    async def after(seconds: float) -> tuple[int, int]:
        for _ in range(100):
            await workers.run(lambda: lasting(seconds))
        return await admitted()

    assert asyncio.run(after(0.001)) == (64, 429)
    assert asyncio.run(after(0.3)) == (3, 503)
    workers.close()


def test_a_place_is_held_until_the_job_ends_even_when_nobody_waits_for_it():
    workers = Workers(threads=1, queue=0)
    started, go_on = Event(), Event()

    def job() -> None:
        started.set()
        go_on.wait(5)

    async def abandon() -> str:
        waiting = asyncio.ensure_future(workers.run(job))
        await asyncio.to_thread(started.wait, 5)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(ProtocolError):
            await workers.run(job)
        go_on.set()
        async with asyncio.timeout(5):
            while True:
                with suppress(ProtocolError):
                    return await workers.run(lambda: "free")
                await asyncio.sleep(0)

    assert asyncio.run(abandon()) == "free"
    workers.close()


def test_what_a_job_raises_reaches_the_caller_and_frees_its_place():
    workers = Workers(threads=1, queue=0)

    def fail() -> None:
        raise ValueError("as told")

    async def twice() -> None:
        for _ in range(2):
            with pytest.raises(ValueError, match="as told"):
                await workers.run(fail)

    asyncio.run(twice())
    workers.close()


def test_what_has_waited_too_long_is_turned_away_and_never_done():
    workers = Workers(threads=1, queue=1, max_wait_seconds=0.05)
    go_on, done = Event(), []

    async def wait_in_vain() -> int:
        holds_up = asyncio.ensure_future(workers.run(lambda: go_on.wait(5)))
        await asyncio.sleep(0)
        with pytest.raises(ProtocolError, match=r"over 0\.05 s") as refused:
            await workers.run(lambda: done.append("late"))
        # Its place is free again.
        following = asyncio.ensure_future(workers.run(lambda: done.append("next")))
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(holds_up, following)
        return refused.value.status

    assert asyncio.run(wait_in_vain()) == 503
    assert done == ["next"]
    workers.close()


def test_a_job_that_nobody_waits_for_any_more_is_dropped_with_all_that_it_holds():
    workers = Workers(threads=1, queue=1)
    go_on, done = Event(), []

    class Pictures:
        pass

    async def leave() -> None:
        holds_up = asyncio.ensure_future(workers.run(lambda: go_on.wait(60)))
        await asyncio.sleep(0)
        for _ in range(3):
            pictures = Pictures()
            gone = weakref.ref(pictures)
            waiting = asyncio.ensure_future(workers.run(lambda held=pictures: done.append(held)))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            del pictures, waiting
            await asyncio.sleep(0)
            gc.collect()
            assert gone() is None
        go_on.set()
        await holds_up

    asyncio.run(leave())
    workers.close()
    assert done == []


def test_a_job_that_fails_is_gone_with_all_that_it_holds_when_its_caller_has_heard_of_it():
    workers = Workers(threads=1, queue=0)

    class Pictures:
        pass

    async def fail() -> weakref.ref[Pictures]:
        pictures = Pictures()

        def job(held: Pictures = pictures) -> None:
            raise ValueError(str(held))

        with suppress(ValueError):
            await workers.run(job)
        return weakref.ref(pictures)

    gc.disable()
    try:
        gone = asyncio.run(fail())
        # Its thread has ended as well.
        workers.close()
        assert gone() is None
    finally:
        gc.enable()


def test_one_job_after_another_is_done_by_one_thread_whose_core_is_warm():
    workers = Workers(threads=3, queue=3)

    async def one_by_one() -> set[int]:
        threads = set()
        for _ in range(50):
            async with asyncio.timeout(5):
                while workers.resting < workers.threads:
                    await asyncio.sleep(0)
            threads.add(await workers.run(get_ident))
        return threads

    assert len(asyncio.run(one_by_one())) == 1
    workers.close()


def test_jobs_at_once_have_threads_of_their_own():
    workers = Workers(threads=3, queue=0)
    together = Barrier(3)

    async def meet() -> list[int]:
        return await asyncio.gather(*(workers.run(lambda: together.wait(5)) for _ in range(3)))

    for _ in range(20):
        assert sorted(asyncio.run(meet())) == [0, 1, 2]
    workers.close()


def test_after_the_end_nothing_is_taken_on():
    workers = Workers(threads=1, queue=1)
    workers.close()

    with pytest.raises(ProtocolError, match="stopping") as refused:
        asyncio.run(workers.run(lambda: None))

    assert refused.value.status == 503
