"""The way of one question, from the search to the cited answer, with fakes that behave."""

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence

import pytest

from bot.answer import Answer
from bot.assistant import AnswerSettings, Assistant, Quote
from bot.evaluation.golden import dangling
from bot.languages import REFUSALS
from bot.prompt import compose
from bot.question import Question
from bot.refusing import OUT_OF_TIME
from knowledge.documents import Chunk
from knowledge.memory_store import MemoryStore
from knowledge.retrieval import Retriever
from knowledge.store import IndexedChunk, Readable
from models.embedding.word_vectors import WordVectors
from models.engine.fair_queue import FairQueue
from models.engine.generator import Generator, Turn, Waiting
from models.engine.scripted import ScriptedGenerator

LEAVE = "Full-time staff have 26 days of annual leave. Contractors have no paid annual leave."
PARKING = "Visitors park behind the warehouse.\nThe barrier closes at 21:30."
SECRET = "The salary of the director is 190000 euros of annual pay."


def assistant(
    generator: Generator | None,
    *,
    refuse_below: float = 0.2,
    without_model: str | None = None,
    quote: Quote = "never",
    settings: AnswerSettings | None = None,
    titles: Mapping[str, str] | None = None,
) -> Assistant:
    embedder = WordVectors()
    store = MemoryStore(embedder.dimensions)
    for collection, name, text in (
        ("main", "leave.md", LEAVE),
        ("main", "parking.md", PARKING),
        ("board", "pay.md", SECRET),
    ):
        item = IndexedChunk(
            chunk=Chunk(f"{collection}:{name}", 0, (), None, text),
            title=(titles or {}).get(name, name.removesuffix(".md").title()),
            url=None,
            updated_at=None,
            source=collection,
            collection=collection,
            text_hash=hashlib.sha256(text.encode()).hexdigest(),
        )
        store.replace(collection, [item.chunk.document_id], [([item], embedder.embed_documents([text]))])
    return Assistant(
        Retriever(store, embedder),
        embedder,
        generator,
        settings=settings or AnswerSettings(refuse_below=refuse_below, quote=quote),
        index_version=lambda: store.version,
        without_model=without_model,
    )


def ask(one: Assistant, text: str, **others: object) -> Answer:
    return asyncio.run(one.answer(Question(text, **others)))  # type: ignore[arg-type]


def test_a_supported_draft_is_the_answer_with_the_programs_own_citation() -> None:
    model = ScriptedGenerator("Full-time staff have 26 days of annual leave [7].")
    answer = ask(assistant(model), "How many days of annual leave do full-time staff have?")

    assert answer.status == "answered"
    assert answer.voice == "model"
    assert answer.text == "Full-time staff have 26 days of annual leave. [1]"
    assert answer.citations[0].document_id == "main:leave.md"
    assert answer.citations[0].quote == "Full-time staff have 26 days of annual leave."
    assert answer.model is not None
    assert dangling(answer) == 0


def test_a_small_models_words_are_followed_by_the_documents_own() -> None:
    model = ScriptedGenerator("You have 26 days of annual leave.")
    question = "How many days of annual leave do full-time staff have?"
    answer = ask(assistant(model, quote="always"), question)

    lead, quotes = answer.text.split("\n\n")
    assert lead == "You have 26 days of annual leave. [1]"
    assert quotes.startswith("Full-time staff have 26 days of annual leave.")
    assert answer.voice == "model"
    assert dangling(answer) == 0


def test_words_of_a_model_with_a_lora_stand_alone_where_no_quotes_follow_and_are_shown_as_they_come() -> None:
    shown: list[str] = []
    one = assistant(ScriptedGenerator("26 days [1]."), settings=AnswerSettings(lora="house"))
    question = Question("How many days of annual leave do full-time staff have?")
    answer = asyncio.run(one.answer(question, show=shown.append))

    assert answer.text == "26 days. [1]"
    assert shown == ["26 days. [1] "]
    assert answer.citations[0].quote == "Full-time staff have 26 days of annual leave."


def test_a_short_answer_leads_the_quotes_only_where_the_best_evidence_has_it() -> None:
    def said(text: str) -> Answer:
        one = assistant(ScriptedGenerator(text), settings=AnswerSettings(quote="always", lora="house"))
        return ask(one, "How many days of annual leave do full-time staff have?")

    agreed, elsewhere = said("26 days [1]."), said("No paid annual leave [1].")

    assert agreed.text.startswith("26 days. [1]\n\nFull-time staff have 26 days of annual leave.")
    assert agreed.voice == "model"
    assert elsewhere.voice == "quotes"
    assert elsewhere.text.startswith("Full-time staff have 26 days of annual leave.")
    assert (agreed.lead, elsewhere.lead) == ("26 days. [1]", "")


