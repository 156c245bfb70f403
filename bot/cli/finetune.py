"""`groundling finetune`: from rows to a LoRA that answers."""

from __future__ import annotations

import click

from bot.cli.finetune_export import export
from bot.cli.finetune_prepare import prepare
from bot.cli.finetune_train import train
from bot.cli.lora_registry import COMMANDS


@click.group()
def finetune() -> None:
    """Train the model to answer from passages in your way."""


for _command in (prepare, train, export, *COMMANDS):
    finetune.add_command(_command)
