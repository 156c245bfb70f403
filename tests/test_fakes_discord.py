from __future__ import annotations

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import aiohttp
import pytest
import yarl

from tests.fakes import discord_gateway as gateway
from tests.fakes import discord_world as world
from tests.fakes.discord import TOKEN, FakeDiscord

# The voice part of discord.py imports a module that Python is about to lose.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import discord
    from discord import app_commands, ui
    from discord.gateway import DiscordWebSocket
    from discord.http import Route

INTENTS = discord.Intents(guilds=True, guild_messages=True, dm_messages=True)
Story = Callable[[FakeDiscord, "Bot"], Coroutine[Any, Any, None]]


class Bot(discord.Client):
    """A bare client that writes down what it hears; no pause between identifies."""

    def __init__(self, *, intents: discord.Intents = INTENTS) -> None:
        super().__init__(
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            guild_ready_timeout=0.05,
            max_messages=None,
        )
        self.tree = app_commands.CommandTree(self)
        self.heard: list[discord.Message] = []
        self.told: list[str] = []

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        pass

    async def setup_hook(self) -> None:
        await self.tree.sync()

    async def on_message(self, message: discord.Message) -> None:
        if message.author != self.user:
            self.heard.append(message)

    async def on_socket_event_type(self, kind: str) -> None:
        self.told.append(kind)

    @property
    def contents(self) -> list[str]:
        return [message.content for message in self.heard]


class Feedback(ui.DynamicItem[ui.Button[Any]], template=r"fb:(?P<answer>\w+)"):
    """A button that outlives its process: nothing is known of it but its custom id."""

    def __init__(self, answer: str) -> None:
        super().__init__(ui.Button(label="Not helpful", custom_id=f"fb:{answer}"))
        self.answer = answer

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: ui.Item[Any], match: re.Match[str]
    ) -> Feedback:
        return cls(match["answer"])

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(Reason(self.answer))


class Reason(ui.Modal, title="What was wrong?"):
    reason: ui.Label[Any] = ui.Label(
        text="Reason", component=ui.TextInput(custom_id="reason", max_length=100)
    )

    def __init__(self, answer: str) -> None:
        super().__init__(custom_id=f"reason:{answer}")
        self.answer = answer

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.reason.component, ui.TextInput)
        said = f"Thank you: {self.reason.component.value}"
        await interaction.response.send_message(said, ephemeral=True)


@contextlib.asynccontextmanager
async def connected(fake: FakeDiscord, client: discord.Client) -> AsyncIterator[asyncio.Task[None]]:
    """Points discord.py at `fake` and runs `client` until the end."""
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = fake.api_url, yarl.URL(fake.gateway_url)
    running = asyncio.create_task(client.start(fake.token))
    try:
        ready = asyncio.create_task(fake.until(client.is_ready))
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        yield running
    finally:
        await client.close()
        await asyncio.gather(running, ready, return_exceptions=True)
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before


def run(story: Story, bot: Callable[[], Bot] = Bot) -> None:
    """Plays `story` with a connected bot."""

    async def play() -> None:
        async with FakeDiscord() as fake:
            client = bot()
            async with connected(fake, client):
                await story(fake, client)

    asyncio.run(play())


def run_with(prepare: Callable[[Bot], None], story: Story) -> None:
    """Plays `story` with a bot whose commands `prepare` has registered."""

    def bot() -> Bot:
        made = Bot()
        prepare(made)
        return made

    run(story, bot)


def channel_of(bot: Bot, place: world.Channel) -> discord.TextChannel:
    channel = bot.get_channel(place.id)
    assert isinstance(channel, discord.TextChannel)
    return channel


def ask(bot: Bot) -> None:
    """Registers /ask, which thinks, and answers with the question."""

    @bot.tree.command(description="Asks")
    async def ask(interaction: discord.Interaction, question: str, *, private: bool = False) -> None:
        await interaction.response.defer(thinking=True, ephemeral=private)
        await interaction.edit_original_response(content=f"You asked: {question}")


def test_a_client_logs_in_syncs_its_commands_and_sees_its_guild() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        routes = [call.route for call in fake.calls]
        assert routes == [
            "GET /users/@me",
            "GET /oauth2/applications/@me",
            "PUT /applications/{}/commands",
        ]
        assert fake.identifies == 1
        assert fake.gateway.identifies[0]["intents"] == INTENTS.value
        assert [guild.name for guild in bot.guilds] == ["Team"]
        assert channel_of(bot, fake.general).permissions_for(bot.guilds[0].me).send_messages
        assert fake.gateway.heartbeats > 0
        fetched = await bot.tree.fetch_commands()
        assert [(command.name, command.id) for command in fetched] == [
            (command["name"], int(command["id"])) for command in fake.commands.scopes[None].values()
        ]

    run_with(ask, story)