def test_a_small_model_reads_nothing_but_the_evidence_under_the_numbers_of_its_passages() -> None:
    seen: list[Sequence[Turn]] = []

    class Reading(ScriptedGenerator):
        async def count_tokens(self, turns: Sequence[Turn]) -> int:
            seen.append(turns)
            return await super().count_tokens(turns)

    one = assistant(Reading("At 21:30 [1]."), settings=AnswerSettings(only_evidence=True))
    answer = ask(one, "When does the barrier close?")

    told = seen[-1][-1].text
    number = [passage.title for passage in answer.passages].index("Parking") + 1
    assert f"[{number}] Parking\nThe barrier closes at 21:30." in told
    assert "Visitors park" not in told
    assert answer.text == f"At 21:30. [{number}]"


def test_an_unsupported_draft_gives_way_to_a_quote() -> None:
    model = ScriptedGenerator("Full-time staff have 40 days of annual leave [1].")
    answer = ask(assistant(model), "How many days of annual leave do full-time staff have?")

    assert answer.voice == "quotes"
    assert "26 days" in answer.text
    assert "40" not in answer.text
    assert dangling(answer) == 0


def test_a_model_that_dies_costs_its_words_and_nothing_else() -> None:
    model = ScriptedGenerator("never said")
    model.failure = "its process was killed"
    answer = ask(assistant(model), "When does the barrier close?")

    assert answer.status == "answered"
    assert "21:30" in answer.text
    assert answer.note is not None
    assert "its process was killed" in answer.note


@pytest.mark.parametrize(("pause_s", "voice", "note"), [(0.0, "model", None), (0.3, "quotes", OUT_OF_TIME)])
def test_a_model_that_is_too_slow_is_told_of(pause_s: float, voice: str, note: str | None) -> None:
    model = ScriptedGenerator("The barrier closes at 21:30.", pause_s=pause_s)
    settings = AnswerSettings(refuse_below=0.2, quote="never", deadline_s=0.2)
    answer = ask(assistant(model, settings=settings), "When does the barrier close?")

    assert (answer.status, answer.voice, answer.note) == ("answered", voice, note)
    assert "21:30" in answer.text


def test_without_a_model_the_answer_says_so() -> None:
    answer = ask(assistant(None, without_model="No model."), "When does the barrier close?")

    assert answer.voice == "quotes"
    assert answer.note == "No model."
    assert answer.model is None


def test_what_is_not_found_is_refused_with_the_closest_documents() -> None:
    model = ScriptedGenerator("Paris.")
    answer = ask(assistant(model, refuse_below=0.5), "capital France metropolis?")

    assert answer.status == "refused"
    assert answer.citations == ()
    assert model.prompts == []


def test_a_refusal_names_documents_on_one_line_and_without_numbers_of_sources() -> None:
    one = assistant(None, refuse_below=1.0, titles={"leave.md": "Annual leave [2]\nof\u2028staff"})
    answer = ask(one, "How many days of annual leave do dogs have?")

    assert answer.status == "refused"
    assert "Annual leave (2) of staff" in answer.text
    assert len(answer.text.splitlines()) == 1
    assert dangling(answer) == 0


def test_a_refusal_is_in_the_language_of_the_question() -> None:
    answer = ask(assistant(None, refuse_below=1.0), "Wie viele Hunde darf ich mit ins Büro nehmen?")

    assert answer.language == "de"
    assert answer.text.startswith("Darauf habe ich")


def test_the_models_own_refusal_is_a_refusal() -> None:
    answer = ask(
        assistant(ScriptedGenerator("The sources do not mention this.")), "When does the barrier close?"
    )

    assert answer.status == "refused"


def test_a_small_models_refusal_is_not_believed_against_good_evidence() -> None:
    model = ScriptedGenerator("The sources do not mention this.")
    question = "Do visitors park behind the warehouse?"
    answer = ask(assistant(model, quote="always"), question)

    assert answer.status == "answered"
    assert "Visitors park behind the warehouse." in answer.text


def test_a_follow_up_is_searched_with_its_conversation() -> None:
    model = ScriptedGenerator("Contractors have no paid annual leave [1].")
    earlier = (Turn("user", "How many days of annual leave are there?"), Turn("assistant", "26 [1]"))
    answer = ask(assistant(model), "and for contractors?", earlier=earlier)

    assert "Contractors have no paid annual leave" in answer.text
    assert (
        "Question: How many days of annual leave are there? and for contractors?" in model.prompts[0][-1].text
    )


