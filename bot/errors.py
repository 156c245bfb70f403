"""What can go wrong above the documents and the models, as one small tree.

    BotError
    ├── WrongUse          the call makes no sense: exit 2
    │   └── ConfigError   the configuration is missing, broken or has an unknown key: exit 2
    └── Failed            the thing asked for failed: exit 1
        └── Gone          what is meant is not there, or not any more: exit 1

Each message is one line for the person who runs the program and names the mend.
"""

from __future__ import annotations


class BotError(Exception):
    """Anything of the bot package."""


class WrongUse(BotError):
    """The call makes no sense as it stands."""


class ConfigError(WrongUse):
    """The configuration is missing, broken, or has a key that nobody knows."""


class Failed(BotError):
    """The thing asked for failed."""


class Gone(Failed):
    """What is meant is not there, or not any more."""