def test_a_wrong_token_is_refused_at_both_doors() -> None:
    async def story() -> None:
        async with FakeDiscord() as fake:
            client = Bot()
            fake.token = "wrong"
            async with connected(fake, client) as running:
                with pytest.raises(discord.LoginFailure):
                    await running
            async with aiohttp.ClientSession() as session, session.ws_connect(fake.gateway_url) as socket:
                assert (await socket.receive_json())["op"] == 10
                await socket.send_json({"op": 2, "d": {"token": "wrong", "intents": 0}})
                await socket.receive()
                assert socket.close_code == 4004

    asyncio.run(story())


def test_a_slash_command_is_deferred_and_its_answer_edited_in() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        used = fake.slash(fake.ada, fake.general, "ask", {"question": "how many days?"})
        await fake.until(lambda: fake.answers(fake.general) == ["You asked: how many days?"])
        (answer,) = fake.visible(fake.general)
        assert answer.versions == ("", "You asked: how many days?")
        assert not answer.loading
        assert used.answered == 5
        assert used.id in fake.first_response_s
        assert answer.allowed_mentions == {"parse": []}

    run_with(ask, story)


def test_what_is_answered_privately_is_seen_by_the_asker_alone() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        fake.slash(fake.bob, fake.general, "ask", {"question": "my salary", "private": True})
        await fake.until(lambda: [m.text for m in fake.seen_by(fake.bob)] == ["You asked: my salary"])
        assert fake.visible(fake.general) == []
        assert fake.seen_by(fake.ada) == []
        assert "MESSAGE_CREATE" not in bot.told
        with pytest.raises(LookupError):
            fake.slash(fake.bob, fake.general, "forget")

    run_with(ask, story)


def test_the_first_followup_takes_the_place_of_thinking_and_the_next_is_a_message_of_its_own() -> None:
    def prepare(bot: Bot) -> None:
        @bot.tree.command(description="Asks")
        async def ask(interaction: discord.Interaction) -> None:
            await interaction.response.defer(thinking=True)
            first = await interaction.followup.send("one", wait=True)
            await interaction.followup.send("two")
            await first.edit(content="one, edited")

    async def story(fake: FakeDiscord, bot: Bot) -> None:
        fake.slash(fake.ada, fake.general, "ask")
        await fake.until(lambda: len(fake.answers(fake.general)) == 2)
        await fake.until(lambda: "one" not in fake.answers(fake.general))
        assert fake.answers(fake.general) == ["one, edited", "two"]

    run_with(prepare, story)


def test_responses_that_come_late_or_twice_are_refused_with_their_codes() -> None:
    refused: list[tuple[int, int]] = []

    def prepare(bot: Bot) -> None:
        @bot.tree.command(description="Responds twice")
        async def twice(interaction: discord.Interaction) -> None:
            await interaction.response.send_message("once")
            # A second response object, as the first knows that it has responded.
            await discord.InteractionResponse(interaction).send_message("twice")

        @bot.tree.command(description="Takes its time")
        async def late(interaction: discord.Interaction) -> None:
            clocks[0].advance(3.1)
            await interaction.response.send_message("late")

        @bot.tree.command(description="Takes very long")
        async def expired(interaction: discord.Interaction) -> None:
            await interaction.response.defer()
            clocks[0].advance(901)
            await interaction.edit_original_response(content="never seen")

        async def note(interaction: discord.Interaction, error: app_commands.AppCommandError) -> None:
            cause = error.__cause__
            assert isinstance(cause, discord.HTTPException)
            refused.append((cause.status, cause.code))

        bot.tree.error(note)

    clocks: list[FakeDiscord] = []

    async def story(fake: FakeDiscord, bot: Bot) -> None:
        clocks.append(fake)

        async def refusal_of(name: str) -> tuple[int, int]:
            before = len(refused)
            fake.slash(fake.ada, fake.general, name)
            await fake.until(lambda: len(refused) > before)
            return refused[-1]

        assert await refusal_of("twice") == (400, 40060)
        assert await refusal_of("late") == (404, 10062)
        assert await refusal_of("expired") == (401, 50027)
        assert fake.answers(fake.general) == ["once", ""]

    run_with(prepare, story)


