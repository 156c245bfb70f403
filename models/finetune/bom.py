"""The bill of materials of an exported file: a CycloneDX 1.6 document with its model card, data and base.

Rule: what it says can be held against bytes: every file of it has its hash, and no folder of this machine is told.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from urllib.parse import quote

from models.finetune.card import Exported

Json = Mapping[str, object]
_MODEL = "model"


def bill_of_materials(exported: Exported) -> Json:
    """The document as JSON values; the same file has the same serial number."""
    data = _data(exported)
    libraries = [
        {
            "type": "library",
            "bom-ref": f"library-{name}",
            "name": name,
            "version": number,
            "purl": f"pkg:pypi/{quote(name)}@{quote(number)}",
        }
        for name, number in exported.trained.versions.items()
    ]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(hex=exported.sha256[:32], version=4)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {
                "components": [
                    {"type": "application", "name": "groundling", "version": version("groundling")}
                ]
            },
            "component": _model(exported, [str(one["bom-ref"]) for one in data]),
        },
        "components": [*data, *libraries],
        "dependencies": [
            {"ref": _MODEL, "dependsOn": [one["bom-ref"] for one in (*data, *libraries)]},
        ],
    }


def _model(exported: Exported, data: list[str]) -> Json:
    trained = exported.trained
    told = {
        "base_model_relation": exported.relation,
        "rank": str(trained.rank),
        "alpha": f"{trained.alpha:g}",
        "steps": str(trained.step),
        "tokens": str(trained.tokens),
        "recipe": f"sha256:{trained.digest}",
        "audience": trained.audience or "everyone",
        **trained.settings,
    }
    return {
        "type": "machine-learning-model",
        "bom-ref": _MODEL,
        "name": exported.name,
        "version": exported.sha256[:12],
        "hashes": _hashes(exported.sha256),
        "licenses": _licences(exported.licence),
        "pedigree": {
            "ancestors": [
                {
                    "type": "machine-learning-model",
                    "name": exported.base,
                    "hashes": _hashes(exported.base_sha256),
                    **({"licenses": _licences(exported.base_licence)} if exported.base_licence else {}),
                }
            ]
        },
        "modelCard": {
            "modelParameters": {
                "approach": {"type": "supervised"},
                "task": "question answering from passages",
                "architectureFamily": exported.architecture,
                "datasets": [{"ref": ref} for ref in data],
                "inputs": [{"format": "text"}],
                "outputs": [{"format": "text"}],
            },
            **_measured(exported),
        },
        "properties": [{"name": f"groundling:{name}", "value": value} for name, value in told.items()],
    }


def _measured(exported: Exported) -> Json:
    evaluation = exported.evaluation
    if evaluation is None:
        return {}
    metrics = [
        {"type": name, "value": f"{value:g}", "slice": evaluation.name} for name, value in evaluation.numbers
    ]
    return {"quantitativeAnalysis": {"performanceMetrics": metrics}}


def _data(exported: Exported) -> list[Json]:
    """Data sets by name and licence, then files of rows by name and hash."""
    sets: list[Json] = [
        {
            "type": "data",
            "bom-ref": f"data-{number}",
            "name": origin,
            "licenses": _licences(licence),
            "data": [{"type": "dataset", "name": origin}],
        }
        for number, (origin, licence) in enumerate(exported.trained.used.items())
    ]
    rows: list[Json] = [
        {
            "type": "data",
            "bom-ref": f"rows-{number}",
            "name": name,
            "hashes": _hashes(sha256),
            "data": [{"type": "dataset", "name": name}],
        }
        for number, (name, sha256) in enumerate(exported.trained.rows.items())
    ]
    return [*sets, *rows]


def _hashes(sha256: str) -> list[Json]:
    return [{"alg": "SHA-256", "content": sha256}]


def _licences(name: str) -> list[Json]:
    return [{"license": {"name": name}}]