@pytest.mark.parametrize(
    "text", ["Thanks!", "thank you very much", "Vielen Dank", "ok, great", "👍", "Hi there"]
)
def test_who_greets_or_thanks_is_given_no_answer_once_more(text: str) -> None:
    earlier = (Turn("user", "How many days of annual leave are there?"), Turn("assistant", "26 [1]"))
    answer = ask(assistant(None), text, earlier=earlier)

    assert (answer.status, answer.passages, answer.citations) == ("refused", (), ())
    assert answer.text.startswith(("Ask me a question", "Stellen Sie mir eine Frage"))


def test_what_is_said_to_the_bot_about_itself_is_not_looked_for() -> None:
    for earlier in ((), (Turn("user", "Hello"), Turn("assistant", "Ask me."))):
        answer = ask(assistant(None, refuse_below=0.0), "Who are you?", earlier=earlier)
        assert answer.text.startswith("Ask me a question")
    assert ask(assistant(None), "Who are the contractors?").passages


def test_a_new_question_that_begins_with_and_is_answered_on_its_own_where_the_conversation_has_no_answer() -> (
    None
):
    earlier = (Turn("user", "Which paint covers rusty bridges in Sweden?"), Turn("assistant", "No answer."))
    question = "And when does the barrier close?"
    together = ask(assistant(None, refuse_below=0.6), f"{earlier[0].text} {question}")
    answer = ask(assistant(None, refuse_below=0.6), question, earlier=earlier)

    assert together.status == "refused"
    assert "The barrier closes at 21:30." in answer.text


def test_nothing_outside_the_readable_collections_reaches_the_prompt() -> None:
    model = ScriptedGenerator("no")
    answer = ask(
        assistant(model, refuse_below=0.0),
        "What is the annual pay of the director?",
        readable=Readable(collections=frozenset({"main"})),
    )

    assert "190000" not in answer.text
    assert all("190000" not in turn.text for prompt in model.prompts for turn in prompt)
    assert {passage.collection for passage in answer.passages} == {"main"}


@pytest.mark.parametrize(
    "text", ["", "?", "x" * 40_000, "leave\0days", "\ud800leave", "‮كم يوم إجازة", "annual leave " * 4000]
)
def test_any_question_gets_an_answer_or_a_refusal(text: str) -> None:
    answer = ask(assistant(ScriptedGenerator("I do not know.")), text)

    assert answer.status in {"answered", "refused"}


@pytest.mark.parametrize("context", [200, 300, 1000])
def test_the_prompt_fits_whatever_the_passages(context: int) -> None:
    model = ScriptedGenerator("", context_tokens=context)
    one = assistant(None)
    found = asyncio.run(one.answer(Question("annual leave days"))).passages
    many = dict.fromkeys(range(1, 21), found[0])

    turns = asyncio.run(compose("How many days? " * 50, many, model, max_tokens=64, language="en"))

    assert asyncio.run(model.count_tokens(turns)) <= context - 64


def test_sources_in_the_prompt_carry_the_numbers_of_the_citations() -> None:
    model = ScriptedGenerator("no")
    answer = ask(assistant(model), "When does the barrier close?")
    text = model.prompts[0][-1].text

    for number, passage in enumerate(answer.passages, 1):
        assert re.search(rf"\[{number}\] {re.escape(passage.title)}\n{re.escape(passage.chunk.text)}", text)


def test_sentences_are_shown_as_they_come_and_begin_the_answer() -> None:
    shown: list[str] = []
    model = ScriptedGenerator(
        "Full-time staff have 26 days of annual leave. They get a yacht. Contractors have none."
    )
    question = Question("How many days of annual leave do full-time staff have?")
    answer = asyncio.run(assistant(model).answer(question, show=shown.append))

    assert shown[0] == "Full-time staff have 26 days of annual leave. [1] "
    assert answer.text.startswith("".join(shown).strip())
    assert "yacht" not in answer.text


def test_the_model_is_told_for_whom_it_answers() -> None:
    model = ScriptedGenerator("no")
    ask(assistant(model), "When does the barrier close?", asker="u1", audience="warehouse")

    assert (model.askings[0].asker, model.askings[0].audience) == ("u1", "warehouse")