def test_a_message_command_gets_the_message_with_its_content() -> None:
    def prepare(bot: Bot) -> None:
        @bot.tree.context_menu(name="Ask about this")
        async def about(interaction: discord.Interaction, message: discord.Message) -> None:
            await interaction.response.send_message(f"It says: {message.content}", suppress_embeds=True)

    async def story(fake: FakeDiscord, bot: Bot) -> None:
        posted = fake.post(fake.bob, fake.general, "The car park closes at nine.")
        fake.context_menu(fake.ada, fake.general, posted.id, "Ask about this")
        await fake.until(lambda: fake.answers(fake.general) == ["It says: The car park closes at nine."])
        assert fake.visible(fake.general)[-1].flags & world.SUPPRESS_EMBEDS
        with pytest.raises(LookupError):
            fake.context_menu(fake.ada, fake.general, fake.bob, "Ask about this")

    run_with(prepare, story)


def test_a_button_of_an_earlier_process_opens_a_form_and_the_form_is_answered() -> None:
    def prepare(bot: Bot) -> None:
        bot.add_dynamic_items(Feedback)

    async def story(fake: FakeDiscord, bot: Bot) -> None:
        view = ui.View(timeout=None)
        view.add_item(Feedback("a1"))
        sent = await channel_of(bot, fake.general).send("An answer", view=view)
        view.stop()
        pressed = fake.click(fake.bob, sent.id, "fb:a1")
        await fake.until(lambda: pressed.modal)
        with pytest.raises(ValueError, match="101"):
            fake.submit_modal(fake.bob, "reason:a1", {"reason": "x" * 101})
        with pytest.raises(LookupError):
            fake.submit_modal(fake.ada, "reason:a1", {"reason": "not mine"})
        fake.submit_modal(fake.bob, "reason:a1", {"reason": "too long"})
        await fake.until(lambda: [m.text for m in fake.seen_by(fake.bob)] == ["Thank you: too long"])
        with pytest.raises(LookupError):
            fake.click(fake.bob, sent.id, "fb:a2")
        forged = fake.click(fake.bob, sent.id, "fb:forged", forged=True)
        await fake.until(lambda: bot.told.count("INTERACTION_CREATE") == 3)
        assert forged.answered is None

    run_with(prepare, story)


