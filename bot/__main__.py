"""The program's door: runs the command line and turns every expected error into one line and an exit code.

Exit 0 done, 1 the thing asked for failed, 2 wrong use or configuration.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path

import click


def main() -> None:
    """The console script `groundling`."""
    _prepare()
    from bot.cli.root import root
    from bot.errors import BotError, WrongUse
    from knowledge.errors import KnowledgeError
    from models.errors import ModelError

    try:
        status = root(prog_name="groundling", standalone_mode=False)
        # A pipe that broke is noticed here, where it can still be answered for.
        sys.stdout.flush()
        sys.exit(status if isinstance(status, int) else 0)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        click.echo(_wrong_use(error), err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output has gone; what it wanted it has.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (BotError, KnowledgeError, ModelError) as error:
        click.echo(f"groundling: {_one_line(str(error))}", err=True)
        sys.exit(2 if isinstance(error, WrongUse) else 1)
    except OSError as error:
        click.echo(f"groundling: {_explain(error)}", err=True)
        sys.exit(1)


def _prepare() -> None:
    _open_streams()
    # Set before any library can look: nothing asks a model hub for anything, tokenizers do not fork.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.umask(0o077)
    # Left alone, asyncio would answer Ctrl-C only after the line that is being waited for.
    signal.signal(signal.SIGINT, _stop)
    # Questions are UTF-8 whatever the locale says; bytes that are not become replacement signs.
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _open_streams() -> None:
    """Opens the standard streams that the caller closed, to nowhere.

    Else the files of the data folder took their places, and were written what is meant for people.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 (for as long as the program)
            os.set_inheritable(stream.fileno(), True)  # noqa: FBT003 (has no name)
            setattr(sys, name, stream)


def _stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _wrong_use(error: click.ClickException) -> str:
    message = _one_line(error.format_message()).rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return f"groundling: {message}"
    return f"{context.command_path}: {message}; see: {context.command_path} --help"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _explain(error: OSError) -> str:
    import errno

    name = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"the disk is full{name}; make room and run the command again, nothing was lost"
    return f"{error.strerror or error}{name}"


if __name__ == "__main__":
    main()