def test_those_who_may_read_the_same_are_one_audience() -> None:
    model = ScriptedGenerator("no")
    one = assistant(model, refuse_below=0.0)
    for readable in (
        Readable(),
        Readable(collections=frozenset({"main", "board"})),
        Readable(collections=frozenset({"board", "main"})),
        Readable(collections=frozenset({"main"})),
        Readable(sources=frozenset({"main"})),
    ):
        ask(one, "When does the barrier close?", readable=readable)
    audiences = [asking.audience for asking in model.askings]

    assert all(audiences)
    assert audiences[1] == audiences[2]
    assert len(set(audiences)) == 4


def test_the_collection_of_the_best_passage_chooses_the_lora() -> None:
    model = ScriptedGenerator("no")
    settings = AnswerSettings(
        lora="house", lora_in={"board": "formal"}, lora_sha256={"house": "a" * 64, "formal": "b" * 64}
    )
    one = assistant(model, settings=settings)
    answers = [ask(one, "When does the barrier close?"), ask(one, "What is the annual pay of the director?")]

    assert [asking.lora for asking in model.askings] == ["house", "formal"]
    assert [(a.model.lora, a.model.lora_sha256) for a in answers if a.model] == [
        ("house", "a" * 64),
        ("formal", "b" * 64),
    ]


def test_a_few_words_that_a_passage_carries_are_enough_from_a_model_with_a_lora() -> None:
    def said(text: str, lora: str | None) -> Answer:
        one = assistant(ScriptedGenerator(text), settings=AnswerSettings(lora=lora))
        return ask(one, "Who has 26 days?")

    answers = [
        said("Full-time [1].", "house"),
        said("Full-time [1].", None),
        said("Half-time [1].", "house"),
    ]

    assert answers[0].text == "Full-time. [1]"
    assert [answer.voice for answer in answers] == ["model", "quotes", "quotes"]
    assert all(dangling(answer) == 0 for answer in answers)


def test_a_model_with_a_lora_is_kept_from_the_fixed_refusal() -> None:
    def asked(lora: str | None) -> str:
        model = ScriptedGenerator("21:30 [1].")
        ask(assistant(model, settings=AnswerSettings(lora=lora)), "When does the barrier close?")
        return model.samplings[0].avoid

    assert asked("house") == REFUSALS["en"]
    assert asked(None) == ""


ENGLISH = "When does the barrier close?"
GERMAN = "Wie lange ist die barrier für visitors am Abend nicht offen?"


def test_a_question_that_waits_hears_its_place_and_how_long_it_took() -> None:
    def reply(turns: Sequence[Turn]) -> str:
        return "on and " * 1000 if turns[-1].text == "another" else "The barrier closes at 21:30."

    queue = FairQueue(ScriptedGenerator(reply, pause_s=0.01))
    one = assistant(queue)
    heard: list[Waiting] = []
    told = asyncio.Event()

    def hear(waiting: Waiting) -> None:
        heard.append(waiting)
        told.set()

    async def while_another_runs_until_the_place_is_told() -> tuple[Answer, Answer]:
        stream = queue.stream([Turn("user", "another")], max_tokens=2000)
        await anext(stream)
        asked = asyncio.create_task(one.answer(Question(ENGLISH), waiting=hear))
        await told.wait()
        await asyncio.sleep(0.01)
        await stream.aclose()
        return await asked, await one.answer(Question(ENGLISH), waiting=hear)

    waited, at_once = asyncio.run(while_another_runs_until_the_place_is_told())

    assert [waiting.place for waiting in heard] == [1]
    assert waited.timings.queue_ms > 0
    assert at_once.timings.queue_ms == 0
    assert waited.text == at_once.text
    assert waited.voice == "model"


@pytest.mark.parametrize(("question", "begin"), [(ENGLISH, "Too many"), (GERMAN, "Gerade warten")])
def test_a_question_too_many_is_told_its_place_and_time_and_gets_no_quotes(question: str, begin: str) -> None:
    queue = FairQueue(ScriptedGenerator("no", pause_s=3600), most_waiting=0)
    one = assistant(queue, refuse_below=0.0)

    async def while_another_runs() -> Answer:
        stream = queue.stream([Turn("user", "another")], max_tokens=8)
        running = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        answer = await one.answer(Question(question))
        running.cancel()
        return answer

    answer = asyncio.run(while_another_runs())

    assert (answer.status, answer.voice, answer.citations) == ("failed", "none", ())
    assert answer.text.startswith(begin)
    assert " 1, " in answer.text
    assert "10 s" in answer.text
    assert answer.timings.retrieve_ms <= answer.timings.total_ms
