"""The figures of retrieval are those that a hand calculation gives."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bot.errors import WrongUse
from bot.evaluation.datasets import load_beir, load_spans, load_squad
from bot.evaluation.ranking import ndcg, recall, reciprocal_rank, span_overlap
from bot.evaluation.retrieval import evaluate_ranking, evaluate_spans
from models.embedding.sentence_transformer import SentenceTransformerEmbedder
from models.embedding.word_vectors import WordVectors

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def test_ndcg_is_the_discounted_gain_over_the_best_possible() -> None:
    relevant = {"a": 2, "b": 1}
    assert ndcg(["a", "b"], relevant) == pytest.approx(1)
    best = 2 + 1 / math.log2(3)
    assert ndcg(["b", "x", "a"], relevant) == pytest.approx((1 + 2 / math.log2(4)) / best)
    assert ndcg(["x"] * 10 + ["a"], relevant) == 0
    assert ndcg(["a"], {}) == 0


def test_recall_and_reciprocal_rank_look_at_the_first_ones_only() -> None:
    relevant = {"a": 1, "b": 1, "c": 0}
    assert recall(["x", "a", "c"], relevant, at=3) == 0.5
    assert recall(["x", "y", "a"], relevant, at=2) == 0
    assert reciprocal_rank(["c", "x", "b"], relevant) == pytest.approx(1 / 3)
    assert reciprocal_rank(["x", "y", "a"], relevant, at=2) == 0


def test_spans_overlap_by_character_and_count_once() -> None:
    found = [("t", 0, 10), ("t", 5, 20), ("u", 0, 30)]
    assert span_overlap(found, [("t", 10, 30)]) == pytest.approx((10 / 20, 10 / 50, 10 / 60))
    assert span_overlap([], [("t", 0, 5)]) == (0, 0, 0)
    assert span_overlap([("t", 3, 5)], [("t", 3, 5)]) == (1, 1, 1)


def _squad(folder: Path) -> Path:
    paragraphs = [
        ("The car park closes at nine in the evening.", "When does the car park close?"),
        ("Annual leave is 25 days for every employee.", "How many days is annual leave?"),
    ]
    article = {
        "title": "Staff_rules",
        "paragraphs": [
            {
                "context": text,
                "qas": [
                    {"id": f"q{n}", "question": question},
                    {"id": f"x{n}", "question": "?", "is_impossible": True},
                ],
            }
            for n, (text, question) in enumerate(paragraphs)
        ],
    }
    file = folder / "squad.json"
    file.write_text(json.dumps({"data": [article]}))
    return file


def test_squad_paragraphs_are_found_by_their_questions(tmp_path: Path) -> None:
    judged = load_squad(_squad(tmp_path))
    assert [text.title for text in judged.texts] == ["Staff rules", "Staff rules"]
    report = evaluate_ranking(judged, embedder=WordVectors())
    assert (report.queries, report.documents, report.chunks) == (2, 2, 2)
    assert set(report.modes) == {"hybrid", "vector", "keyword"}
    assert report.modes["hybrid"].ndcg_10 == pytest.approx(1)
    assert report.modes["hybrid"].recall_5 == 1


def test_beir_folders_are_read_with_the_judged_queries_only(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "d1", "title": "T", "text": "one\u2028line"}\n{"_id": "d2", "text": "b"}\n'
    )
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "one?"}\n{"_id": "2", "text": "two?"}\n')
    (tmp_path / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\n1\td1\t2\n1\td2\t0\n")
    judged = load_beir(tmp_path, "dev")
    assert judged.queries == {"1": "one?"}
    assert judged.relevant == {"1": {"d1": 2}}
    assert judged.texts[0].text == "one\u2028line"
    with pytest.raises(WrongUse, match=r"test\.tsv"):
        load_beir(tmp_path, "test")
    (tmp_path / "qrels" / "bare.tsv").write_text("1\td1\t2\n2\td2\t1\n")
    assert load_beir(tmp_path, "bare").relevant == {"1": {"d1": 2}, "2": {"d2": 1}}


@pytest.mark.parametrize(
    ("qrels", "told"),
    [
        ("1\t0\t31\t1\n", "line 1 is not query, text and grade"),  # as TREC has them, with a column more
        ("1\td1\thigh\n2\td2\t1\n", "line 1 is not query, text and grade"),
        ("query-id\tcorpus-id\tscore\n1\td1\n", "line 2 is not query, text and grade"),
        ("query-id\tcorpus-id\tscore\nother\td1\t1\n", "judges nothing relevant"),
        ("1\td1\t0\n", "judges nothing relevant"),
    ],
)
def test_judgements_that_are_not_as_beir_has_them_give_no_figure(
    tmp_path: Path, qrels: str, told: str
) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "text": "one"}\n{"_id": "d2", "text": "b"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "1", "text": "one?"}\n{"_id": "2", "text": "two?"}\n')
    (tmp_path / "qrels" / "test.tsv").write_text(qrels)
    with pytest.raises(WrongUse, match=told):
        load_beir(tmp_path, "test")


def test_a_file_without_a_question_that_has_an_answer_gives_no_figure(tmp_path: Path) -> None:
    question = {"id": "x", "question": "?", "is_impossible": True}
    article = {"title": "T", "paragraphs": [{"context": "Some text.", "qas": [question]}]}
    (tmp_path / "squad.json").write_text(json.dumps({"data": [article]}))
    with pytest.raises(WrongUse, match="no question with an answer"):
        load_squad(tmp_path / "squad.json")


def test_passages_are_mapped_to_their_exact_characters(tmp_path: Path) -> None:
    (tmp_path / "corpora").mkdir()
    one = "The car  park\ncloses at nine.\n \nBicycles are paid 20 cents.\n\nThe car park is free."
    (tmp_path / "corpora" / "rules.md").write_text(one)
    start = one.index("Bicycles")
    references = json.dumps([{"content": "", "start_index": start, "end_index": start + 27}])
    quoted = references.replace('"', '""')
    (tmp_path / "questions_df.csv").write_text(
        f'question,references,corpus_id\r\n"What are bicycles paid?","{quoted}",rules\r\nOther?,"{quoted}",missing\r\n'
    )
    texts, queries = load_spans(tmp_path)
    assert len(queries) == 1
    report = evaluate_spans(texts, queries, embedder=WordVectors())
    assert report.recall == 1
    assert report.characters == pytest.approx(len(one))


def test_broken_files_are_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "squad.json").write_text('{"data": [{}]}')
    with pytest.raises(WrongUse, match="not a SQuAD file"):
        load_squad(tmp_path / "squad.json")
    with pytest.raises(WrongUse, match="cannot be read"):
        load_spans(tmp_path)


def test_the_mark_that_some_editors_put_first_belongs_to_no_file(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    files = {
        "corpus.jsonl": '{"_id": "d1", "text": "one"}\n',
        "queries.jsonl": '{"_id": "1", "text": "one?"}\n{"_id": "2", "text": "two?"}\n',
        "qrels/test.tsv": "1\td1\t1\n2\td1\t1\n",
        "squad.json": _squad(tmp_path).read_text(),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
    assert load_beir(tmp_path, "test").relevant == {"1": {"d1": 1}, "2": {"d1": 1}}
    assert len(load_squad(tmp_path / "squad.json").queries) == 2


def test_a_table_with_a_cell_that_is_too_large_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "rules.md").write_text("The car park closes at nine.")
    (tmp_path / "questions_df.csv").write_text(
        "question,references,corpus_id\r\n" + "why " * 50_000 + ",[],rules\r\n"
    )
    with pytest.raises(WrongUse, match="is not a table of questions"):
        load_spans(tmp_path)


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared benchmark data is not on this machine")
def test_default_search_finds_the_spans_of_the_chunking_benchmark() -> None:
    texts, queries = load_spans(DATA / "retrieval" / "chunking")
    report = evaluate_spans(texts, queries, embedder=SentenceTransformerEmbedder.from_package(threads=2))
    assert report.queries == 132
    assert report.recall >= 0.95
    assert report.iou >= 0.10
