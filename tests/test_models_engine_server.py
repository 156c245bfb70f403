"""A model behind a server keeps the promises of any other, whatever the server does."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import TypeVar, cast

import pytest

from models.engine.chat_completions import estimate
from models.engine.connection import ApiKey, Patience, ServerError
from models.engine.generator import Asking, Delta, Generator, Sampling, Turn
from models.engine.process import LocalModel
from models.engine.scripted import ScriptedGenerator
from models.engine.server import ServerModel
from models.errors import ModelUnavailable, PromptTooLong
from models.weights import bundled_path
from tests.openai_server import (
    CHAT,
    Asked,
    OpenAiServer,
    Trick,
    begin_events,
    end_events,
    ends,
    hangs,
    piece,
    refuses,
    says,
    send_event,
    sends,
)
from tests.test_models_engine_contract import TURNS, GeneratorContract, deltas_of, text_of

T = TypeVar("T")
ANSWER = "The office opens at nine and it closes at six. [1]"
BRISK = Patience(attempts=3, pause_s=0.01)
PAGE = "<!doctype html><html><body>502 Bad Gateway <b>nginx</b></body></html>"


def words(value: object) -> str:
    """A parameter as the name of a test shows it."""
    return value if isinstance(value, str) else ""


def local() -> Generator:
    path = bundled_path()
    assert path is not None
    return LocalModel(path)


def scripted() -> Generator:
    return ScriptedGenerator(ANSWER)


@pytest.fixture(scope="module")
def real() -> Iterator[OpenAiServer]:
    with OpenAiServer(local) as server:
        yield server


@pytest.fixture
def server() -> Iterator[OpenAiServer]:
    with OpenAiServer(scripted) as made:
        yield made


class TestServerModelOverLlamaServer(GeneratorContract):
    """The real weights behind HTTP, with prompts counted as llama-server counts them."""

    test_likely_continuation_scores_higher = None  # no server tells probabilities

    @pytest.fixture(autouse=True)
    def _serve(self, real: OpenAiServer) -> None:
        self.url = real.url

    def make(self) -> Generator:
        return ServerModel(self.url)


class TestServerModelOverVllm(GeneratorContract):
    """Prompts counted as vLLM counts them."""

    test_likely_continuation_scores_higher = None  # no server tells probabilities

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with OpenAiServer(scripted, program="vllm") as server:
            self.url = server.url
            yield

    def make(self) -> Generator:
        return ServerModel(self.url)


def with_model(
    server: OpenAiServer | str,
    use: Callable[[ServerModel], Awaitable[T]],
    *,
    name: str | None = None,
    key: ApiKey | None = None,
    context_tokens: int = 4096,
    patience: Patience = BRISK,
) -> T:
    async def run() -> T:
        url = server if isinstance(server, str) else server.url
        model = ServerModel(url, name=name, key=key, context_tokens=context_tokens, patience=patience)
        try:
            return await use(model)
        finally:
            await model.close()

    return asyncio.run(run())


async def answer(model: ServerModel) -> list[Delta]:
    return await deltas_of(model.stream(TURNS, max_tokens=64))


async def keeps_alive(_: Asked, writer: asyncio.StreamWriter) -> None:
    """Events that say nothing, until the client has enough of them."""
    begin_events(writer)
    while True:
        send_event(writer, {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]})
        await writer.drain()
        await asyncio.sleep(0.05)


def failure(server: OpenAiServer | str, *, key: ApiKey | None = None) -> str:
    """The line that an answer fails with; what fails once works afterwards."""

    async def use(model: ServerModel) -> str:
        with pytest.raises(ModelUnavailable) as caught:
            await answer(model)
        assert type(caught.value).__module__.startswith("models.")
        assert caught.value.__cause__ is None
        if isinstance(server, OpenAiServer) and not any(server.tricks.values()):
            assert text_of(await answer(model)) == ANSWER
        return str(caught.value)

    line = with_model(server, use, key=key)
    assert "\n" not in line
    assert len(line) < 400
    return line


# What goes wrong for good.


@pytest.mark.parametrize(
    ("trick", "told"),
    [
        (refuses(200, PAGE), "answered with text/html where a stream of events was due"),
        (refuses(200, {"choices": []}), "answered with application/json where a stream"),
        (
            refuses(400, {"error": {"message": "no\nsuch\x1b[31m thing"}}),
            "refused with 400: no such [31m thing",
        ),
        (refuses(400, {"error": "unknown role"}), "refused with 400: unknown role"),
        (refuses(400, {"detail": "no such\tmodel"}), "refused with 400: no such model"),
        (
            refuses(422, {"detail": [{"loc": ["body", "seed"], "msg": "Too large", "input": 7}, "x", 3, {}]}),
            "refused with 422: body.seed: Too large; x",
        ),
        (refuses(200, {"error": "Unexpected endpoint"}), "refused: Unexpected endpoint"),
        (refuses(200, {"detail": {"message": "no GPU left"}}), "refused: no GPU left"),
        (
            says({"object": "error", "message": "out of memory", "code": 500}, "[DONE]"),
            "gave up: out of memory",
        ),
        (says({"detail": "overloaded"}, "[DONE]"), "gave up: overloaded"),
        (refuses(500, PAGE), "refused with 500"),
        (refuses(500, {"error": {"message": "x" * 5000}}), "refused with 500: xxx"),
        (refuses(404, {"message": "The model `x` does not exist."}), "knows no /v1/chat/completions"),
        (refuses(301, "", location="http://elsewhere.example/"), "redirects to another address"),
        (refuses(307, "", location="//[broken"), "redirects to another address"),
        (says(piece("The "), "{broken"), "sent an event that is no JSON object"),
        (says("[" * 100_000), "sent an event that is no JSON object"),
        (says("[1, 2]"), "sent an event that is no JSON object"),
        (says(piece("The "), {"error": {"message": "out of\nmemory"}}), "gave up: out of memory"),
        (says(piece("The "), ends("abort")), "gave the answer up"),
        (says(piece("The ")), "ended in the middle of the answer"),
        (says("x" * 2**21), "sent an event of more than 1 MiB"),
        (
            sends(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + b"y" * 2**21),
            "more than 1 MiB",
        ),
    ],
    ids=words,
)
def test_fault_is_told_in_one_line(server: OpenAiServer, trick: Trick, told: str) -> None:
    server.play(trick)
    assert told in failure(server)
    assert len(server.chats()) == 2  # that one, and the one that worked afterwards


def test_nobody_listening_is_told_with_the_address() -> None:
    line = failure("http://127.0.0.1:9/")
    assert line == "the model server at http://127.0.0.1:9 cannot be reached (Connection refused)"


@pytest.mark.parametrize(
    ("trick", "told"),
    [
        (refuses(200, PAGE), "answered with text/html where JSON was due"),
        (refuses(404, PAGE), "knows no /v1/models"),
        (refuses(200, {"data": []}), "offers no model"),
        (refuses(200, {"error": {"message": "Licence expired", "code": 3}}), "refused: Licence expired"),
        (refuses(200, {"data": "x" * 100}), "offers no model"),
        (refuses(200, [{"id": 3}]), "offers no model"),
    ],
    ids=words,
)
def test_server_that_is_no_model_server_is_told(server: OpenAiServer, trick: Trick, told: str) -> None:
    server.play(trick, path="/v1/models")
    assert told in failure(server)


@pytest.mark.parametrize(
    ("path", "trick", "patience"),
    [
        ("/v1/models", hangs, replace(BRISK, reply_s=0.5)),
        (CHAT, hangs, replace(BRISK, first_s=0.5)),
        (CHAT, says(piece("The "), hangs=True), replace(BRISK, silence_s=0.5)),
        (CHAT, keeps_alive, replace(BRISK, first_s=0.5, silence_s=60.0)),
    ],
    ids=["reply", "first piece", "between pieces", "nothing but signs of life"],
)
def test_silence_is_told(server: OpenAiServer, path: str, trick: Trick, patience: Patience) -> None:
    server.play(trick, path=path)
    with pytest.raises(ModelUnavailable, match=r"said nothing for 0\.5 s"):
        with_model(server, answer, patience=patience)
    assert text_of(with_model(server, answer)) == ANSWER


def test_refusal_whose_words_never_come_is_told_without_them(server: OpenAiServer) -> None:
    server.play(refuses(500, "", content_length="100000"))
    with pytest.raises(ModelUnavailable, match="refused with 500"):
        with_model(server, answer, patience=replace(BRISK, reply_s=2.0))


def test_endless_reply_is_not_read_to_its_end(server: OpenAiServer) -> None:
    server.play(refuses(200, {"data": "x" * 2**25}), path="/v1/models")
    with pytest.raises(ModelUnavailable, match="a reply of more than 16 MiB"):
        with_model(server, answer, patience=Patience())


# What passes.


@pytest.mark.parametrize(
    "trick",
    [
        refuses(429, {"error": {"message": "slow down"}}, retry_after="0"),
        refuses(502, PAGE),
        refuses(503, {"error": {"message": "Loading model"}}, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
        refuses(504, "", retry_after="soon"),
        sends(b""),
        sends(b"220 mail.example.org ESMTP\r\n"),
        sends(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n4"),
        says(),
        says({"choices": [{"delta": {"role": "assistant"}}]}),
    ],
    ids=words,
)
def test_what_passes_is_asked_again_before_the_first_text(server: OpenAiServer, trick: Trick) -> None:
    server.play(trick, trick)
    assert text_of(with_model(server, answer)) == ANSWER
    assert len(server.chats()) == 3


def test_asking_again_ends(server: OpenAiServer) -> None:
    server.play(*[refuses(503, {"error": {"message": "Loading model"}})] * 3)
    assert "refused with 503: Loading model" in failure(server)


def test_nothing_is_asked_again_after_the_first_text(server: OpenAiServer) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    event = b'data: {"choices": [{"delta": {"content": "The "}}]}\n\n'
    server.play(sends(head + f"{len(event):x}\r\n".encode() + event + b"\r\n"))
    assert "broke the connection off" in failure(server)
    assert len(server.chats()) == 2


def test_server_that_asks_for_more_than_is_left_is_not_waited_for(server: OpenAiServer) -> None:
    server.play(refuses(429, {"error": {"message": "come back tomorrow"}}, retry_after="86400"))
    assert "refused with 429: come back tomorrow" in failure(server)

    async def use(model: ServerModel) -> None:
        with pytest.raises(ServerError, match="refused with 503"):
            await deltas_of(model.stream(TURNS, max_tokens=4, deadline_s=30.0))

    server.play(refuses(503, "", retry_after="40"))
    with_model(server, use)


def test_first_use_waits_for_a_server_that_starts(server: OpenAiServer) -> None:
    server.play(refuses(503, ""), sends(b""), path="/v1/models")
    assert text_of(with_model(server, answer)) == ANSWER


def test_server_is_asked_anew_what_it_offers_after_a_failure(server: OpenAiServer) -> None:
    async def use(model: ServerModel) -> tuple[str, str]:
        await answer(model)
        before = model.identity.name
        server.names = ("other",)
        server.play(refuses(404, {"message": "The model `tiny` does not exist."}))
        with pytest.raises(ModelUnavailable, match="does not exist"):
            await answer(model)
        await answer(model)
        return before, model.identity.name

    assert with_model(server, use) == ("tiny", "other")


# Deadline and cancellation.


@pytest.mark.parametrize("trick", [hangs, says(piece("The "), piece("office "), hangs=True)], ids=words)
def test_deadline_ends_an_answer_that_hangs_with_what_there_is(server: OpenAiServer, trick: Trick) -> None:
    async def use(model: ServerModel) -> list[Delta]:
        return await deltas_of(model.stream(TURNS, max_tokens=64, deadline_s=0.4))

    server.play(trick)
    deltas = with_model(server, use, patience=Patience())
    assert deltas[-1].finished == "deadline"
    assert text_of(deltas) in ("", "The office ")
    assert server.left.wait(30)


def test_deadline_holds_while_the_server_is_asked_what_it_offers(server: OpenAiServer) -> None:
    async def use(model: ServerModel) -> list[Delta]:
        return await deltas_of(model.stream(TURNS, max_tokens=64, deadline_s=0.2))

    server.play(hangs, path="/v1/models")
    deltas = with_model(server, use, patience=Patience())
    assert [delta.finished for delta in deltas] == ["deadline"]


def test_whole_answer_is_not_lost_to_a_server_that_hangs_after_it(server: OpenAiServer) -> None:
    server.play(says(piece("Nine."), ends(), hangs=True), says(piece("Nine."), ends("length"), "{broken"))

    async def use(model: ServerModel) -> list[list[Delta]]:
        return [await answer(model) for _ in range(2)]

    first, second = with_model(server, use, patience=replace(BRISK, silence_s=1.0))
    assert (text_of(first), first[-1].finished) == ("Nine.", "stop")
    assert (text_of(second), second[-1].finished) == ("Nine.", "length")
    assert first[-1].completion_tokens == 1


def test_closing_the_stream_closes_the_connection(server: OpenAiServer) -> None:
    async def use(model: ServerModel) -> None:
        stream = cast("AsyncGenerator[Delta, None]", model.stream(TURNS, max_tokens=64))
        async with contextlib.aclosing(stream):
            async for _ in stream:
                break
        assert await asyncio.to_thread(server.left.wait, 30)

    server.play(says(piece("The "), hangs=True))
    with_model(server, use, patience=Patience())


def test_cancelling_the_task_closes_the_connection(server: OpenAiServer) -> None:
    async def use(model: ServerModel) -> None:
        task = asyncio.create_task(answer(model))
        assert await asyncio.to_thread(server.came.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.left.wait, 30)

    server.play(hangs)
    with_model(server, use, patience=Patience())


def test_closing_the_model_ends_what_is_under_way_with_one_line(server: OpenAiServer) -> None:
    async def use(model: ServerModel) -> None:
        task = asyncio.create_task(answer(model))
        assert await asyncio.to_thread(server.came.wait, 30)
        await model.close()
        with pytest.raises(ModelUnavailable, match="the model was closed"):
            await task
        assert text_of(await answer(model)) == ANSWER

    server.play(hangs)
    with_model(server, use, patience=Patience())


def test_many_answers_at_once_are_all_whole(server: OpenAiServer) -> None:
    async def use(model: ServerModel) -> list[str]:
        return [text_of(deltas) for deltas in await asyncio.gather(*(answer(model) for _ in range(40)))]

    assert set(with_model(server, use, patience=Patience())) == {ANSWER}


# What is sent.


def test_request_says_what_was_asked_for(server: OpenAiServer) -> None:
    async def use(model: ServerModel) -> None:
        sampling = Sampling(temperature=0.5, top_p=0.9, seed=-1, grammar='root ::= "yes"')
        await deltas_of(model.stream(TURNS, max_tokens=9, stop=["", *"abcdef"], sampling=sampling))

    with_model(server, use)
    (asked,) = server.chats()
    assert asked.body["model"] == "tiny"
    assert asked.body["messages"][1] == {"role": "user", "content": TURNS[1].text}
    assert (asked.body["max_tokens"], asked.body["stop"]) == (9, ["a", "b", "c", "d"])
    assert (asked.body["temperature"], asked.body["top_p"]) == (0.5, 0.9)
    assert asked.body["seed"] == 2**31 - 1
    assert asked.body["grammar"] == 'root ::= "yes"'
    assert (asked.body["stream"], asked.body["stream_options"]) == (True, {"include_usage": True})
    assert "authorization" not in asked.headers


def test_grammar_is_sent_only_when_set_and_as_the_server_names_it(server: OpenAiServer) -> None:
    with_model(server, answer)
    assert "grammar" not in server.chats()[0].body
    with OpenAiServer(scripted, program="vllm") as vllm:

        async def use(model: ServerModel) -> None:
            await deltas_of(model.stream(TURNS, max_tokens=9, sampling=Sampling(grammar="root ::= [a-z]")))

        with_model(vllm, use)
        body = vllm.chats()[0].body
        assert body["guided_grammar"] == body["structured_outputs"]["grammar"] == "root ::= [a-z]"
        assert "grammar" not in body


def test_stops_that_the_server_was_not_told_hold_too(server: OpenAiServer) -> None:
    async def use(model: ServerModel) -> list[Delta]:
        return await deltas_of(model.stream(TURNS, max_tokens=64, stop=[*"vwxz", "and it"]))

    deltas = with_model(server, use)
    assert text_of(deltas) == "The office opens at nine "
    assert deltas[-1].finished == "stop"


def test_server_that_writes_on_is_stopped_at_the_longest_length(server: OpenAiServer) -> None:
    async def use(model: ServerModel) -> list[Delta]:
        return await deltas_of(model.stream(TURNS, max_tokens=3))

    server.play(says(*[piece("on ")] * 50, ends()))
    deltas = with_model(server, use)
    assert text_of(deltas) == "on on on "
    assert (deltas[-1].finished, deltas[-1].completion_tokens) == ("length", 3)


def test_audiences_are_kept_apart_in_what_the_server_keeps(server: OpenAiServer) -> None:
    async def use(model: ServerModel) -> None:
        for audience in ("all", "all", "board", "all"):
            await deltas_of(model.stream(TURNS, max_tokens=2, asking=Asking(audience=audience)))

    with_model(server, use)
    assert [asked.body.get("cache_prompt") for asked in server.chats()] == [None, None, False, False]
    with OpenAiServer(scripted, program="vllm") as vllm:
        with_model(vllm, use)
        first, second, third, fourth = (asked.body["cache_salt"] for asked in vllm.chats())
        assert first == second == fourth != third


def test_odd_answers_come_as_whole_characters(server: OpenAiServer) -> None:
    nothing: list[object] = [{"choices": None}, {"choices": [{"delta": {"content": 3}}]}, {"choices": [None]}]
    server.play(says(*nothing, '{"choices":[{"delta":{"content":"\\ud83d\\ude00 \\udfff"}}]}', ends()))
    text = text_of(with_model(server, answer))
    assert text.encode() == "\U0001f600 \ufffd".encode()


def test_events_in_any_lines_and_with_comments_are_read(server: OpenAiServer) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    server.play(
        sends(
            head
            + b': ping\r\n\r\nid: 1\r\ndata: {"choices": [{"delta":\r\ndata: {"content": "Nine."}}]}\r\n\r\n'
            b'data:{"choices":[{"finish_reason":"eos"}]}\n\ndata: [DONE]\n\n'
        )
    )
    deltas = with_model(server, answer)
    assert (text_of(deltas), deltas[-1].finished) == ("Nine.", "stop")


# Names, context and counting.


def test_wrong_name_lists_what_the_server_offers(server: OpenAiServer) -> None:
    server.names = tuple(f"model-{number}" for number in range(20))
    with pytest.raises(ModelUnavailable, match=r"has no model 'large'; it offers 'model-0', .* and 12 more$"):
        with_model(server, answer, name="large")
    with pytest.raises(ModelUnavailable, match="offers several models, name one of them: 'model-0'"):
        with_model(server, answer)
    assert text_of(with_model(server, answer, name="model-7")) == ANSWER


def test_model_that_is_listed_twice_is_the_only_one(server: OpenAiServer) -> None:
    server.names = ("tiny", "tiny")
    assert text_of(with_model(server, answer)) == ANSWER


def test_model_that_thinks_before_it_speaks_is_waited_for(server: OpenAiServer) -> None:
    async def thinks(_: Asked, writer: asyncio.StreamWriter) -> None:
        begin_events(writer)
        for _number in range(8):
            send_event(writer, {"choices": [{"delta": {"content": None, "reasoning_content": "Hm."}}]})
            await writer.drain()
            await asyncio.sleep(0.1)
        for event in (piece("Nine."), ends(), "[DONE]"):
            send_event(writer, event)
        end_events(writer)
        await writer.drain()

    server.play(thinks)
    assert text_of(with_model(server, answer, patience=replace(BRISK, first_s=0.5))) == "Nine."


def test_name_may_leave_out_the_tag_as_ollama_allows() -> None:
    with OpenAiServer(scripted, program="ollama", names=("llama3.2:latest", "qwen3:8b")) as server:
        assert text_of(with_model(server, answer, name="llama3.2")) == ANSWER


def test_lora_is_one_of_the_names_or_refused() -> None:
    async def use(model: ServerModel) -> None:
        await deltas_of(model.stream(TURNS, max_tokens=2, asking=Asking(lora="legal")))
        with pytest.raises(ModelUnavailable, match="has no LoRA 'sales'; it offers 'tiny', 'legal'"):
            await deltas_of(model.stream(TURNS, max_tokens=2, asking=Asking(lora="sales")))

    with OpenAiServer(scripted, program="vllm", loras=("legal",)) as server:
        with_model(server, use)
        assert [asked.body["model"] for asked in server.chats()] == ["legal"]


@pytest.mark.parametrize("program", ["llama-server", "vllm"])
def test_context_is_what_the_server_says_where_that_is_less(program: str) -> None:
    async def use(model: ServerModel) -> tuple[int, int]:
        before = model.context_tokens
        await model.start()
        return before, model.context_tokens

    with OpenAiServer(scripted, program=program, told_context=1024) as server:  # type: ignore[arg-type]
        assert with_model(server, use) == (4096, 1024)
        assert with_model(server, use, context_tokens=512) == (512, 512)


def test_too_long_prompt_is_told_before_it_is_sent(server: OpenAiServer) -> None:
    async def use(model: ServerModel) -> None:
        with pytest.raises(PromptTooLong, match="the context has 4,096"):
            await deltas_of(model.stream([Turn("user", "word " * 5000)], max_tokens=1))

    with_model(server, use)
    assert server.chats() == []


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "request (5031 tokens) exceeds", "type": "exceed_context_size_error"}},
        {"object": "error", "message": "This model's maximum context length is 4096 tokens. However, you"},
        {"error": {"message": "too many", "code": "context_length_exceeded"}},
    ],
    ids=words,
)
def test_too_long_prompt_is_told_when_only_the_server_knows(server: OpenAiServer, body: object) -> None:
    async def use(model: ServerModel) -> None:
        with pytest.raises(PromptTooLong):
            await answer(model)

    server.play(refuses(400, body))
    with_model(server, use)


def test_server_that_does_not_count_gets_an_estimate(server: OpenAiServer) -> None:
    async def use(model: ServerModel) -> int:
        await model.count_tokens(TURNS[:1])
        return await model.count_tokens(TURNS)

    with OpenAiServer(scripted, program="ollama") as ollama:
        assert with_model(ollama, use) == estimate(TURNS)
        assert [asked.path for asked in ollama.asked] == ["/v1/models", "/props"]
    server.play(refuses(403, PAGE), refuses(403, PAGE), path="/apply-template")
    assert with_model(server, use) == estimate(TURNS)
    assert [asked.path for asked in server.asked].count("/v1/models") == 1


def test_estimate_is_not_below_what_a_tokenizer_makes() -> None:
    texts = [
        "The office opens at nine and closes at six; see section 4.2 for the exceptions.",
        "Die Urlaubsübertragung in das Folgejahr ist bis zum 31. März möglich. " * 20,
        "Les congés payés doivent être pris avant le 31 mai de l'année suivante.",
        "Сотрудники имеют право на двадцать восемь дней отпуска в год.",
        "従業員は年に二十五日の休暇を取ることができます。",
        "员工每年有二十五天的年假。",
        "للموظفين الحق في خمسة وعشرين يوما من الإجازة السنوية.",
        "\U0001f600\U0001f680\U0001f1e9\U0001f1ea" * 10,
        "def f(x):\n    return {k: v**2 for k, v in x.items()}\n" * 5,
        "| Item | Rate |\n|---|---|\n| Bicycle | 0.20 |\n" * 5,
        "Pracownikowi przysługuje dwadzieścia pięć dni urlopu wypoczynkowego. " * 10,
        "Työntekijällä on oikeus kahdenkymmenenviiden päivän vuosilomaan. " * 10,
        "พนักงานมีสิทธิลาพักร้อนปีละยี่สิบห้าวัน" * 10,
    ]

    async def counted() -> list[int]:
        model = local()
        try:
            return [await model.count_tokens([Turn("user", text)]) for text in texts]
        finally:
            await model.close()

    for text, count in zip(texts, asyncio.run(counted()), strict=True):
        assert estimate([Turn("user", text)]) >= count, text


# The key.


def test_key_is_sent_and_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    key = ApiKey("sk-very-secret")
    caplog.set_level(0)
    with OpenAiServer(scripted, key="sk-very-secret") as server:
        assert text_of(with_model(server, answer, key=key)) == ANSWER
        server.play(refuses(401, {"error": {"message": "Incorrect API key provided: sk-very-secret"}}))
        line = failure(server, key=key)
        assert "refuses the key (401): Incorrect API key provided: ***" in line
        model = ServerModel(server.url, key=key)
        shown = [repr(key), str(key), repr(model), repr(vars(model)), repr(vars(model)["_connection"]), line]
        assert "very-secret" not in "".join(shown) + caplog.text
        with pytest.raises(ModelUnavailable, match=r"asks for a key \(401\): Invalid API Key"):
            with_model(server, answer)


def test_key_does_not_follow_a_redirect(server: OpenAiServer) -> None:
    with OpenAiServer(scripted) as other:
        server.play(refuses(308, "", location=f"{other.url}/v1/chat/completions"))
        assert "redirects to another address, which is not followed" in failure(server, key=ApiKey("sk-1"))
        assert other.asked == []


@pytest.mark.parametrize("text", ["", "a b", "a\nb", "ключ", "a\x7f"])
def test_key_that_cannot_be_sent_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII") as caught:
        ApiKey(text)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8080",
        "ftp://host",
        "http://",
        "http://user:hush@host",
        "http://host:99999",
        "http://h?key=hush",
    ],
)
def test_address_that_cannot_be_one_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ModelUnavailable, match="the url of a model server") as caught:
        ServerModel(url)
    assert "hush" not in str(caught.value)


def test_address_may_end_as_the_servers_show_it(server: OpenAiServer) -> None:
    for end in ("/", "/v1", "/v1/"):
        assert text_of(with_model(server.url + end, answer)) == ANSWER


def test_model_can_be_used_from_one_event_loop_after_another(server: OpenAiServer) -> None:
    model = ServerModel(server.url)

    async def use() -> str:
        try:
            return text_of(await answer(model))
        finally:
            await model.close()

    assert [asyncio.run(use()) for _ in range(2)] == [ANSWER, ANSWER]


def test_http_is_loaded_only_for_a_server() -> None:
    code = "import sys, bot.wiring, models.engine.process; sys.exit('httpx2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
