"""Runs the bot: chat platforms, answers, syncs and the health page in one process tree, until it is told to end.

Rule: a question is taken in, durably, from the first moment to the last; nothing that takes long ever
runs on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import signal
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version

from bot.access import Access
from bot.answering import Answering
from bot.asked import Place
from bot.assistant import Assistant, PassageSearch
from bot.channel_store import ChannelStore
from bot.channels import ChannelSettings
from bot.chat_rules import access_rules, answering_settings, channel_settings, plans, source_collections
from bot.chat_wiring import PLATFORMS
from bot.config import Config
from bot.connections import Connections
from bot.curated import SOURCE as CURATED
from bot.curated import CuratedAnswers
from bot.desk import Desk
from bot.errors import ConfigError
from bot.golden_watch import GoldenWatch
from bot.health import Health, HealthPage, in_lines
from bot.inbox import Inbox
from bot.index_hold import IndexHold, Opened, in_words
from bot.journal import Journal
from bot.late_assistant import LateAssistant
from bot.library import DocumentLibrary, LateSearch
from bot.lora_choice import LoraChoice
from bot.lora_evaluation import base_of, setting_of
from bot.lora_watch import LoraWatch
from bot.platform import Platform
from bot.reload import Reload
from bot.scheduler import ALL, Scheduler
from bot.source_changes import SourceChanges
from bot.sync_process import SyncProcess
from bot.tasks import cancelled, log_failure
from bot.tokens import without_tokens
from bot.wiring import Model, Project
from knowledge.errors import IndexMissing, KnowledgeError
from models.errors import ModelError

log = logging.getLogger(__name__)

CLOSE_S = 4.0
"""How long a platform may take to close, in seconds."""

WARM_S = 20.0
"""How long platforms are not connected at most because the search is still being loaded, in seconds."""

LOOK_S = 30.0
"""How often the index is looked at for what others did, in seconds."""

MakePlatform = Callable[[Project, Desk], Platform]


class Serving:
    """Everything that `groundling serve` runs, made of `project`.

    `platforms` are those to serve, by name; by default those whose section says `enabled`. A child process
    that syncs gets `environment`.
    """

    def __init__(
        self,
        project: Project,
        *,
        platforms: Mapping[str, MakePlatform] | None = None,
        environment: Mapping[str, str] = os.environ,
        look_s: float = LOOK_S,
    ) -> None:
        config = project.config
        self._project = project
        self._wanted = enabled(config) if platforms is None else platforms
        self._look_s = look_s
        self._ending = asyncio.Event()
        self._hurry = asyncio.Event()
        self._unready: str | None = "starting"
        self._made: Assistant | None = None

        database = project.database
        self.inbox = Inbox(database)
        self._channels = ChannelStore(
            database,
            channel_settings(config),
            collections=config.collections,
            loras={one.name for one in config.lora},
        )
        sources = source_collections(config)
        self._access = Access(access_rules(config), sources)
        self._search = LateSearch(self._open_search, sources)
        self.scheduler = Scheduler(
            database, plans(config, project.root), self._sync, tidy=self._tidy, ignore=project.data
        )
        self._sources = SourceChanges(
            database, config, root=project.root, data=project.data, begin=self.scheduler.now
        )
        self._library = DocumentLibrary(
            project.catalogue, self._search, [*sources.items()], begin=self.scheduler.now, state=self._state
        )
        self._curated = CuratedAnswers(database, project.embedder)
        self._assistant = LateAssistant(self._model, self._make_assistant)
        self.answering = Answering(
            self.inbox,
            self._assistant,
            self._access,
            settings_of=self._settings_of,
            curated=self._curated,
            gone=self._gone,
            settings=answering_settings(config),
        )
        journal = Journal(database)
        self.desk = Desk(
            self.inbox, self.answering, self._access, journal, self._library, self._channels, self._curated
        )
        self._syncs = SyncProcess(
            project.file or project.root / "groundling.toml", project.data, without_tokens(environment)
        )
        self._reload = Reload(self._syncs.file, config, self._apply)
        self._connections = Connections({}, {}, first=self._connected)
        self.page = HealthPage(config.web.host, config.web.port, self.health)

    def end(self) -> None:
        """Begins the end; called again, cuts it short."""
        if self._ending.is_set():
            self._hurry.set()
        self._ending.set()

    async def run(self) -> None:
        """Serves until `end`. Raises `ConfigError` where the port is taken, or every platform refuses."""
        port = await self.page.start()
        host = self._project.config.web.host
        log.info("how the bot is: http://%s:%d/healthz", f"[{host}]" if ":" in host else host, port)
        tasks: list[asyncio.Task[None]] = []
        try:
            self._warn()
            self._connections = self._connect()
            warm = asyncio.create_task(self._warm(), name="search")
            warm.add_done_callback(log_failure)
            serving = asyncio.create_task(self._serve(warm), name="platforms")
            tasks += [warm, serving, *self._begin()]
            ending = asyncio.create_task(self._ending.wait())
            await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            if serving.done():
                await serving
        finally:
            await cancelled(tasks)
            await self._close()

    def listen_to_signals(self) -> None:
        """SIGTERM and SIGINT end; SIGHUP reads the configuration anew."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.end)
        loop.add_signal_handler(signal.SIGHUP, self._reload.now)

    def health(self) -> Health:
        """How the bot is now; looks at nothing but memory."""
        due, held = self.scheduler.next_due, self._hold.held if self._hold else None
        return Health(
            version("groundling"),
            platforms={name: state.connected for name, state in self._connections.states.items()},
            model=self._assistant.state,
            questions={**self.answering.counts, "open": self.answering.busy_with},
            index_version=self._search.version,
            next_sync=due.isoformat(timespec="seconds") if due else None,
            unready=self._connections.missing() or self._unready,
            held_since=held.moment.isoformat(timespec="seconds") if held else None,
        )

    # While it runs

    def _begin(self) -> list[asyncio.Task[None]]:
        tasks = [
            asyncio.create_task(self._assistant.run(), name="assistant"),
            asyncio.create_task(self._reload.watch(), name="reload"),
            asyncio.create_task(self._schedule(), name="scheduler"),
            asyncio.create_task(self._look_again(), name="index"),
            asyncio.create_task(self._golden.run(), name="golden questions"),
        ]
        for task in tasks:
            task.add_done_callback(log_failure)
        return tasks

    async def _serve(self, warm: asyncio.Task[None]) -> None:
        # Importing the embedder's libraries holds the interpreter for up to seconds at a time: longer than
        # platforms wait for a first sign. The language model is loaded elsewhere and may take what it takes.
        await asyncio.wait({warm}, timeout=WARM_S)
        await self._connections.serve()

    async def _connected(self, name: str) -> None:
        """Goes on with the questions of a platform that can be reached now."""
        states = self._connections.states
        known = {one: platform for one, platform in self._connections.platforms.items() if states[one].ever}
        log.info("%s: going on with what was asked", name)
        await self.answering.start(known)

    async def _sync(self, source: str) -> None:
        await self._syncs.run(None if source == ALL else source)
        await asyncio.to_thread(self._look)
        self._golden.look()

    async def _schedule(self) -> None:
        await self.scheduler.start()
        await self._sources.watch()

    async def _tidy(self) -> None:
        keep_s = self._project.config.limits.journal_days * 86400.0
        await self.inbox.tidy(keep_s=keep_s, but=self.answering.under_way)

    async def _warm(self) -> None:
        """Loads what the first question would wait for."""
        await asyncio.to_thread(self._look)
        with contextlib.suppress(ModelError):
            await asyncio.to_thread(self._project.load_readers)

    async def _look_again(self) -> None:
        """Hears of syncs that were begun by hand, and of LoRAs that were activated."""
        while True:
            await asyncio.sleep(self._look_s)
            before = self._search.version
            await asyncio.to_thread(self._look, only_new=True)
            await self._loras.look()
            held = self._hold is not None and await asyncio.to_thread(self._hold.look)
            if held or self._search.version != before:
                self._golden.look()

    def _look(self, *, only_new: bool = False) -> None:
        """Finds out what there is to search now; `only_new` looks no further where the index is as it was."""
        before = self._search.version
        try:
            if self._search.look() == before and only_new:
                return
            self._library.look()
            self._unready = None
        except IndexMissing:
            self._unready = "there is no index yet"
        except (KnowledgeError, ModelError) as error:
            self._unready = str(error)
            log.error("the documents cannot be searched: %s", error)

    def _apply(self, config: Config) -> None:
        sources = source_collections(config)
        self._search.collections = self._access.sources = sources  # first: who reads them changes next
        self._access.rules = access_rules(config)
        self._channels.configured = channel_settings(config)
        self._channels.collections = config.collections
        self._sources.take(config)
        self._warn_of_readers(config)

    def _settings_of(self, place: Place) -> ChannelSettings:
        return self._loras.limited(self._channels.of(place.ids))

    def _gone(self, documents: Collection[str]) -> set[str]:
        reviewed = {document for document in documents if document.startswith(f"{CURATED}:")}
        return self._library.gone(set(documents) - reviewed) | self._curated.gone(reviewed)

    def _state(self) -> str:
        """How the bot is, in a few lines for an administrator."""
        running = self.scheduler.running
        syncing = f"; syncing {running or 'all sources'} now" if running is not None else ""
        troubles = [f"the syncs of {name or 'all sources'} fail" for name in self.scheduler.failing]
        if self._golden.drop is not None:
            troubles.append(f"The golden questions dropped: {self._golden.drop}")
        if self._hold is not None and self._hold.held is not None:
            troubles.append(in_words(self._hold.held))
        return in_lines(self.health(), syncing=syncing, troubles=troubles)

    async def _close(self) -> None:
        """Takes nothing more in, ends what is begun, lets go of everything."""
        log.info("ending; %d questions are open", self.answering.busy_with)
        stopping = asyncio.create_task(self.scheduler.stop())
        draining = asyncio.create_task(self.answering.drain(self._project.config.limits.drain_seconds))
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait({draining, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not draining.done():
            draining.cancel()
            await self.answering.drain(0.0)
        await self._connections.close(CLOSE_S)
        await stopping
        await self._assistant.close()
        await self.page.close()
        await self.inbox.close()
        log.info("ended")

    # Parts

    def _connect(self) -> Connections:
        platforms: dict[str, Platform] = {}
        refused: dict[str, ConfigError] = {}
        for name, make in self._wanted.items():
            try:
                platforms[name] = make(self._project, self.desk)
            except ConfigError as error:
                refused[name] = error
        if refused and not platforms:
            raise next(iter(refused.values()))
        return Connections(platforms, refused, first=self._connected)

    def _open_search(self) -> Opened:
        return self._newest() if self._hold is None else (self._hold, self._hold.version)

    def _newest(self) -> Opened:
        retriever, store = self._project.retriever, self._project.store
        return retriever, lambda: store.version

    @functools.cached_property
    def _hold(self) -> IndexHold | None:
        project = self._project
        if not project.config.schedule.hold:
            return None
        made_of, golden = (project.data, project.catalogue, project.registry), project.config.schedule.golden
        over, file = project.retriever_over, project.path(golden or "")
        return IndexHold(*made_of, newest=self._newest, over=over, golden=file)

    def _model(self) -> Model | None:
        return self._project.generator(parallel=self._parallel)

    def _make_assistant(self, model: Model | None, note: str | None) -> Assistant:
        made = self._project.assistant(
            model,
            self._search,
            parallel=self._parallel,
            without_model=note,
            index_version=lambda: self._search.version or 0,
        )
        self._made = made
        if self._project.config.model.kind == "gguf" and model is not None:
            self._loras.begin(model, made, lambda: self._project.answer_settings(model))
        return made

    @functools.cached_property
    def _loras(self) -> LoraWatch:
        return LoraWatch(self._project.registry, self._chosen, change=self._golden.look)

    @functools.cached_property
    def _golden(self) -> GoldenWatch:
        project, config = self._project, self._project.config
        golden = config.schedule.golden
        return GoldenWatch(
            None if golden is None else project.path(golden),
            self._assistant,
            self._search,
            registry=project.registry,
            journal=Journal(project.database),
            setting=lambda file: setting_of(
                project.registry,
                project.catalogue,
                base_of(config.model, project.weights),
                file,
                persona=config.bot.persona,
            ),
            lora=lambda: self._loras.answers_with,
            idle=lambda: self._assistant.state in ("ready", "none") and not self.answering.busy_with,
            hold=self._hold,
            over=self._over,
        )

    def _over(self, search: PassageSearch) -> Assistant:
        assert self._made is not None  # golden questions are asked when it is there
        return self._made.over(search)

    def _chosen(self) -> LoraChoice:
        return self._project.lora_choices.choice(self._project.weights())

    @property
    def _parallel(self) -> int:
        return self._project.config.model.parallel

    def _warn(self) -> None:
        config = self._project.config
        if not self._wanted:
            log.warning("no chat platform is enabled; add [slack] or [discord] with enabled = true")
        self._warn_of_readers(config)

    def _warn_of_readers(self, config: Config) -> None:
        readable = access_rules(config).readers
        if self._wanted and not readable:
            log.warning('nobody may read anything in chats; add readers = ["everyone"] to a [[collection]]')
        unknown = sorted(set(readable) - {source.collection for source in config.source})
        if unknown:
            log.warning("[[collection]] %s has readers, but no source belongs to it", ", ".join(unknown))


def enabled(config: Config) -> dict[str, MakePlatform]:
    """The platforms whose section says so."""
    return {name: make for name, make in PLATFORMS.items() if getattr(config, name).enabled}
