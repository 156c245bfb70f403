"""The fake Slack, qualified with a bare bolt app and the unmodified SDK."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack import ADA, BEN, BOT_ID, BOT_USER, GENERAL, TEAM, FakeSlack

MENTION = f"<@{BOT_USER}>"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@contextlib.asynccontextmanager
async def workspace() -> AsyncIterator[tuple[FakeSlack, AsyncWebClient]]:
    """A workspace, and a client of the SDK that tries everything once."""
    async with FakeSlack() as slack, aiohttp.ClientSession() as session:
        yield slack, AsyncWebClient(slack.bot_token, base_url=slack.url, session=session, retry_handlers=[])


@contextlib.asynccontextmanager
async def connected(
    slack: FakeSlack, client: AsyncWebClient, *, connections: int = 1, ping_s: float = 0.1
) -> AsyncIterator[tuple[AsyncApp, list[dict[str, Any]]]]:
    """A connected bolt app, and what it hears."""
    app = AsyncApp(client=client, ignoring_self_events_enabled=False)
    heard: list[dict[str, Any]] = []

    async def hear(body: dict[str, Any]) -> None:
        heard.append(body)

    for name in ("app_mention", "message", "agent_session_stopped", "app_home_opened", "reaction_added"):
        app.event(name)(hear)
    handlers = [
        AsyncSocketModeHandler(app, slack.app_token, ping_interval=ping_s) for _ in range(connections)
    ]
    try:
        for handler in handlers:
            await handler.connect_async()
        await slack.until(lambda: len(slack.sockets.open()) == connections)
        yield app, heard
    finally:
        for handler in handlers:
            await handler.close_async()


async def refusal(call: Awaitable[Any]) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])


async def test_mention_is_heard_as_app_mention_and_as_message_and_answered_in_its_thread() -> None:
    async with workspace() as (slack, client):
        async with connected(slack, client) as (app, heard):

            @app.middleware
            async def answer(body: dict[str, Any], say: Any, next: Any) -> None:
                await next()
                if body["event"]["type"] == "app_mention":
                    await say("Thirty days.", thread_ts=body["event"]["ts"], unfurl_links=False)

            ts = slack.mention(ADA, GENERAL, "how many days?")
            await slack.until(lambda: slack.answers(GENERAL, ts) and len(heard) >= 3)
        events = [one.payload["event"] for one in slack.deliveries]
        assert [one["type"] for one in events[:2]] == ["app_mention", "message"]
        assert {one["ts"] for one in events[:2]} == {ts}
        assert events[1]["channel_type"] == "channel"
        assert events[1]["blocks"][0]["elements"][0]["elements"][0] == {"type": "user", "user_id": BOT_USER}
        (answered,) = slack.answers(GENERAL, ts)
        assert (answered.text, answered.thread_ts, answered.unfurl_links) == ("Thirty days.", ts, False)
        assert answered.unfurl_media is None
        assert heard[0]["authorizations"][0]["user_id"] == BOT_USER


async def test_mention_order_can_be_turned_and_a_channel_without_the_app_stays_unheard() -> None:
    async with workspace() as (slack, _):
        slack.mention_order = ("message", "app_mention")
        elsewhere = slack.add_channel("elsewhere", [ADA], with_bot=False)
        slack.mention(ADA, elsewhere, "anybody?")
        slack.mention(ADA, GENERAL, "hello")
        kinds = [one.payload["event"]["type"] for one in slack.deliveries]
        assert kinds == ["message", "app_mention"]


async def test_direct_message_and_private_channel_have_their_own_channel_types() -> None:
    async with workspace() as (slack, _):
        private = slack.add_channel("board", [ADA], kind="private")
        slack.direct(ADA, "hello")
        slack.post(ADA, private, "psst")
        assert [one.payload["event"]["channel_type"] for one in slack.deliveries] == ["im", "group"]
        slack.world.subscriptions = {"message.im"}
        slack.post(ADA, private, "unheard")
        slack.direct(ADA, "heard")
        assert len(slack.deliveries) == 3


async def test_edit_and_deletion_tell_what_was_before() -> None:
    async with workspace() as (slack, _):
        ts = slack.post(ADA, GENERAL, "first")
        slack.edit(ADA, GENERAL, ts, "second")
        slack.delete(ADA, GENERAL, ts)
        changed, deleted = (one.payload["event"] for one in slack.deliveries[1:])
        assert (changed["subtype"], changed["message"]["text"]) == ("message_changed", "second")
        assert changed["previous_message"]["text"] == "first"
        assert changed["message"]["edited"]["user"] == ADA
        assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", ts)
        assert slack.visible(GENERAL) == []


async def test_stream_of_the_sdk_becomes_one_message() -> None:
    async with workspace() as (slack, client):
        ts = slack.mention(ADA, GENERAL, "tell me")
        stream = await client.chat_stream(
            channel=GENERAL, thread_ts=ts, recipient_team_id=TEAM, recipient_user_id=ADA, buffer_size=1
        )
        for piece in ("One ", "two ", "three."):
            await stream.append(markdown_text=piece)
        (message,) = slack.answers(GENERAL, ts)
        assert slack.world.streaming(message)
        assert (
            await refusal(client.chat_update(channel=GENERAL, ts=message.ts, text="x"))
            == "streaming_state_conflict"
        )
        assert await refusal(client.chat_delete(channel=GENERAL, ts=message.ts)) == "cant_delete_message"
        section = {"type": "section", "text": {"type": "mrkdwn", "text": "Sources"}}
        await stream.stop(blocks=[section], session_status="active")
        assert message.text == "One two three."
        assert message.shown == "One two three.\nSources"
        assert slack.session(GENERAL, ts) == "active"
        assert [call.method for call in slack.calls if call.answer["ok"]] == [
            "chat.startStream",
            "chat.appendStream",
            "chat.appendStream",
            "chat.stopStream",
        ]
        assert (
            await refusal(client.chat_stopStream(channel=GENERAL, ts=message.ts))
            == "message_not_in_streaming_state"
        )


async def test_stream_ends_by_itself_after_its_window_and_can_be_updated_then() -> None:
    async with workspace() as (slack, client):
        ts = slack.direct(ADA, "tell me")
        place = slack.direct_channel(ADA)
        started = await client.chat_startStream(channel=place, thread_ts=ts, markdown_text="One")
        slack.advance(299)
        await client.chat_appendStream(channel=place, ts=started["ts"], markdown_text=" two")
        slack.advance(2)
        late = client.chat_appendStream(channel=place, ts=started["ts"], markdown_text=" three")
        assert await refusal(late) == "message_not_in_streaming_state"
        await client.chat_update(channel=place, ts=started["ts"], markdown_text="One two three")
        assert slack.answers(place, ts)[0].text == "One two three"
        assert slack.answers(place, ts)[0].versions == ["One", "One two", "One two three"]


async def test_stop_button_ends_the_streams_and_tells_the_app() -> None:
    async with workspace() as (slack, client):
        ts = slack.mention(ADA, GENERAL, "tell me")
        to = {"channel": GENERAL, "thread_ts": ts, "recipient_team_id": TEAM, "recipient_user_id": ADA}
        started = await client.chat_startStream(markdown_text="One", **to)
        await client.agents_sessions_setStatus(channel_id=GENERAL, thread_ts=ts, status="processing")
        delivery = slack.stop_session(ADA, GENERAL, ts)
        assert delivery is not None
        assert delivery.payload["event"]["streaming_message_ts"] == [started["ts"]]
        late = client.chat_appendStream(channel=GENERAL, ts=started["ts"], markdown_text=" two")
        assert await refusal(late) == "stopped_by_user"
        assert slack.session(GENERAL, ts) == "processing"


async def test_stream_that_a_fault_has_ended_can_be_updated() -> None:
    async with workspace() as (slack, client):
        place, ts = slack.direct_channel(ADA), slack.direct(ADA, "tell me")
        started = await client.chat_startStream(channel=place, thread_ts=ts, markdown_text="One")
        slack.fail("chat.stopStream", ["message_not_in_streaming_state"])
        stop = client.chat_stopStream(channel=place, ts=started["ts"], markdown_text=" two")
        assert await refusal(stop) == "message_not_in_streaming_state"
        await client.chat_update(channel=place, ts=started["ts"], markdown_text="One two")
        assert [one.text for one in slack.answers(place, ts)] == ["One two"]


async def test_channel_stream_without_recipient_is_refused() -> None:
    async with workspace() as (slack, client):
        ts = slack.mention(ADA, GENERAL, "tell me")
        call = client.chat_startStream(channel=GENERAL, thread_ts=ts, markdown_text="One")
        assert await refusal(call) == "missing_recipient_user_id"


async def test_places_and_messages_of_others_are_refused_by_their_names() -> None:
    async with workspace() as (slack, client):
        public = slack.add_channel("public", [ADA], with_bot=False)
        secret = slack.add_channel("secret", [ADA], kind="private", with_bot=False)
        old = slack.add_channel("old", [ADA])
        slack.world.channels[old].archived = True
        said = slack.post(ADA, GENERAL, "mine")
        post, update = client.chat_postMessage, client.chat_update
        assert await refusal(post(channel=public, text="x")) == "not_in_channel"
        assert await refusal(post(channel=secret, text="x")) == "channel_not_found"
        assert await refusal(post(channel=old, text="x")) == "is_archived"
        assert await refusal(post(channel=GENERAL, text="x", thread_ts="1.1")) == "thread_not_found"
        assert await refusal(update(channel=GENERAL, ts=said, text="x")) == "cant_update_message"
        assert await refusal(update(channel=GENERAL, ts="1.1", text="x")) == "message_not_found"
        stranger = slack.add_user("eve")
        whisper = client.chat_postEphemeral(channel=GENERAL, user=stranger, text="x")
        assert await refusal(whisper) == "user_not_in_channel"
        await client.chat_postEphemeral(channel=GENERAL, user=BEN, text="only you")
        assert [one.text for one in slack.ephemerals(GENERAL, BEN)] == ["only you"]
        assert [one.text for one in slack.visible(GENERAL)] == ["mine"]


async def test_tokens_scopes_and_unknown_methods_are_checked() -> None:
    async with workspace() as (slack, client):
        answer = await client.auth_test()
        assert (answer["user_id"], answer["bot_id"]) == (BOT_USER, BOT_ID)
        assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")
        assert await refusal(client.api_call("chat.sing")) == "unknown_method"
        assert await refusal(client.auth_test(token="xoxb-wrong")) == "invalid_auth"
        assert (
            await refusal(client.apps_connections_open(app_token=slack.bot_token)) == "not_allowed_token_type"
        )
        slack.world.scopes.discard("users:read")
        with pytest.raises(SlackApiError) as refused:
            await client.users_info(user=ADA)
        assert refused.value.response["error"] == "missing_scope"
        assert refused.value.response["needed"] == "users:read"
        slack.world.token_error = "token_revoked"
        assert await refusal(client.auth_test()) == "token_revoked"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"markdown_text": "x" * 12_001}, "msg_too_long"),
        ({"markdown_text": "x", "text": "y"}, "markdown_text_conflict"),
        ({"text": ""}, "no_text"),
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": ""}}]}, "invalid_blocks"),
        ({"blocks": [{"type": "banner"}]}, "invalid_blocks"),
        ({"blocks": [{"type": "markdown", "text": "x" * 6001}] * 2}, "msg_blocks_too_long"),
        (
            {
                "blocks": [
                    {
                        "type": "actions",
                        "elements": [{"type": "button", "text": {"type": "mrkdwn", "text": "x"}}],
                    }
                ]
            },
            "invalid_blocks",
        ),
    ],
)
async def test_what_slack_would_not_take_is_refused(body: dict[str, Any], error: str) -> None:
    async with workspace() as (slack, client):
        assert await refusal(client.api_call("chat.postMessage", json={"channel": GENERAL} | body)) == error
        assert slack.visible(GENERAL) == []


async def test_long_text_is_truncated_and_pings_are_seen() -> None:
    async with workspace() as (slack, client):
        await client.chat_postMessage(channel=GENERAL, text="<!here> " + "x" * 40_000)
        (message,) = slack.visible(GENERAL)
        assert len(message.text) == 40_000
        assert message.pings == ["!here"]


async def test_arguments_come_as_json_as_a_form_or_in_the_address() -> None:
    async with workspace() as (slack, _), aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {slack.bot_token}"}
        blocks = '[{"type": "markdown", "text": "# Hi"}]'
        form = {"channel": GENERAL, "blocks": blocks, "unfurl_links": "0"}
        async with session.post(slack.url + "chat.postMessage", data=form, headers=headers) as got:
            posted = await got.json()
        where = {"channel": GENERAL, "timestamp": posted["ts"], "name": "eyes", "token": slack.bot_token}
        async with session.post(slack.url + "reactions.add", params=where) as got:
            assert (await got.json())["ok"]
        where = {"channel": GENERAL, "limit": "1"}
        async with session.get(slack.url + "conversations.history", params=where, headers=headers) as got:
            assert (await got.json())["messages"][0]["reactions"][0]["name"] == "eyes"
        (message,) = slack.answers(GENERAL)
        assert (message.shown, message.unfurl_links) == ("# Hi", False)


async def test_thread_is_read_page_by_page() -> None:
    async with workspace() as (slack, client):
        root = slack.post(ADA, GENERAL, "0")
        for n in range(1, 6):
            slack.post(BEN, GENERAL, str(n), root)
        seen: list[str] = []
        cursor = ""
        while True:
            page = await client.conversations_replies(channel=GENERAL, ts=root, limit=4, cursor=cursor)
            seen += [one["text"] for one in page["messages"]]
            if not (cursor := page["response_metadata"]["next_cursor"]):
                break
        assert seen == ["0", "1", "2", "3", "4", "5"]
        history = await client.conversations_history(channel=GENERAL)
        assert [(one["text"], one["reply_count"]) for one in history["messages"]] == [("0", 5)]
        assert await refusal(client.conversations_replies(channel=GENERAL, ts="1.1")) == "thread_not_found"


async def test_people_groups_and_places_are_told_as_they_are() -> None:
    async with workspace() as (slack, client):
        other = slack.add_team("Other")
        guest, stranger = (
            slack.add_user("gil", "single_channel_guest"),
            slack.add_user("sam", "stranger", team=other),
        )
        group = slack.add_group("board", [ADA])
        shared = slack.add_channel("shared", [ADA, stranger], teams=(other,))
        told = (await client.users_info(user=guest))["user"]
        assert (told["is_restricted"], told["is_ultra_restricted"]) == (True, True)
        told = (await client.users_info(user=stranger))["user"]
        assert (told["team_id"], told["is_stranger"]) == (other, True)
        assert (await client.usergroups_users_list(usergroup=group))["users"] == [ADA]
        assert (await client.conversations_info(channel=shared))["channel"]["is_ext_shared"] is True
        assert stranger in (await client.conversations_members(channel=shared))["members"]
        opened = await client.conversations_open(users=ADA)
        assert opened["channel"]["id"] == slack.direct_channel(ADA)
        slack.post(stranger, shared, "hello")
        assert slack.deliveries[-1].payload["is_ext_shared_channel"] is True
        assert slack.deliveries[-1].payload["event"]["user_team"] == other


async def test_other_bots_webhooks_and_own_messages_are_heard_as_such() -> None:
    async with workspace() as (slack, client):
        other = slack.add_user("courier", "bot")
        slack.post(other, GENERAL, "from a bot")
        slack.post(other, GENERAL, "from a webhook", subtype="bot_message")
        await client.chat_postMessage(
            channel=GENERAL, text="mine", metadata={"event_type": "x", "event_payload": {}}
        )
        bot, webhook, own = (one.payload["event"] for one in slack.deliveries)
        assert (bot["user"], bot["bot_profile"]["user_id"]) == (other, other)
        assert ("user" in webhook, webhook["subtype"]) == (False, "bot_message")
        assert (own["bot_id"], own["user"], own["metadata"]["event_type"]) == (BOT_ID, BOT_USER, "x")
        slack.world.echoes = False
        await client.chat_postMessage(channel=GENERAL, text="unheard")
        assert len(slack.deliveries) == 3


async def test_file_is_told_and_given_to_the_app_alone() -> None:
    async with workspace() as (slack, client):
        file = slack.add_file(ADA, "rules.txt", b"Be kind.")
        slack.post(ADA, GENERAL, "read this", files=(file,))
        event = slack.deliveries[0].payload["event"]
        told = (await client.files_info(file=file))["file"]
        assert (event["subtype"], event["files"][0]["id"]) == ("file_share", file)
        async with aiohttp.ClientSession() as session:
            async with session.get(
                told["url_private"], headers={"Authorization": f"Bearer {slack.bot_token}"}
            ) as got:
                assert await got.read() == b"Be kind."
            async with session.get(told["url_private"]) as got:
                assert "Sign in" in await got.text()


async def test_lists_name_what_the_app_may_see() -> None:
    async with workspace() as (slack, client):
        slack.add_channel("hidden", [ADA], kind="private", with_bot=False)
        board = slack.add_channel("board", [ADA], kind="private")
        group = slack.add_group("leads", [ADA, BEN])
        listed = await client.conversations_list(types="public_channel,private_channel")
        assert [one["id"] for one in listed["channels"]] == [GENERAL, board]
        assert {one["id"] for one in (await client.users_list())["members"]} == {BOT_USER, ADA, BEN}
        listed = await client.usergroups_list(include_users=True)
        assert [(one["id"], one["users"]) for one in listed["usergroups"]] == [(group, [ADA, BEN])]
        assert (await client.bots_info(bot=BOT_ID))["bot"]["user_id"] == BOT_USER
        root = slack.post(ADA, GENERAL, "root")
        reply = slack.post(BEN, GENERAL, "reply", root)
        link = (await client.chat_getPermalink(channel=GENERAL, message_ts=reply))["permalink"]
        assert link.endswith(f"/p{reply.replace('.', '')}?thread_ts={root}&cid={GENERAL}")


async def test_threads_have_titles_sessions_and_prompts() -> None:
    async with workspace() as (slack, client):
        place, ts = slack.direct_channel(ADA), slack.direct(ADA, "hello")
        prompts = [{"title": "Leave", "message": "How much leave?"}]
        await client.assistant_threads_setTitle(channel_id=place, thread_ts=ts, title="Leave")
        await client.assistant_threads_setSuggestedPrompts(channel_id=place, prompts=prompts)
        shown = client.assistant_threads_setSuggestedPrompts(
            channel_id=place, thread_ts=ts, prompts=[prompts[0]] * 5
        )
        assert await refusal(shown) == "invalid_arguments"
        assert (slack.world.titles[place, ts], slack.world.prompts[place]) == ("Leave", prompts)
        missing = client.agents_sessions_rename(channel_id=place, thread_ts=ts, title="x")
        assert await refusal(missing) == "session_not_found"
        slack.world.subscriptions = {"message.im"}
        told = await client.agents_sessions_setStatus(channel_id=place, thread_ts=ts, status="processing")
        assert told["warning"] == "missing_agent_session_stopped_event_subscription"
        await client.agents_sessions_rename(channel_id=place, thread_ts=ts, title="Parental leave")
        await client.agents_sessions_setStatus(channel_id=place, thread_ts=ts, status="active")
        session = slack.world.sessions[place, ts]
        assert (session.title, session.history) == ("Parental leave", ["processing", "active"])


async def test_views_are_pushed_updated_and_closed() -> None:
    def modal(name: str) -> dict[str, Any]:
        button = {"type": "button", "action_id": "more", "text": {"type": "plain_text", "text": "More"}}
        title = {"type": "plain_text", "text": name}
        return {
            "type": "modal",
            "title": title,
            "notify_on_close": True,
            "blocks": [{"type": "actions", "elements": [button]}],
        }

    async with workspace() as (slack, client):
        trigger = slack.command(ADA, GENERAL, "/ask").payload["trigger_id"]
        first = (await client.views_open(trigger_id=trigger, view=modal("One")))["view"]
        assert await refusal(client.views_open(trigger_id=trigger, view=modal("x"))) == "exchanged_trigger_id"
        pressed = slack.click_view(ADA, first["id"], "more").payload
        pushed = (await client.views_push(trigger_id=pressed["trigger_id"], view=modal("Two")))["view"]
        assert (pushed["root_view_id"], pushed["previous_view_id"]) == (first["id"], first["id"])
        await client.views_update(view_id=first["id"], hash=first["hash"], view=modal("Three"))
        late = client.views_update(view_id=first["id"], hash=first["hash"], view=modal("Four"))
        assert await refusal(late) == "hash_conflict"
        assert [one.body["title"]["text"] for one in slack.open_views(ADA)] == ["Three", "Two"]
        closed = slack.close_view(ADA, pushed["id"])
        assert closed is not None
        assert (closed.payload["type"], len(slack.open_views(ADA))) == ("view_closed", 1)


async def test_joining_leaving_and_reacting_are_heard() -> None:
    async with workspace() as (slack, client):
        eve = slack.add_user("eve")
        slack.join(eve, GENERAL)
        slack.react(eve, GENERAL, slack.post(ADA, GENERAL, "hello"), "tada")
        slack.leave(eve, GENERAL)
        kinds = [
            (one.payload["event"]["type"], one.payload["event"].get("subtype")) for one in slack.deliveries
        ]
        assert kinds == [
            ("member_joined_channel", None),
            ("message", "channel_join"),
            ("message", None),
            ("reaction_added", None),
            ("member_left_channel", None),
        ]
        assert eve not in (await client.conversations_members(channel=GENERAL))["members"]


async def test_moderator_deletes_an_answer_that_is_being_streamed() -> None:
    async with workspace() as (slack, client):
        place, ts = slack.direct_channel(ADA), slack.direct(ADA, "tell me")
        started = await client.chat_startStream(channel=place, thread_ts=ts, markdown_text="One")
        slack.delete(BEN, place, started["ts"])
        late = client.chat_appendStream(channel=place, ts=started["ts"], markdown_text=" two")
        assert await refusal(late) == "message_not_found"
        slack.delete(ADA, place, ts)
        assert slack.deliveries[-1].payload["event"]["subtype"] == "message_deleted"
        gone = client.chat_postMessage(channel=place, thread_ts=ts, text="x")
        assert await refusal(gone) == "thread_not_found"


async def test_reactions_and_statuses_are_kept() -> None:
    async with workspace() as (slack, client):
        ts = slack.post(ADA, GENERAL, "hello")
        await client.reactions_add(channel=GENERAL, timestamp=ts, name="eyes")
        assert (
            await refusal(client.reactions_add(channel=GENERAL, timestamp=ts, name="eyes"))
            == "already_reacted"
        )
        assert slack.visible(GENERAL)[0].reactions == {"eyes": [BOT_USER]}
        await client.reactions_remove(channel=GENERAL, timestamp=ts, name="eyes")
        assert slack.visible(GENERAL)[0].reactions == {}
        await client.assistant_threads_setStatus(channel_id=GENERAL, thread_ts=ts, status="is searching")
        assert slack.status(GENERAL, ts) == "is searching"
        await client.chat_postMessage(channel=GENERAL, thread_ts=ts, text="found")
        assert slack.status(GENERAL, ts) == ""


async def test_command_is_answered_in_its_acknowledgement_and_by_its_response_url_five_times() -> None:
    async with workspace() as (slack, client):
        async with connected(slack, client) as (app, _):
            statuses: list[int] = []

            @app.command("/ask")
            async def answer(ack: Any, respond: Any, command: dict[str, str]) -> None:
                await ack(f"Looking for {command['text']}")
                for n in range(6):
                    kind = "in_channel" if n == 4 else "ephemeral"
                    statuses.append((await respond(f"answer {n}", response_type=kind)).status_code)

            delivery = slack.command(ADA, GENERAL, "/ask", "leave")
            await slack.until(lambda: len(statuses) == 6 and delivery.acked_after is not None)
        assert statuses == [200] * 5 + [404]
        whispers = {one.text for one in slack.ephemerals(GENERAL, ADA)}
        assert whispers == {"Looking for leave", "answer 0", "answer 1", "answer 2", "answer 3"}
        assert [one.text for one in slack.answers(GENERAL)] == ["answer 4"]


async def test_button_opens_a_modal_whose_submission_is_judged() -> None:
    modal = {
        "type": "modal",
        "callback_id": "why",
        "title": {"type": "plain_text", "text": "Why?"},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": [
            {
                "type": "input",
                "block_id": "reason",
                "label": {"type": "plain_text", "text": "Reason"},
                "element": {"type": "plain_text_input", "action_id": "text"},
            }
        ],
    }
    button = {
        "type": "button",
        "action_id": "wrong",
        "text": {"type": "plain_text", "text": "Wrong"},
        "value": "7",
    }

    async with workspace() as (slack, client), connected(slack, client) as (app, _):
        pressed: list[str] = []

        @app.action("wrong")
        async def press(
            ack: Any, body: dict[str, Any], action: dict[str, str], client: AsyncWebClient
        ) -> None:
            await ack()
            await client.views_open(trigger_id=body["trigger_id"], view=modal)
            pressed.append(action["value"])

        @app.view("why")
        async def judge(ack: Any, view: dict[str, Any]) -> None:
            reason = view["state"]["values"]["reason"]["text"]["value"]
            await (ack() if reason else ack(response_action="errors", errors={"reason": "Say why"}))

        said = await client.chat_postMessage(
            channel=GENERAL, text="Well?", blocks=[{"type": "actions", "elements": [button]}]
        )
        slack.click(ADA, GENERAL, said["ts"], "wrong")
        await slack.until(lambda: pressed and slack.open_views(ADA))
        (view,) = slack.open_views(ADA)
        slack.submit_view(ADA, view.id, {"text": ""})
        await slack.until(lambda: view.errors)
        slack.submit_view(ADA, view.id, {"text": "It is old"})
        await slack.until(lambda: not view.open)
        assert pressed == ["7"]
        assert view.errors == {"reason": "Say why"}
        slack.click(ADA, GENERAL, said["ts"], "wrong", value="forged")
        slack.advance(4)
        await slack.until(lambda: len(slack.called("views.open")) == 2)
        assert slack.called("views.open")[1].answer["error"] == "expired_trigger_id"


async def test_shortcut_works_where_the_app_is_not_and_home_is_published() -> None:
    async with workspace() as (slack, client), connected(slack, client) as (app, heard):
        seen: list[str] = []

        @app.shortcut("ask_about_this")
        async def used(ack: Any, shortcut: dict[str, Any], respond: Any) -> None:
            await ack()
            seen.append(shortcut["message"]["text"])
            await respond("An answer for you", response_type="ephemeral")

        away = slack.add_channel("away", [ADA], with_bot=False)
        slack.shortcut(ADA, away, slack.post(ADA, away, "what is this?"), "ask_about_this")
        await slack.until(lambda: slack.ephemerals(away, ADA))
        assert seen == ["what is this?"]
        slack.open_home(ADA)
        await slack.until(lambda: any(body["event"]["type"] == "app_home_opened" for body in heard))
        home = {"type": "home", "blocks": [{"type": "divider"}]}
        await client.views_publish(user_id=ADA, view=home)
        shown = slack.home(ADA)
        assert shown is not None
        assert shown.body == home


async def test_each_envelope_goes_to_one_connection_in_turn_and_is_acknowledged() -> None:
    async with workspace() as (slack, client), connected(slack, client, connections=2) as (_, heard):
        for n in range(6):
            slack.post(ADA, GENERAL, str(n))
        await slack.until(lambda: len(slack.acks) == 6)
        assert sorted(body["event"]["text"] for body in heard) == list("012345")
        used = [one.sendings[0].socket for one in slack.deliveries]
        assert used == [used[0], used[1]] * 3
        assert used[0] != used[1]
        assert all(len(one.sendings) == 1 for one in slack.deliveries)


async def test_unacknowledged_event_comes_again_with_its_attempt_and_the_same_event_id() -> None:
    async with workspace() as (slack, client):
        slack.sockets.retry_after_s = (0.05, 0.05)
        async with connected(slack, client) as (app, heard):
            retries: list[tuple[list[str], list[str]]] = []

            @app.middleware
            async def note(req: Any, next: Any) -> None:
                num, why = (req.headers.get(f"x-slack-retry-{one}", []) for one in ("num", "reason"))
                retries.append((num, why))
                await next()

            delivery = slack.event({"type": "tokens_revoked"})
            assert delivery is not None
            await slack.until(lambda: len(retries) == 3)
            assert retries == [(["0"], [""]), (["1"], ["timeout"]), (["2"], ["timeout"])]
            assert delivery.acked_after is None
            slack.sockets.retry_after_s = ()
            slack.post(ADA, GENERAL, "x")
            said = slack.deliveries[-1]
            await slack.until(lambda: said.acked_after is not None)
            slack.redeliver(said)
            slack.redeliver(said, new_id=True)
            await slack.until(lambda: len(slack.acks) == 2 and len(heard) == 3)
            assert len({body["event_id"] for body in heard}) == 1
            assert [one.attempt for one in said.sendings] == [0, 1, 2]
            first, second, third = (one.envelope_id for one in said.sendings)
            assert first == second != third


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "too_many_websockets", "link_disabled"])
async def test_disconnect_frame_makes_the_client_come_back_and_what_was_kept_arrives(reason: Any) -> None:
    async with workspace() as (slack, client):
        async with connected(slack, client) as (_, heard):
            slack.disconnect(reason, closes_after=0.05)
            await slack.until(lambda: slack.sockets.opened == 2 and slack.sockets.open())
            slack.post(ADA, GENERAL, "still there?")
            await slack.until(lambda: len(heard) == 1)
        assert len(slack.called("apps.connections.open")) == 2


async def test_events_without_a_connection_are_kept_or_lost_as_set() -> None:
    async with workspace() as (slack, client):
        slack.sockets.when_closed = "lost"
        slack.post(ADA, GENERAL, "lost")
        command = slack.command(ADA, GENERAL, "/ask", "lost too")
        await slack.until(lambda: command.lost)
        slack.sockets.when_closed = "kept"
        slack.post(ADA, GENERAL, "kept")
        async with connected(slack, client) as (_, heard):
            await slack.until(lambda: heard)
            assert [body["event"]["text"] for body in heard] == ["kept"]
        assert slack.deliveries[0].lost


async def test_ticket_works_once_and_can_be_refused() -> None:
    async with workspace() as (slack, client):
        async with aiohttp.ClientSession() as session:
            url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
            async with session.ws_connect(url) as ws:
                assert (await ws.receive_json())["type"] == "hello"
            with pytest.raises(aiohttp.WSServerHandshakeError) as used:
                await session.ws_connect(url)
            slack.refuse_tickets(1)
            url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url)
        assert (used.value.status, refused.value.status) == (403, 403)


async def test_eleventh_connection_is_one_too_many() -> None:
    async with workspace() as (slack, client), contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        for n in range(11):
            url = (await client.apps_connections_open(app_token=slack.app_token))["url"]
            ws = await stack.enter_async_context(session.ws_connect(url))
            told = await ws.receive_json()
            assert told["type"] == ("disconnect" if n == 10 else "hello")
        assert told["reason"] == "too_many_websockets"
        assert len(slack.sockets.open()) == 10


async def test_half_open_and_reset_connections_are_left_for_new_ones() -> None:
    async with workspace() as (slack, client), connected(slack, client, ping_s=0.3) as (_, heard):
        slack.sockets.reset()
        await slack.until(lambda: slack.sockets.opened == 2 and slack.sockets.open())
        slack.sockets.freeze()
        slack.post(ADA, GENERAL, "into the void")
        slack.sockets.retry_after_s = (0.5,) * 20
        await slack.until(lambda: slack.sockets.opened == 3)
        slack.post(ADA, GENERAL, "back")
        await slack.until(lambda: len(heard) >= 2)
        assert {body["event"]["text"] for body in heard} == {"into the void", "back"}


async def test_planned_faults_are_consumed_one_a_call() -> None:
    async with workspace() as (slack, client):
        slack.fail(
            "chat.postMessage", [429, (429, "soon"), 500, "ratelimited", "html", "drop_before", "drop_after"]
        )

        def post(text: str) -> Awaitable[Any]:
            return client.chat_postMessage(channel=GENERAL, text=text)

        for expected in ("1", "soon"):
            with pytest.raises(SlackApiError) as refused:
                await post("no")
            assert (refused.value.response.status_code, refused.value.response.headers["Retry-After"]) == (
                429,
                expected,
            )
        with pytest.raises(SlackApiError) as refused:
            await post("no")
        assert refused.value.response.status_code == 500
        assert await refusal(post("no")) == "ratelimited"
        with pytest.raises(SlackApiError):
            await post("no")
        for text in ("before", "after"):
            with pytest.raises(aiohttp.ClientError):
                await post(text)
        await post("fine")
        assert [one.text for one in slack.visible(GENERAL)] == ["after", "fine"]
        assert [call.done for call in slack.calls] == [False] * 6 + [True, True]


async def test_call_can_be_carried_out_and_never_answered() -> None:
    async with workspace() as (slack, client):
        slack.fail("*", ["done_then_timeout", "done_then_500"])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.chat_postMessage(channel=GENERAL, text="one"), 0.2)
        with pytest.raises(SlackApiError):
            await client.chat_postMessage(channel=GENERAL, text="two")
        assert [one.text for one in slack.visible(GENERAL)] == ["one", "two"]
        assert [call.status for call in slack.calls] == [None, 500]


async def test_faults_by_chance_are_the_same_for_the_same_seed() -> None:
    async with workspace() as (slack, client):

        async def outcomes() -> list[str]:
            slack.faults(share=0.5, seed=3, kinds=["ratelimited"])
            calls = [client.conversations_info(channel=GENERAL) for _ in range(12)]
            told = await asyncio.gather(*calls, return_exceptions=True)
            return [str(call.answer.get("error")) for call in slack.calls[-len(told) :]]

        first, second = await outcomes(), await outcomes()
        assert first == second
        assert set(first) == {"None", "ratelimited"}


async def test_rate_limits_answer_429_until_time_has_passed() -> None:
    async with workspace() as (slack, client):
        slack.limits = True
        for n in range(3):
            await client.chat_postMessage(channel=GENERAL, text=str(n))
        with pytest.raises(SlackApiError) as refused:
            await client.chat_postMessage(channel=GENERAL, text="too soon")
        assert refused.value.response.status_code == 429
        slack.advance(int(refused.value.response.headers["Retry-After"]))
        await client.chat_postMessage(channel=GENERAL, text="later")
        assert [one.text for one in slack.visible(GENERAL)] == ["0", "1", "2", "later"]


def test_workspace_in_a_thread_serves_another_process() -> None:
    app = """
import asyncio, os
from slack_bolt.async_app import AsyncApp
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_sdk.web.async_client import AsyncWebClient

app = AsyncApp(client=AsyncWebClient(os.environ.pop("SLACK_BOT_TOKEN"), base_url=os.environ["SLACK_API_URL"]))

@app.event("app_mention")
async def answer(event, say):
    await say("Here.", thread_ts=event["ts"])

@app.event("message")
async def pass_by():
    pass

async def serve():
    await AsyncSocketModeHandler(app, os.environ["SLACK_APP_TOKEN"]).start_async()

asyncio.run(serve())
"""
    with FakeSlack.running() as slack:
        child = subprocess.Popen([sys.executable, "-c", app], env=slack.environment)
        try:
            ts = slack.mention(ADA, GENERAL, "anybody?")
            (answer,) = slack.wait_for(lambda: slack.answers(GENERAL, ts))
            assert answer.text == "Here."
        finally:
            child.kill()
            child.wait()
