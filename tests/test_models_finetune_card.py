"""The papers beside an exported file: readable by hubs and by CycloneDX's own schema, and nothing made up in them."""

from __future__ import annotations

import importlib.resources
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cyclonedx.schema
import jsonschema
import pytest
import torch
import yaml

from models.finetune.bom import bill_of_materials
from models.finetune.card import Evaluation, Exported, card
from models.finetune.layout import ExportError
from models.finetune.lineage import Trained

LORA, BASE, ROWS, RECIPE = ("1" * 64, "2" * 64, "3" * 64, "4" * 64)


@pytest.fixture
def exported(tmp_path: Path) -> Exported:
    torch.save(
        {
            "lora": {"model.layers.0.mlp.up_proj.lora_A": torch.ones(2, 4)},
            "rank": 2,
            "alpha": 4,
            "used": {"Our handbook": "CC0-1.0", 'Odd: "names" | here': "CC BY-SA 4.0"},
            "digest": RECIPE,
            "step": 1200,
            "tokens": 34_000,
            "seconds": 600.0,
            "rows": {"rows.jsonl": ROWS},
            "settings": {"learning_rate": "0.0005", "seed": "7"},
            "versions": {"torch": "2.13.0+cpu", "gguf": "0.19.0"},
        },
        tmp_path / "lora.pt",
    )
    return Exported(
        file=tmp_path / "house.gguf",
        sha256=LORA,
        name="House",
        licence="CC BY-SA 4.0",
        relation="adapter",
        architecture="llama",
        base="Base-135M",
        base_sha256=BASE,
        base_licence="apache-2.0",
        trained=Trained.from_file(tmp_path / "lora.pt"),
    )


def measured(tmp_path: Path, **told: Any) -> Path:
    file = tmp_path / "answers.json"
    file.write_text(json.dumps({"answerable": {"n": 200, "f1": 0.5123}, "overall_f1": 0.61, **told}))
    return file


def with_evaluation(exported: Exported, tmp_path: Path) -> Exported:
    values = {name: getattr(exported, name) for name in exported.__dataclass_fields__}
    return Exported(**{**values, "evaluation": Evaluation.from_file(measured(tmp_path), of=LORA)})


def metadata(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


def test_a_hub_reads_base_licence_and_data_in_the_card(exported: Exported) -> None:
    found = metadata(card(exported))
    assert found["base_model"] == "Base-135M"
    assert found["base_model_relation"] == "adapter"
    assert (found["license"], found["license_name"]) == ("other", "CC BY-SA 4.0")
    assert found["datasets"] == ["Our handbook", 'Odd: "names" | here']
    assert "model-index" not in found
    assert "Nothing yet" in card(exported)


def test_numbers_come_from_an_evaluation_alone(exported: Exported, tmp_path: Path) -> None:
    text = card(with_evaluation(exported, tmp_path))
    result = metadata(text)["model-index"][0]["results"][0]
    assert result["metrics"] == [
        {"type": "answerable.n", "value": 200},
        {"type": "answerable.f1", "value": 0.5123},
        {"type": "overall_f1", "value": 0.61},
    ]
    assert "| answerable.f1 | 0.5123 |" in text


def test_the_card_tells_how_it_was_made(exported: Exported) -> None:
    text = card(exported)
    for told in (LORA, BASE, ROWS, RECIPE, "1,200 steps", "34,000 tokens", "2.13.0+cpu", "| `seed` | 7 |"):
        assert told in text


def test_whom_it_is_for_is_told_where_that_is_not_everyone(exported: Exported) -> None:
    def told(one: Exported) -> str:
        properties = bill_of_materials(one)["metadata"]["component"]["properties"]  # type: ignore[index]
        return next(p["value"] for p in properties if p["name"] == "groundling:audience")

    assert "Not for everyone" not in card(exported)
    assert told(exported) == "everyone"
    closed = replace(exported, trained=replace(exported.trained, audience="hr, legal"))
    assert "**Not for everyone**: it learned from the collections hr, legal; whoever uses it" in card(closed)
    assert told(closed) == "hr, legal"


def test_no_paper_tells_a_folder_of_this_machine(exported: Exported, tmp_path: Path) -> None:
    whole = with_evaluation(exported, tmp_path)
    papers = card(whole) + json.dumps(bill_of_materials(whole))
    assert str(tmp_path) not in papers
    assert tmp_path.name not in papers
    assert "house.gguf" in papers


@pytest.mark.parametrize("evaluated", [False, True])
def test_the_bill_of_materials_keeps_to_cyclonedx(
    exported: Exported, tmp_path: Path, evaluated: bool
) -> None:
    bom = bill_of_materials(with_evaluation(exported, tmp_path) if evaluated else exported)
    folder = importlib.resources.files(cyclonedx.schema) / "_res"
    read = {
        name: json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text())
        for name in ("bom-1.6", "spdx", "jsf-0.82")
    }
    from referencing import Registry, Resource

    registry: Registry[Any] = Registry().with_resources(
        [(schema["$id"], Resource.from_contents(schema)) for schema in read.values()]
    )
    validator = jsonschema.Draft7Validator(read["bom-1.6"], registry=registry)
    assert [error.message for error in validator.iter_errors(bom)] == []
    wrong = {**bom, "components": [{"type": "model"}]}
    assert list(validator.iter_errors(wrong)), "the schema is really looked at"


def test_the_bill_of_materials_names_base_rows_and_libraries_by_what_can_be_checked(
    exported: Exported,
) -> None:
    bom = json.loads(json.dumps(bill_of_materials(exported)))
    model = bom["metadata"]["component"]
    assert model["hashes"] == [{"alg": "SHA-256", "content": LORA}]
    assert model["pedigree"]["ancestors"][0]["hashes"][0]["content"] == BASE
    assert [one["hashes"][0]["content"] for one in bom["components"] if one["name"] == "rows.jsonl"] == [ROWS]
    named = {one["bom-ref"] for one in bom["components"]}
    assert {ref["ref"] for ref in model["modelCard"]["modelParameters"]["datasets"]} <= named
    assert set(bom["dependencies"][0]["dependsOn"]) == named
    assert "quantitativeAnalysis" not in model["modelCard"]
    assert bom["serialNumber"] == bill_of_materials(exported)["serialNumber"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no json", "is no evaluation"),
        ("[1, 2]", "holds no numbers"),
        ('{"questions": [1], "passed": true, "auc": NaN}', "holds no numbers"),
        (
            json.dumps({"f1": 1, "model": {"lora_sha256": "9" * 64}}),
            "measured the LoRA 999999999999…, not this",
        ),
        (
            json.dumps({"lora": "9" * 64, "measures": {"right": {"n": 50}}}),
            "measured the LoRA 999999999999…, not this",
        ),
    ],
)
def test_what_is_no_evaluation_of_this_file_is_refused_in_one_line(
    tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text)
    with pytest.raises(ExportError, match=says) as refused:
        Evaluation.from_file(file, of=LORA)
    assert "\n" not in str(refused.value)
    for told in ({"lora_sha256": LORA}, {"lora": LORA}, {"lora": "House", "lora_sha256": LORA}):
        assert Evaluation.from_file(measured(tmp_path, **told), of=LORA).name == "answers"
