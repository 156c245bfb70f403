"""A request under suspicion runs alone; all others wait for it."""

from __future__ import annotations

import asyncio
import random

from models.engine.quarantine import Quarantine


def test_suspects_run_alone_and_nobody_is_forgotten() -> None:
    async def run() -> int:
        quarantine = Quarantine()
        chance = random.Random(3)
        together, alone, done = 0, 0, 0

        async def harmless() -> None:
            nonlocal together, done
            await asyncio.sleep(chance.random() / 50)
            async with quarantine.together():
                together += 1
                assert alone == 0
                await asyncio.sleep(chance.random() / 100)
                assert alone == 0
                together -= 1
            done += 1

        async def suspect() -> None:
            nonlocal alone, done
            await asyncio.sleep(chance.random() / 50)
            async with quarantine.alone():
                alone += 1
                assert (alone, together) == (1, 0)
                await asyncio.sleep(chance.random() / 100)
                alone -= 1
            done += 1

        await asyncio.gather(*(suspect() if n % 7 == 0 else harmless() for n in range(70)))
        return done

    assert asyncio.run(run()) == 70


def test_request_that_is_given_up_while_it_waits_holds_nobody_up() -> None:
    async def run() -> tuple[bool, list[str]]:
        quarantine = Quarantine()
        ran: list[str] = []

        async def suspect() -> None:
            async with quarantine.alone():
                ran.append("suspect")

        async with quarantine.together():
            waiting = asyncio.create_task(suspect())
            await asyncio.sleep(0.01)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            async with asyncio.timeout(5), quarantine.together():
                ran.append("another")
        return waiting.cancelled(), ran

    assert asyncio.run(run()) == (True, ["another"])