def test_autocomplete_offers_at_most_25_choices() -> None:
    def prepare(bot: Bot) -> None:
        @bot.tree.command(description="Finds")
        async def find(interaction: discord.Interaction, title: str) -> None:
            await interaction.response.send_message(title)

        @find.autocomplete("title")
        async def titles(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
            count = 26 if current == "all" else 25
            return [app_commands.Choice(name=f"{current} {n}", value=str(n)) for n in range(count)]

    async def story(fake: FakeDiscord, bot: Bot) -> None:
        typed = fake.autocomplete(fake.ada, fake.general, "find", {"title": "lea"}, "title")
        await fake.until(lambda: typed.choices)
        assert typed.choices is not None
        assert [typed.choices[0]["name"], len(typed.choices)] == ["lea 0", 25]
        fake.autocomplete(fake.ada, fake.general, "find", {"title": "all"}, "title")
        await fake.until(lambda: fake.calls[-1].status == 400)
        assert fake.calls[-1].answer["code"] == 50035

    run_with(prepare, story)


def test_options_of_every_kind_reach_a_subcommand_with_what_they_stand_for() -> None:
    got: list[object] = []

    def prepare(bot: Bot) -> None:
        group = app_commands.Group(name="documents", description="Documents", guild_only=True)

        @group.command(description="Adds one")
        async def add(
            interaction: discord.Interaction,
            file: discord.Attachment,
            owner: discord.Member,
            readers: discord.Role,
            place: discord.TextChannel,
            copies: app_commands.Range[int, 1, 9],
            *,
            public: bool = False,
        ) -> None:
            got.extend([await file.read(), owner.name, owner.roles[-1].name, readers.name])
            got.extend([place.name, copies, public])
            await interaction.response.send_message("Added", ephemeral=True)

        bot.tree.add_command(group)

    async def story(fake: FakeDiscord, bot: Bot) -> None:
        staff = fake.add_role(fake.guild, "Staff", fake.bob)
        options = {
            "file": ("leave.md", b"25 days"),
            "owner": fake.bob,
            "readers": staff,
            "place": fake.general,
            "copies": 2,
            "public": True,
        }
        with pytest.raises(LookupError):
            fake.slash(fake.ada, fake.general, "documents add", {"copies": 2})
        with pytest.raises(LookupError):
            fake.slash(fake.ada, fake.direct_channel(fake.ada), "documents add", options)
        fake.slash(fake.ada, fake.general, "documents add", options)
        await fake.until(lambda: fake.seen_by(fake.ada))
        assert got == [b"25 days", "bob", "Staff", "Staff", "general", 2, True]

    run_with(prepare, story)


def test_a_direct_question_is_answered_by_a_layout_whose_menu_can_be_used() -> None:
    def prepare(bot: Bot) -> None:
        class Choice(ui.LayoutView):
            row: ui.ActionRow[Any] = ui.ActionRow()

            @row.select(options=[discord.SelectOption(label=name) for name in ("short", "long")])
            async def length(self, interaction: discord.Interaction, select: ui.Select[Any]) -> None:
                self.clear_items()
                self.add_item(ui.TextDisplay(f"A {select.values[0]} answer"))
                await interaction.response.edit_message(view=self)

        @bot.tree.command(description="Asks")
        async def ask(interaction: discord.Interaction) -> None:
            assert interaction.guild is None
            await interaction.response.send_message(view=Choice(timeout=None))

    async def story(fake: FakeDiscord, bot: Bot) -> None:
        place = fake.direct_channel(fake.bob)
        fake.slash(fake.bob, place, "ask")
        (sent,) = await fake.until(lambda: fake.visible(place))
        await fake.until(lambda: fake.calls[-1].status == 200)
        (menu,) = sent.custom_ids
        fake.click(fake.bob, sent.id, menu, ["long"])
        await fake.until(lambda: fake.answers(place) == ["A long answer"])
        assert sent.flags == world.COMPONENTS_V2

    run_with(prepare, story)


def test_content_is_given_for_mentions_pinging_replies_and_direct_messages_only() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        sent = await channel_of(bot, fake.general).send("An answer")
        fake.post(fake.ada, fake.general, "between us")
        fake.mention(fake.ada, fake.general, "and you?")
        fake.post(fake.ada, fake.general, "why?", reply_to=sent.id)
        fake.post(fake.ada, fake.general, "not for you", reply_to=sent.id, ping=False)
        fake.direct(fake.bob, "in private")
        await fake.until(lambda: len(bot.heard) == 5)
        mention = f"<@{fake.bot.id}> and you?"
        assert bot.contents == ["", mention, "why?", "", "in private"]
        assert [bot.user in message.mentions for message in bot.heard] == [False, True, True, False, False]
        assert isinstance(bot.heard[-1].channel, discord.DMChannel)
        reference = bot.heard[2].reference
        assert reference is not None
        assert isinstance(reference.resolved, discord.Message)
        assert reference.resolved.content == "An answer"
        fake.post_by_webhook(fake.general, "Build", f"<@{fake.bot.id}> failed")
        await fake.until(lambda: len(bot.heard) == 6)
        assert bot.heard.pop().webhook_id is not None
        await bot.heard[-1].reply("You too")
        assert fake.answers(fake.direct_channel(fake.bob)) == ["You too"]

    run(story)


def test_the_content_intent_is_refused_until_it_is_granted() -> None:
    intents = discord.Intents(guilds=True, guild_messages=True, message_content=True)

    async def story() -> None:
        async with FakeDiscord() as fake:
            async with connected(fake, Bot(intents=intents)) as running:
                with pytest.raises(discord.PrivilegedIntentsRequired):
                    await running
            fake.allow_intents(gateway.MESSAGE_CONTENT)
            reading = Bot(intents=intents)
            async with connected(fake, reading):
                fake.post(fake.ada, fake.general, "anything")
                await fake.until(lambda: reading.contents == ["anything"])
            assert fake.identifies == 2

    asyncio.run(story())


def test_a_thread_is_opened_at_a_message_and_talked_in() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        asked = fake.mention(fake.ada, fake.general, "how many days?")
        await fake.until(lambda: bot.heard)
        thread = await bot.heard[0].create_thread(name="Days", auto_archive_duration=1440)
        await thread.send("25 days")
        assert asked.thread is not None
        assert thread.id == asked.id
        fake.mention(fake.bob, asked.thread, "and part-time?")
        await fake.until(lambda: len(bot.heard) == 2)
        assert isinstance(bot.heard[1].channel, discord.Thread)
        assert [message.text for message in fake.visible(asked.thread)] == [
            "25 days",
            f"<@{fake.bot.id}> and part-time?",
        ]
        history = [message.content async for message in thread.history(oldest_first=True)]
        assert history[-2:] == ["25 days", f"<@{fake.bot.id}> and part-time?"]
        with pytest.raises(discord.HTTPException) as refused:
            await bot.heard[0].create_thread(name="Again")
        assert refused.value.code == 160004
        forum = fake.add_channel(fake.guild, "questions", kind="forum")
        post = fake.open_thread(fake.ada, forum, "A question")
        await fake.until(lambda: bot.get_channel(post.id))

    run(story)


def test_channels_that_the_bot_may_not_see_or_write_to_say_so() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        hidden = fake.add_channel(fake.guild, "board", only=[fake.ada])
        fake.mention(fake.ada, hidden, "unheard")
        with pytest.raises(PermissionError):
            fake.post(fake.bob, hidden, "let me in")
        with pytest.raises(discord.Forbidden) as refused:
            await bot.http.get_message(hidden.id, hidden.last_message or 0)
        assert refused.value.code == 50001
        fake.forbid(fake.general, world.SEND_MESSAGES)
        with pytest.raises(discord.Forbidden) as refused:
            await channel_of(bot, fake.general).send("hello")
        assert refused.value.code == 50013
        with pytest.raises(discord.NotFound) as lost:
            await bot.fetch_channel(1)
        assert lost.value.code == 10003
        fake.mention(fake.ada, fake.general, "heard")
        await fake.until(lambda: bot.heard)
        assert len(bot.heard) == 1

    run(story)


def test_the_history_is_paged_and_messages_change_and_go() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        channel = channel_of(bot, fake.general)
        ids = [fake.post(fake.ada, fake.general, f"m{number}").id for number in range(120)]
        found = [message.id async for message in channel.history(limit=110, oldest_first=True)]
        assert found == ids[:110]
        latest = [message.id async for message in channel.history(limit=3)]
        assert latest == ids[:-4:-1]
        after = [m.id async for m in channel.history(after=discord.Object(ids[-3]), limit=5)]
        assert after == ids[-2:]
        sent = await channel.send("first")
        await sent.edit(content="second")
        await sent.add_reaction("👍")
        assert fake.visible(fake.general)[-1].reactions == {"👍": [fake.bot.id]}
        assert fake.visible(fake.general)[-1].versions == ("first", "second")
        with pytest.raises(discord.Forbidden) as refused:
            await channel.get_partial_message(ids[0]).edit(content="mine now")
        assert refused.value.code == 50005
        fake.delete(sent.id)
        with pytest.raises(discord.NotFound) as gone:
            await sent.edit(content="third")
        assert gone.value.code == 10008
        fake.edit(ids[0], "m0, edited")
        await fake.until(lambda: {"MESSAGE_UPDATE", "MESSAGE_DELETE"} <= set(bot.told))

    run(story)


def test_an_old_message_takes_only_a_few_edits() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        sent = await channel_of(bot, fake.general).send("0")
        fake.advance(3601)
        for number in range(1, 4):
            await sent.edit(content=str(number))
        with pytest.raises(discord.HTTPException) as refused:
            await sent.edit(content="4")
        assert (refused.value.status, refused.value.code) == (429, 30046)

    run(story)


def test_a_message_whose_reply_was_lost_is_not_posted_twice() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        fake.fail("POST /channels/{}/messages", ["500_after"])
        sent = await channel_of(bot, fake.general).send("once")
        assert [message.id for message in fake.visible(fake.general)] == [sent.id]
        statuses = [call.status for call in fake.called("POST /channels/{}/messages")]
        assert statuses == [500, 200]

    run(story)


@pytest.mark.parametrize(
    ("kind", "error", "stored"),
    [
        (503, discord.DiscordServerError, 0),
        ("429_bare", discord.HTTPException, 0),
        ("drop_before", aiohttp.ClientError, 0),
        ("drop_after", aiohttp.ClientError, 1),
        (50013, discord.Forbidden, 0),
    ],
)
def test_faults_reach_the_client_as_they_would(kind: str | int, error: type[Exception], stored: int) -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        fake.fail("POST /channels/{}/messages", [kind])
        with pytest.raises(error):
            await channel_of(bot, fake.general).send("hello")
        assert len(fake.visible(fake.general)) == stored
        await channel_of(bot, fake.general).send("again")
        assert len(fake.visible(fake.general)) == stored + 1

    run(story)


def test_rate_limits_are_waited_out_when_they_name_a_proxy() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        fake.fail("POST /channels/{}/messages", ["html", 429, "429_shared", "429_global"])
        await channel_of(bot, fake.general).send("hello")
        assert fake.answers(fake.general) == ["hello"]
        statuses = [call.status for call in fake.called("POST /channels/{}/messages")]
        assert statuses == [502, 429, 429, 429, 200]
        assert (fake.unmet_faults, fake.invalid_requests) == ({}, 3)
        with pytest.raises(LookupError):
            fake.fail("POST /channels/{}/message", [500])

    run(story)


def test_a_bucket_slows_the_client_down_without_refusing_anything() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        fake.limit("POST /channels/{}/messages", 2, 0.2)
        for number in range(5):
            await channel_of(bot, fake.general).send(str(number))
        assert fake.answers(fake.general) == list("01234")
        assert {call.status for call in fake.called("POST /channels/{}/messages")} == {200}

    run(story)


def test_who_does_not_heed_the_limits_is_told_which_one_and_for_how_long() -> None:
    async def story() -> None:
        headers = {"Authorization": f"Bot {TOKEN}"}
        async with FakeDiscord() as fake, aiohttp.ClientSession(headers=headers) as session:
            fake.limit()
            fake.server.buckets.all = (5, 60.0)
            fake.limit("GET /users/@me", 2, 60.0)
            answers = [await session.get(f"{fake.api_url}/users/@me") for _ in range(6)]
            scopes = [answer.headers.get("X-RateLimit-Scope") for answer in answers]
            assert scopes == [None, None, "user", "user", "user", "global"]
            assert [answer.headers.get("X-RateLimit-Remaining") for answer in answers[:3]] == ["1", "0", "0"]
            told = await answers[-1].json()
            assert (told["global"], 0 < told["retry_after"] <= 60) == (True, True)

    asyncio.run(story())


def test_random_faults_are_the_same_for_the_same_seed() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        met = []
        for _ in range(2):
            fake.faults(share=0.5, seed=7, kinds=[503, 403])
            for _ in range(10):
                with contextlib.suppress(discord.HTTPException):
                    await channel_of(bot, fake.general).send("x")
            met.append([call.fault for call in fake.calls[-10:]])
        assert met[0] == met[1]
        assert {503, 403, "ok"} == set(met[0])

    run(story)


def test_what_is_over_a_limit_is_refused_with_the_field_named() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        channel = channel_of(bot, fake.general)

        async def refused(**content: Any) -> str:
            with pytest.raises(discord.HTTPException) as error:
                await channel.send(**content)
            assert error.value.code in (50035, 50006)
            return error.value.text

        await channel.send("x" * 2000)
        assert "In content: Must be 2000 or fewer" in await refused(content="x" * 2001)
        assert "empty message" in await refused(content=" \n ")
        assert "embeds.0.description" in await refused(embed=discord.Embed(description="x" * 4097))
        embeds = [discord.Embed(description="x" * 3001) for _ in range(2)]
        assert "6000" in await refused(embeds=embeds)
        view = ui.View(timeout=None)
        view.add_item(ui.Button(label="x" * 81, custom_id="c"))
        assert "components.0.components.0.label" in await refused(content="x", view=view)
        layout = ui.LayoutView(timeout=None)
        layout.add_item(ui.TextDisplay("x" * 2500))
        sent = await channel.send(view=layout)
        assert fake.visible(fake.general)[-1].text == "x" * 2500
        layout.add_item(ui.TextDisplay("y" * 1501))
        with pytest.raises(discord.HTTPException) as error:
            await sent.edit(view=layout)
        assert "4000" in error.value.text
        plain = await channel.send("a draft")
        short = ui.LayoutView(timeout=None)
        short.add_item(ui.Container(ui.TextDisplay("the answer")))
        with pytest.raises(discord.HTTPException):
            await plain.edit(view=short)
        await plain.edit(content=None, view=short)
        assert fake.visible(fake.general)[-1].versions == ("a draft", "the answer")

    run(story)


def test_nobody_is_called_who_may_not_be_and_previews_can_be_told() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        role = fake.add_role(fake.guild, "Staff", fake.bob)
        text = f"@everyone <@{fake.bob.id}> <@&{role.id}> https://evil.example/x <https://a.example>"
        channel = channel_of(bot, fake.general)
        await channel.send(text)
        await channel.send(text, allowed_mentions=discord.AllowedMentions(users=True), suppress_embeds=True)
        quiet, loud = fake.visible(fake.general)
        assert (quiet.mentions, quiet.mention_roles, quiet.mention_everyone) == ((), (), False)
        assert quiet.previews == ["https://evil.example/x"]
        assert [user.name for user in loud.mentions] == ["bob"]
        assert loud.previews == []

    run(story)


def test_files_go_both_ways() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        posted = fake.post(
            fake.ada, fake.direct_channel(fake.ada), "read this", files=[("a.txt", b"25 days")]
        )
        await fake.until(lambda: bot.heard)
        (attachment,) = bot.heard[0].attachments
        assert (attachment.filename, attachment.size, attachment.content_type) == ("a.txt", 7, "text/plain")
        assert await attachment.read() == b"25 days"
        await bot.heard[0].reply("Read", file=await attachment.to_file())
        assert fake.visible(posted.channel)[-1].attachments[0].content == b"25 days"
        fake.world.files.clear()
        with pytest.raises(discord.NotFound):
            await attachment.read()

    run(story)


@pytest.mark.parametrize("cut", ["reconnect", "abort_gateway", "close_gateway", "invalidate"])
def test_a_cut_connection_is_resumed_and_what_was_missed_is_replayed(cut: str) -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        fake.mention(fake.ada, fake.general, "one")
        await fake.until(lambda: bot.heard)
        arguments: dict[str, dict[str, Any]] = {
            "close_gateway": {"code": 4000},
            "invalidate": {"resumable": True},
        }
        getattr(fake, cut)(**arguments.get(cut, {}))
        fake.mention(fake.ada, fake.general, "two")
        await fake.until(lambda: len(bot.heard) == 2)
        assert (fake.identifies, fake.resumes) == (1, 1)
        assert "RESUMED" in bot.told

    run(story)


def test_an_invalid_session_begins_anew_and_what_was_missed_is_lost() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        fake.invalidate(resumable=False)
        fake.mention(fake.ada, fake.general, "lost")
        await fake.until(lambda: fake.identifies == 2 and fake.connected())
        fake.mention(fake.ada, fake.general, "found")
        await fake.until(lambda: bot.heard)
        assert [content.split()[-1] for content in bot.contents] == ["found"]
        fake.forget_sessions()
        fake.abort_gateway()
        await fake.until(lambda: fake.identifies == 3)
        assert fake.resumes == 1

    run(story)


def test_a_fatal_close_and_a_malformed_event_end_the_client() -> None:
    async def story() -> None:
        async with FakeDiscord() as fake:
            async with connected(fake, Bot()) as running:
                fake.close_gateway(4010)
                with pytest.raises(discord.ConnectionClosed) as closed:
                    await running
                assert closed.value.code == 4010
            async with connected(fake, Bot()) as running:
                fake.dispatch("MESSAGE_CREATE", {"id": "1", "channel_id": "2"}, fake.guild)
                with pytest.raises(KeyError):
                    await running
            async with connected(fake, Bot()) as running:
                fake.send_raw('{"op": 0, "t": "MESSAGE_CRE')
                with pytest.raises(ValueError, match="Unterminated"):
                    await running

    asyncio.run(story())


def test_an_outage_is_over_when_discord_comes_back() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        fake.go_dark()
        with pytest.raises(aiohttp.ClientError):
            await channel_of(bot, fake.general).send("anybody?")
        assert fake.visible(fake.general) == []
        fake.come_back()
        await fake.until(fake.connected, 20)
        await channel_of(bot, fake.general).send("here")
        assert fake.answers(fake.general) == ["here"]

    run(story)


def test_heartbeats_are_answered_until_the_link_goes_silent() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        fake.gateway.heartbeat_ms = 20
        fake.reconnect()
        beats = fake.gateway.heartbeats
        await fake.until(lambda: fake.gateway.heartbeats > beats + 3)
        fake.keep_silent()
        beats = fake.gateway.heartbeats
        fake.mention(fake.ada, fake.general, "unheard")
        await asyncio.sleep(0.1)
        assert (fake.gateway.heartbeats, bot.heard) == (beats, [])
        fake.keep_silent(silent=False)
        await fake.until(lambda: len(bot.heard) == 1 and fake.gateway.heartbeats > beats)

    run(story)


def test_members_roles_and_channels_change_under_the_bot() -> None:
    async def story(fake: FakeDiscord, bot: Bot) -> None:
        role = fake.add_role(fake.guild, "Staff")
        fake.grant(fake.guild, fake.bot, role)
        room = fake.add_channel(fake.guild, "room", only=[role])
        await fake.until(lambda: bot.get_channel(room.id))
        assert channel_of(bot, room).permissions_for(bot.guilds[0].me).view_channel
        fake.mention(fake.ada, room, "hello")
        await fake.until(lambda: bot.heard)
        member = await bot.guilds[0].fetch_member(fake.bob.id)
        assert [each.name for each in member.roles] == ["@everyone"]
        fake.withdraw(fake.guild, fake.bot, role)
        with pytest.raises(discord.Forbidden):
            await bot.heard[0].reply("hello")
        fake.remove_channel(room)
        fake.remove_role(fake.guild, role)
        await fake.until(lambda: "GUILD_ROLE_DELETE" in bot.told)
        assert bot.get_channel(room.id) is None
        fake.remove_member(fake.guild, fake.bot)
        await fake.until(lambda: not bot.guilds)

    run(story)


def test_a_guild_without_the_bot_takes_five_followups_from_a_persons_own_app() -> None:
    done = asyncio.Event()

    def prepare(bot: Bot) -> None:
        @bot.tree.command(description="Asks")
        @app_commands.allowed_installs(guilds=True, users=True)
        async def ask(interaction: discord.Interaction) -> None:
            assert not interaction.is_guild_integration()
            await interaction.response.send_message("here")
            for number in range(5):
                await interaction.followup.send(str(number))
            with pytest.raises(discord.HTTPException):
                await interaction.followup.send("one too many")
            done.set()

    async def story(fake: FakeDiscord, bot: Bot) -> None:
        other = fake.add_guild("Elsewhere", fake.ada, has_bot=False)
        hall = fake.add_channel(other, "hall")
        fake.slash(fake.ada, hall, "ask", by_user_install=True)
        await asyncio.wait_for(done.wait(), 10)
        assert fake.answers(hall) == ["here", "0", "1", "2", "3", "4"]
        assert [guild.name for guild in bot.guilds] == ["Team"]

    run_with(prepare, story)


def test_two_shards_hear_of_their_own_guilds_and_one_resumes_alone() -> None:
    class Sharded(discord.AutoShardedClient):
        heard: list[str]

        async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
            pass

        async def on_message(self, message: discord.Message) -> None:
            assert message.guild is not None
            self.heard.append(f"{message.guild.shard_id} {message.content.split()[-1]}")

    async def story() -> None:
        async with FakeDiscord() as fake:
            fake.gateway.shards, fake.gateway.shards_required = 2, True
            base = fake.guild.id >> 22 << 22
            even = (fake.guild.id >> 22) % 2 == 0
            other = fake.add_guild("Other", fake.ada, guild_id=base + (1 << 22))
            hall = fake.add_channel(other, "hall")
            client = Sharded(intents=INTENTS, guild_ready_timeout=0.05)
            client.heard = []
            async with connected(fake, client):
                first, second = (fake.general, hall) if even else (hall, fake.general)
                assert [row["shard"] for row in fake.gateway.identifies] == [[0, 2], [1, 2]]
                fake.mention(fake.ada, first, "a")
                await fake.until(lambda: client.heard == ["0 a"])
                fake.abort_gateway(shard=1)
                fake.mention(fake.ada, second, "b")
                await fake.until(lambda: client.heard == ["0 a", "1 b"])
                assert (fake.identifies, fake.resumes) == (2, 1)

    asyncio.run(story())


CHILD = """
import discord, os, yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

Route.BASE = os.environ["DISCORD_API_URL"]
DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(os.environ["DISCORD_GATEWAY_URL"])

class Echo(discord.Client):
    async def on_message(self, message):
        if message.author != self.user:
            await message.reply(message.content.split()[-1])

Echo(intents=discord.Intents(guilds=True, guild_messages=True)).run(os.environ["DISCORD_TOKEN"], log_handler=None)
"""


def test_it_stands_beside_a_program_of_its_own() -> None:
    with FakeDiscord.running() as fake:
        environment = os.environ | {
            "DISCORD_API_URL": fake.api_url,
            "DISCORD_GATEWAY_URL": fake.gateway_url,
            "DISCORD_TOKEN": fake.token,
        }
        with subprocess.Popen([sys.executable, "-c", CHILD], env=environment) as child:
            try:
                fake.wait_for(fake.connected, 30)
                asked = fake.mention(fake.ada, fake.general, "echo")
                assert fake.wait_for(lambda: fake.answers(fake.general)) == ["echo"]
                assert fake.visible(fake.general)[-1].reference == asked.id
            finally:
                child.kill()
